import type { Clock } from '../ports.ts'
import type { Lane } from '../webhook-ports.ts'

/** Attempts under way at once, of all webhooks. */
const TOTAL = 512
/** Behind these a webhook gets few: what is left is for those whose receivers answer. */
const SHARED = 384
/** What a webhook may have under way of the last quarter: none while it fails or is slow, one while nothing is known of it. */
const LAST_QUARTER = { failed: 0, unknown: 1, succeeded: 4 } as const
const FIRST_WINDOW = 4
const WIDEST_WINDOW = 32
/** A receiver that has not answered for so long counts as one that fails: who hangs shall not take what is left, too. */
const SLOW_US = 1_000_000
/** Bodies under way at once, and what is set aside for one claim. */
const BYTES = 64 * 1024 * 1024
export const CLAIM_BYTES = 1024 * 1024
const LONGEST_REST_US = 60_000_000
/** Webhooks that are remembered when nothing of theirs is under way. */
const MAX_REMEMBERED = 10_000

export type AttemptVerdict = 'succeeded' | 'failed' | 'neither'

/** Slots that were taken for one claim. Each is given back once. */
export interface TakenSlots {
  count: number
  /** The claim brought so many deliveries, of so many bytes: other slots are free again. */
  use(deliveries: number, bytes: number): AttemptSlot[]
}

export interface AttemptSlot {
  /** The attempt is over; `undefined`: nothing was learnt of the receiver. */
  release(verdict: AttemptVerdict | undefined): void
}

/**
 * How many attempts may be under way, in this process. Each webhook has a window, which its lanes share: it begins with 4, a success widens it by one up to 32, a
 * failure halves it. While its live lane has work, replays use at most half of it.
 */
export interface Slots {
  /** Waits for at least one slot, and where some are in use for a quarter of the window: claims are for several. Undefined when stopped. */
  take(lane: Lane): Promise<TakenSlots | undefined>
  /** Nothing shall be sent to the webhook until then; a minute at the most. */
  rest(webhookId: string, untilUs: number): void
  /** Until when; undefined if it does not rest. */
  restsUntilUs(webhookId: string): number | undefined
  /** When the oldest attempt that is under way was begun, of all lanes of the webhook. */
  oldestStartUs(webhookId: string): number | undefined
  /** Ends what waits. */
  stop(): void
}

interface WebhookSlots {
  window: number
  last: keyof typeof LAST_QUARTER
  /** Taken ones, of all lanes and of replays. */
  used: number
  usedByReplays: number
  /** When each attempt under way was begun, the oldest first. */
  attempts: Map<AttemptSlot, number>
  /** Its lanes that wait for slots. */
  waiting: Set<Waiting>
  restsUntilUs: number
}

interface Waiting {
  lane: Lane
  slots: WebhookSlots
  resolve(taken: TakenSlots | undefined): void
}

export const laneKeyOf = ({ webhookId, replayId }: Lane): string => (replayId === null ? webhookId : `${webhookId}/${replayId}`)

export function createSlots(clock: Clock): Slots {
  const webhooks = new Map<string, WebhookSlots>()
  /** Who would have slots of its webhook, but none are left of all; the first come first. */
  const waitingForAny = new Set<Waiting>()
  let used = 0
  let bytes = 0
  let stopped = false

  function slotsOf(webhookId: string): WebhookSlots {
    const known = webhooks.get(webhookId)
    if (known !== undefined) return known
    if (webhooks.size >= MAX_REMEMBERED) forgetOne()
    const slots: WebhookSlots = {
      window: FIRST_WINDOW,
      last: 'unknown',
      used: 0,
      usedByReplays: 0,
      attempts: new Map(),
      waiting: new Set(),
      restsUntilUs: 0,
    }
    webhooks.set(webhookId, slots)
    return slots
  }

  function forgetOne(): void {
    for (const [webhookId, slots] of webhooks) {
      if (slots.used > 0 || slots.waiting.size > 0) continue
      webhooks.delete(webhookId)
      return
    }
  }

  /** How many of the webhook's own slots are free for the lane. */
  function freeFor({ replayId }: Lane, slots: WebhookSlots): number {
    const free = slots.window - slots.used
    if (replayId === null || !hasLiveWork(slots)) return free
    return Math.min(free, Math.max(1, slots.window >> 1) - slots.usedByReplays)
  }

  function hasLiveWork(slots: WebhookSlots): boolean {
    if (slots.used > slots.usedByReplays) return true
    for (const { lane } of slots.waiting) {
      if (lane.replayId === null) return true
    }
    return false
  }

  /** How many of all the lane may have now. */
  function leftFor(slots: WebhookSlots): number {
    if (bytes > 0 && bytes + CLAIM_BYTES > BYTES) return 0
    if (used < SHARED) return SHARED - used
    const [oldest] = slots.attempts.values()
    const isSlow = oldest !== undefined && clock.nowUs() - oldest > SLOW_US
    return Math.min(TOTAL - used, LAST_QUARTER[isSlow ? 'failed' : slots.last] - slots.used)
  }

  function grant(waiting: Waiting): void {
    const { lane, slots } = waiting
    const free = freeFor(lane, slots)
    const isFew = slots.used > 0 && free < slots.window / 4
    if (free <= 0 || isFew) {
      waitingForAny.delete(waiting)
      return
    }
    const left = leftFor(slots)
    if (left <= 0) {
      waitingForAny.add(waiting)
      return
    }
    waitingForAny.delete(waiting)
    slots.waiting.delete(waiting)
    waiting.resolve(takenFor(lane, slots, Math.min(free, left)))
  }

  function takenFor(lane: Lane, slots: WebhookSlots, count: number): TakenSlots {
    add(lane, slots, count)
    bytes += CLAIM_BYTES
    return {
      count,
      use(deliveries, claimedBytes) {
        bytes -= CLAIM_BYTES
        const startedAtUs = clock.nowUs()
        const share = claimedBytes / Math.max(deliveries, 1)
        const attempts = Array.from({ length: deliveries }, () => {
          const attempt: AttemptSlot = {
            release: (verdict) => {
              if (!slots.attempts.delete(attempt)) return
              bytes -= share
              learn(slots, verdict)
              giveBack(lane, slots, 1)
            },
          }
          slots.attempts.set(attempt, startedAtUs)
          return attempt
        })
        bytes += claimedBytes
        giveBack(lane, slots, count - deliveries)
        return attempts
      },
    }
  }

  function add({ replayId }: Lane, slots: WebhookSlots, count: number): void {
    used += count
    slots.used += count
    if (replayId !== null) slots.usedByReplays += count
  }

  function learn(slots: WebhookSlots, verdict: AttemptVerdict | undefined): void {
    switch (verdict) {
      case 'succeeded':
        slots.window = Math.min(slots.window + 1, WIDEST_WINDOW)
        slots.last = 'succeeded'
        break
      case 'failed':
        slots.window = Math.max(slots.window >> 1, 1)
        slots.last = 'failed'
        break
      case 'neither':
        slots.last = 'succeeded'
        break
      case undefined:
        break
    }
  }

  function giveBack(lane: Lane, slots: WebhookSlots, count: number): void {
    add(lane, slots, -count)
    for (const waiting of waitingForAny) {
      if (used >= TOTAL) break
      grant(waiting)
    }
    for (const waiting of slots.waiting) grant(waiting)
  }

  return {
    take(lane) {
      if (stopped) return Promise.resolve(undefined)
      const slots = slotsOf(lane.webhookId)
      return new Promise((resolve) => {
        const waiting = { lane, slots, resolve }
        slots.waiting.add(waiting)
        grant(waiting)
      })
    },

    rest(webhookId, untilUs) {
      const slots = slotsOf(webhookId)
      slots.restsUntilUs = Math.max(slots.restsUntilUs, Math.min(untilUs, clock.nowUs() + LONGEST_REST_US))
    },

    restsUntilUs(webhookId) {
      const slots = webhooks.get(webhookId)
      if (slots === undefined) return undefined
      const leftUs = slots.restsUntilUs - clock.nowUs()
      // A clock that was set back makes no rest longer.
      return leftUs > 0 && leftUs <= LONGEST_REST_US ? slots.restsUntilUs : undefined
    },

    oldestStartUs(webhookId) {
      const [oldest] = webhooks.get(webhookId)?.attempts.values() ?? []
      return oldest
    },

    stop() {
      stopped = true
      for (const { waiting } of webhooks.values()) {
        for (const { resolve } of waiting) resolve(undefined)
        waiting.clear()
      }
      waitingForAny.clear()
    },
  }
}
