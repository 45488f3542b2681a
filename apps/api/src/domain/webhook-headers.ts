/** What owners may add to the headers of their deliveries, such as an `Authorization` of their receiver's. */

const MAX_NAME_CHARACTERS = 100
export const MAX_HEADER_VALUE_CHARACTERS = 1024

/** RFC 9110, section 5.6.2. */
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
const VALUE = /^[\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?$/

/** They say how the request itself is sent, or belong to one connection alone. */
const REFUSED = ['host', 'connection', 'keep-alive', 'te', 'trailer', 'transfer-encoding', 'upgrade', 'http2-settings', 'expect']
const REFUSED_PREFIXES = ['proxy-', 'content-', 'webhook-', 'x-webhook-']

/** @returns what is wrong with a header ("must …", "is …"); undefined when it may be sent. It never repeats the value, which may be secret */
export function headerProblem(name: string, value: string): string | undefined {
  if (!TOKEN.test(name)) return "has a name of other characters than letters, digits and !#$%&'*+-.^_`|~"
  if (name.length > MAX_NAME_CHARACTERS) return `must have a name of at most ${MAX_NAME_CHARACTERS} characters`
  const lower = name.toLowerCase()
  if (REFUSED.includes(lower) || REFUSED_PREFIXES.some((prefix) => lower.startsWith(prefix)))
    return 'is a header that deliveries set themselves'
  if (value.length > MAX_HEADER_VALUE_CHARACTERS) return `must have at most ${MAX_HEADER_VALUE_CHARACTERS} characters`
  return VALUE.test(value) ? undefined : 'must have visible ASCII characters, with spaces and tabs between them alone'
}
