import { backOffMs, createFailures } from './consume-failures.ts'
import { type ConsumedInbox, isFinal, pollInbox } from './consume-poll.ts'
import { ConflictError, NotFoundError } from './errors.ts'
import { type Platform, systemPlatform } from './platform.ts'
import type { Event, InboxQuery, JsonObject } from './types.ts'

const FIRST_ACK_DELAY_MS = 250
const MAX_ACK_DELAY_MS = 10_000

/** How long one acknowledgement may take with its retries. It bounds how long a stop can take after the last handler has finished. */
const ACK_TIMEOUT_MS = 10_000

/** Far more than one page: an answer that was on its way while its events were acknowledged starts none of them again. */
const MAX_DONE = 10_000

/** Works on one event. What it returns, or resolves to, means nothing; what it throws leaves the event in the inbox. */
export type Handler<Payload extends object = JsonObject> = (event: Event<Payload>, context: HandlerContext) => unknown

export interface HandlerContext {
  /** Aborted when consuming stops. A handler may finish all the same, and its event is acknowledged; or throw, and the event stays. */
  signal: AbortSignal
}

/** What went wrong while consuming, though it goes on. */
export interface ConsumeErrorContext {
  /** `handler`: it threw. `poll`: the inbox could not be read. `ack`: the event was handled, but could not be acknowledged. */
  stage: 'handler' | 'poll' | 'ack'
  /** Undefined when the inbox could not be read. */
  event: Event<object> | undefined
  /** When it is tried again, in milliseconds; undefined when it is not, as consuming stops: the event comes again another time. */
  retryInMs: number | undefined
}

/** Which events are consumed, and how. Without filters: all of the inbox. */
export type ConsumeOptions = Omit<InboxQuery, 'cursor' | 'limit'> & {
  /** How many handlers may run at once. Default: 1. */
  concurrency?: number | undefined
  /** Stops consuming when it is aborted: running handlers finish, their events are acknowledged, then the promise resolves. */
  signal?: AbortSignal | undefined
  /** The longest wait before an empty inbox is read again, in milliseconds; after events it is shorter. Default: 1,000. */
  pollIntervalMs?: number | undefined
  /** How long an event whose handler failed waits at first, in milliseconds; twice as long each further time. Default: 1,000. */
  retryDelayMs?: number | undefined
  /** The longest such wait, in milliseconds. Default: 300,000. */
  maxRetryDelayMs?: number | undefined
  /** Learns of what went wrong. When it throws, consuming stops and rejects with that. Default: `console.error`. */
  onError?: ((error: unknown, context: ConsumeErrorContext) => unknown) | undefined
}

/** The events that run, and those that were done lately: shared by all who consume the same inbox, so that none runs twice at once. */
interface Events {
  running: Set<string>
  done: Set<string>
}

const eventsOf = new WeakMap<object, Events>()

/**
 * Hands events to the handler as they come; see `triggers.inbox.consume`.
 *
 * How events arrive is {@link pollInbox}'s alone: leases or pushed events are another source, and change nothing here.
 */
export async function consume<Payload extends object = JsonObject>(
  inbox: ConsumedInbox,
  handler: Handler<Payload>,
  options: ConsumeOptions = {},
  platform: Platform = systemPlatform,
): Promise<void> {
  const { concurrency = 1, signal, pollIntervalMs = 1_000, retryDelayMs = 1_000, maxRetryDelayMs = 300_000, onError, ...filters } = options
  if (typeof handler !== 'function') throw new TypeError('consume needs a handler: consume(async (event) => { … }).')
  if (!Number.isInteger(concurrency) || concurrency < 1) throw new TypeError('concurrency must be a whole number, 1 or more.')
  for (const [name, value] of Object.entries({ pollIntervalMs, retryDelayMs, maxRetryDelayMs })) {
    if (!(value > 0)) throw new TypeError(`${name} must be a number of milliseconds, more than 0.`)
  }
  const events: Events = eventsOf.get(inbox) ?? { running: new Set(), done: new Set() }
  eventsOf.set(inbox, events)
  const failures = createFailures(platform, retryDelayMs, maxRetryDelayMs)
  const tasks = new Set<Promise<void>>()
  const stop = new AbortController()
  let end: { error: unknown } | undefined
  const endWith = (error: unknown) => {
    end ??= { error }
    stop.abort()
  }
  const report = (error: unknown, context: ConsumeErrorContext) => {
    try {
      Promise.resolve((onError ?? printError)(error, context)).catch(endWith)
    } catch (thrown) {
      endWith(thrown)
    }
  }

  /** @returns whether the event has left the inbox */
  const acknowledge = async (event: Event<Payload>): Promise<boolean> => {
    for (let times = 0; ; times++) {
      const isLastTry = stop.signal.aborted
      try {
        await inbox.ack(event.event_id, { totalTimeoutMs: ACK_TIMEOUT_MS })
        return true
      } catch (error) {
        // Somebody else acknowledged or deleted it, or it expired.
        if (error instanceof ConflictError || error instanceof NotFoundError) return true
        if (isFinal(error)) endWith(error)
        const retryInMs = isLastTry || isFinal(error) ? undefined : backOffMs(platform, times, FIRST_ACK_DELAY_MS, MAX_ACK_DELAY_MS)
        report(error, { stage: 'ack', event, retryInMs })
        if (retryInMs === undefined) return false
        await platform.wait(retryInMs, stop.signal).catch(() => {})
      }
    }
  }
  const run = async (event: Event<Payload>): Promise<void> => {
    const { event_id: id } = event
    events.running.add(id)
    failures.start(id)
    try {
      await handler(event, { signal: stop.signal })
      failures.remove(id)
      if (await acknowledge(event)) remember(events.done, id)
    } catch (error) {
      const retryInMs = failures.add(id)
      // A handler that gives up because it was told to stop has not failed.
      if (!(stop.signal.aborted && isAbort(error))) report(error, { stage: 'handler', event, retryInMs })
    } finally {
      events.running.delete(id)
    }
  }

  const onStop = () => stop.abort(signal?.reason)
  signal?.addEventListener('abort', onStop, { once: true })
  if (signal?.aborted) onStop()
  try {
    const source = pollInbox<Payload>(inbox, {
      query: { ...filters, limit: Math.min(100, Math.max(20, concurrency * 4)) },
      pollIntervalMs,
      failures,
      isFree: (id) => !events.running.has(id) && !events.done.has(id),
      onError: (error, retryInMs) => report(error, { stage: 'poll', event: undefined, retryInMs }),
      signal: stop.signal,
      platform,
    })
    for await (const event of source) {
      const task: Promise<void> = run(event).finally(() => tasks.delete(task))
      tasks.add(task)
      while (tasks.size >= concurrency) await Promise.race(tasks)
    }
  } catch (error) {
    endWith(error)
  } finally {
    await Promise.all(tasks)
    signal?.removeEventListener('abort', onStop)
  }
  if (end !== undefined) throw end.error
}

function remember(ids: Set<string>, id: string): void {
  ids.add(id)
  const [oldest] = ids
  if (ids.size > MAX_DONE && oldest !== undefined) ids.delete(oldest)
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError'
}

function printError(error: unknown, { stage, event, retryInMs }: ConsumeErrorContext): void {
  const what = { handler: 'handling', poll: 'reading the inbox', ack: 'acknowledging' }[stage]
  const again = retryInMs === undefined ? '' : `; again in ${Math.round(retryInMs)} ms`
  console.error(`triggers: ${what}${event === undefined ? '' : ` ${event.event_id}`} failed${again}:`, error)
}
