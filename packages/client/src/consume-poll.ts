import { backOffMs, type Failures } from './consume-failures.ts'
import { AuthenticationError, PermissionError, TriggersError, ValidationError } from './errors.ts'
import type { RequestOptions } from './options.ts'
import type { Platform } from './platform.ts'
import type { Event, InboxQuery } from './types.ts'

const SHORTEST_POLL_MS = 100
const FIRST_ERROR_DELAY_MS = 500
const MAX_ERROR_DELAY_MS = 30_000

/** The rest of a page that is older is read anew: others may have acknowledged its events. */
const PAGE_LIFETIME_MS = 5_000

/** What consuming needs of the inbox. */
export interface ConsumedInbox {
  list<Payload extends object>(
    query?: InboxQuery,
    options?: RequestOptions,
  ): PromiseLike<{ data: Event<Payload>[]; next_cursor: string | null }>
  ack(eventId: string, options?: RequestOptions): PromiseLike<unknown>
}

export interface PollOptions {
  query: InboxQuery
  pollIntervalMs: number
  failures: Failures
  /** Whether nobody runs the event, and nobody has done so. */
  isFree: (eventId: string) => boolean
  onError: (error: unknown, retryInMs: number) => void
  signal: AbortSignal
  platform: Platform
}

/**
 * The events that may run now, each when it is asked for, until the signal is aborted. Reads only when asked, so whoever is busy
 * does not poll.
 *
 * A sweep goes through the inbox from its beginning by cursors, and so past what runs or waits there to what is new. It begins again at
 * the inbox's end; or before, when an event that failed may run again: but only after as many pages with new events as pages without,
 * so that failed events, however many, cannot keep it from the new ones.
 *
 * @throws when reading on makes no sense: the key may not, or the filters are wrong
 */
export async function* pollInbox<Payload extends object>(
  inbox: ConsumedInbox,
  { query, pollIntervalMs, failures, isFree, onError, signal, platform }: PollOptions,
): AsyncGenerator<Event<Payload>, void, undefined> {
  const shortestMs = Math.min(SHORTEST_POLL_MS, pollIntervalMs)
  let idleTimes = 0
  let errors = 0
  let cursor: string | undefined
  let sweep = { startedAtMs: platform.nowMs(), found: 0, newPages: 0, oldPages: 0 }
  const pause = (delayMs: number) => platform.wait(delayMs, signal).catch(() => {})
  const beginAgain = () => {
    cursor = undefined
    sweep = { startedAtMs: platform.nowMs(), found: 0, newPages: 0, oldPages: 0 }
  }

  while (!signal.aborted) {
    let page: { data: Event<Payload>[]; next_cursor: string | null }
    try {
      page = await inbox.list<Payload>({ ...query, cursor }, { signal })
      errors = 0
    } catch (error) {
      if (signal.aborted) return
      const isCursorRefused = error instanceof ValidationError && cursor !== undefined
      if (!isCursorRefused && isFinal(error)) throw error
      const delayMs = backOffMs(platform, errors++, FIRST_ERROR_DELAY_MS, MAX_ERROR_DELAY_MS)
      onError(error, delayMs)
      if (isCursorRefused) beginAgain()
      await pause(delayMs)
      continue
    }

    const readAtMs = platform.nowMs()
    let isOld = false
    let hasNew = false
    let hasYielded = false
    for (const event of page.data) {
      if (!isFree(event.event_id) || failures.mustWait(event.event_id)) continue
      isOld = hasYielded && platform.nowMs() - readAtMs > PAGE_LIFETIME_MS
      if (isOld) break
      if (!failures.has(event.event_id)) hasNew = true
      sweep.found++
      hasYielded = true
      yield event
      if (signal.aborted) return
    }
    if (hasNew) sweep.newPages++
    else sweep.oldPages++
    if (isOld) continue

    if (page.next_cursor !== null) {
      cursor = page.next_cursor
      if (sweep.newPages > 0 && sweep.newPages >= sweep.oldPages && failures.nextInMs() === 0) beginAgain()
      continue
    }
    failures.forgetUnseenSince(sweep.startedAtMs)
    idleTimes = sweep.found > 0 ? 0 : idleTimes + 1
    // Beyond 2^30 nothing is gained, and much later the product is no number any more.
    const delayMs = backOffMs(platform, Math.min(idleTimes, 30), shortestMs, pollIntervalMs)
    await pause(Math.min(delayMs, failures.nextInMs()))
    beginAgain()
  }
}

/** Whether trying again cannot help: the key, the filters or the program must change. */
export function isFinal(error: unknown): boolean {
  return (
    error instanceof AuthenticationError ||
    error instanceof PermissionError ||
    error instanceof ValidationError ||
    !(error instanceof TriggersError)
  )
}
