/** Paths and queries, encoded so that what is sent is what was signed: no URL parser changes anything in them any more. */

/** Characters that `encodeURIComponent` leaves as they are, though some URL parsers don't. */
const LEFT = /[!'()*]/g

function encode(text: string): string {
  return encodeURIComponent(text).replace(LEFT, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)
}

/**
 * A path with its parameters escaped: path`/v1/events/${id}`.
 *
 * @throws TypeError when a parameter is no text, or is empty, `.` or `..`, which would make another path
 */
export function path(texts: TemplateStringsArray, ...parameters: string[]): string {
  return parameters.reduce((made, parameter, at) => {
    if (typeof parameter !== 'string' || parameter === '' || parameter === '.' || parameter === '..') {
      throw new TypeError(`An id is needed in ${texts.join('{id}')}, not ${JSON.stringify(parameter)}.`)
    }
    return made + encode(parameter) + texts[at + 1]
  }, texts[0] ?? '')
}

/** @returns `?` and the members that are not undefined, in their order; nothing when there is none */
export function queryText(query: object | undefined): string {
  const pairs = Object.entries(query ?? {}).filter(([, value]) => value !== undefined)
  return pairs.length === 0 ? '' : `?${pairs.map(([name, value]) => `${encode(name)}=${encode(String(value))}`).join('&')}`
}
