import { METHOD_NAME_ALL, type Params, type Result, type Router, UnsupportedPathError } from 'hono/router'

interface Pattern<T> {
  steps: string[]
  handlers: T[]
}

/**
 * A router for a table of exact paths and paths with parameters, without wildcards: an exact path wins over a parameter, whatever
 * their order. Hono's fast one does not take `/v1/events/bulk` beside `/v1/events/:event_id`, and the others try every route in turn.
 */
export class RouteTable<T> implements Router<T> {
  readonly name = 'RouteTable'
  readonly #exact = new Map<string, Map<string, Result<T>>>()
  readonly #patterns = new Map<string, Pattern<T>[]>()

  /** @throws UnsupportedPathError for a wildcard, an optional parameter, or a handler of all methods */
  add(method: string, path: string, handler: T): void {
    if (method === METHOD_NAME_ALL || /[*?{]/.test(path)) throw new UnsupportedPathError()
    if (path.includes(':')) this.#addPattern(method, path.split('/'), handler)
    else this.#addExact(method, path, handler)
  }

  match(method: string, path: string): Result<T> {
    const exact = this.#exact.get(method)?.get(path)
    if (exact !== undefined) return exact
    const steps = path.split('/')
    for (const pattern of this.#patterns.get(method) ?? []) {
      const params = paramsOf(pattern.steps, steps)
      if (params !== undefined) return [pattern.handlers.map((handler) => [handler, params])]
    }
    return [[]]
  }

  #addExact(method: string, path: string, handler: T): void {
    const paths = this.#exact.get(method) ?? new Map<string, Result<T>>()
    const [handlers = []] = paths.get(path) ?? []
    // Both forms of Hono's result are arrays of pairs; without parameters they are the same.
    paths.set(path, [[...handlers, [handler, {}]]] as Result<T>)
    this.#exact.set(method, paths)
  }

  #addPattern(method: string, steps: string[], handler: T): void {
    const patterns = this.#patterns.get(method) ?? []
    const known = patterns.find((pattern) => pattern.steps.join('/') === steps.join('/'))
    if (known === undefined) patterns.push({ steps, handlers: [handler] })
    else known.handlers.push(handler)
    this.#patterns.set(method, patterns)
  }
}

/** The parameters as they stand in the path, still encoded; undefined when the path is another one. A parameter is never empty. */
export function paramsOf(pattern: readonly string[], steps: readonly string[]): Params | undefined {
  if (pattern.length !== steps.length) return undefined
  const params: Params = {}
  for (const [index, step] of pattern.entries()) {
    const given = steps[index] ?? ''
    if (!step.startsWith(':')) {
      if (step !== given) return undefined
    } else if (given === '') return undefined
    else params[step.slice(1)] = given
  }
  return params
}
