import type { Platform } from './platform.ts'

/** Beyond this, the oldest failures are forgotten: their events are tried again as if for the first time. */
const MAX_REMEMBERED = 10_000

/** Which events' handlers failed, and when each may run again. */
export interface Failures {
  /** Notes a failure; gives the milliseconds until the event may run again. */
  add(eventId: string): number
  /** It runs, so it waits for nothing. */
  start(eventId: string): void
  remove(eventId: string): void
  has(eventId: string): boolean
  /** Whether the event must still wait. */
  mustWait(eventId: string): boolean
  /** How long until some event may run again; 0 when one may now, Infinity when none waits. */
  nextInMs(): number
  /** Forgets those that could have run at the time but did not: they are not in the inbox any more. */
  forgetUnseenSince(timeMs: number): void
}

export function createFailures(platform: Platform, firstDelayMs: number, maxDelayMs: number): Failures {
  const known = new Map<string, { times: number; retryAtMs: number }>()
  return {
    add(eventId) {
      const times = (known.get(eventId)?.times ?? 0) + 1
      const delayMs = backOffMs(platform, times - 1, firstDelayMs, maxDelayMs)
      known.set(eventId, { times, retryAtMs: platform.nowMs() + delayMs })
      const [oldest] = known.keys()
      if (known.size > MAX_REMEMBERED && oldest !== undefined) known.delete(oldest)
      return delayMs
    },
    start(eventId) {
      const failure = known.get(eventId)
      if (failure) failure.retryAtMs = Number.POSITIVE_INFINITY
    },
    remove(eventId) {
      known.delete(eventId)
    },
    has: (eventId) => known.has(eventId),
    mustWait: (eventId) => (known.get(eventId)?.retryAtMs ?? 0) > platform.nowMs(),
    nextInMs() {
      let soonestMs = Number.POSITIVE_INFINITY
      for (const { retryAtMs } of known.values()) soonestMs = Math.min(soonestMs, retryAtMs)
      return Math.max(0, soonestMs - platform.nowMs())
    },
    forgetUnseenSince(timeMs) {
      for (const [eventId, { retryAtMs }] of known) if (retryAtMs <= timeMs) known.delete(eventId)
    },
  }
}

/** Doubles from the first delay to the greatest; each is 50 to 100 % of that, so that what failed together does not come back together. */
export function backOffMs(platform: Platform, times: number, firstMs: number, maxMs: number): number {
  return Math.min(maxMs, firstMs * 2 ** times) * (0.5 + platform.random() / 2)
}
