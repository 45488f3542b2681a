/** Which of a receiver's handlers an event goes to. The patterns are those of a webhook's `events`. */

/** Types of the server's own events begin so; `*` does not stand for them. */
const OWN_PREFIX = 'triggers.'

/** @throws TypeError when a name is no pattern, or what it names is no function */
export function handlersByPattern<Handler>(on: { readonly [pattern: string]: Handler | undefined }): Map<string, Handler> {
  const handlers = new Map<string, Handler>()
  for (const [pattern, handler] of Object.entries(on)) {
    if (handler === undefined) continue
    if (!/^([^*]+(\.\*)?|\*)$/.test(pattern) || typeof handler !== 'function') {
      throw new TypeError(`on: ${JSON.stringify(pattern)} must be an event type or a pattern such as "user.*", with a function.`)
    }
    handlers.set(pattern, handler)
  }
  return handlers
}

/** @returns the handler of the type itself, else of the longest pattern that it matches, else of `*`; undefined where there is none */
export function handlerOf<Handler>(handlers: ReadonlyMap<string, Handler>, eventType: string): Handler | undefined {
  const exact = handlers.get(eventType)
  if (exact !== undefined) return exact
  for (let dot = eventType.lastIndexOf('.'); dot > 0; dot = eventType.lastIndexOf('.', dot - 1)) {
    const handler = handlers.get(`${eventType.slice(0, dot)}.*`)
    if (handler !== undefined) return handler
  }
  return eventType.startsWith(OWN_PREFIX) ? undefined : handlers.get('*')
}
