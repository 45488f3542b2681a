import type { Logger } from 'pino'
import { type Clock, StoreUnavailableError } from '../ports.ts'
import { type Lane, MAX_DELAY_MS, type Queue } from '../webhook-ports.ts'
import { laneKeyOf } from './slots.ts'

const MAX_PLANNED = 10_000

/** Delayed jobs for lanes that have something to do later: one for each lane, for the earliest moment that is known. */
export interface LaneWakes {
  /** Makes sure that somebody looks at the lane then. What is later than a job can wait is the sweep's. */
  plan(lane: Lane, atUs: number): void
}

export function createLaneWakes({ queue, clock, log }: { queue: Pick<Queue, 'enqueue'>; clock: Clock; log: Logger }): LaneWakes {
  const planned = new Map<string, number>()
  return {
    plan({ webhookId, replayId }, atUs) {
      const nowUs = clock.nowUs()
      const delayMs = Math.max(0, Math.ceil((atUs - nowUs) / 1000))
      if (delayMs > MAX_DELAY_MS) return
      const key = laneKeyOf({ webhookId, replayId })
      const before = planned.get(key)
      // Who looks at the lane then sees when it has more to do, and plans that. One that a clock has put far away counts for nothing.
      if (before !== undefined && before > nowUs && before <= atUs) return
      if (planned.size >= MAX_PLANNED) planned.clear()
      planned.set(key, atUs)
      queue.enqueue([{ job: { type: 'deliver', webhookId, replayId }, delayMs }]).catch((error: unknown) => {
        // The sweep finds it when it is due.
        if (planned.get(key) === atUs) planned.delete(key)
        if (!(error instanceof StoreUnavailableError)) log.error({ err: error, webhookId }, 'a lane could not be planned')
      })
    },
  }
}
