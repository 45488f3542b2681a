import type { Logger } from 'pino'
import { StoreUnavailableError } from '../ports.ts'
import type { DeliveryStore, Lane, Queue, ReplayStore } from '../webhook-ports.ts'
import { createWaker } from './waker.ts'

const EVERY_MS = 1000
const PAGE = 200
/** Of one sweep; the next goes on behind them. */
const PAGES = 10
/** Sweeps between two looks at the replays. */
const REPLAYS_EVERY = 5

export interface SweepLanesDeps {
  store: Pick<DeliveryStore, 'listDueLanes'> & Pick<ReplayStore, 'listRunningReplays'>
  queue: Pick<Queue, 'enqueue'>
  log: Logger
  takeUp(lane: Lane): boolean
  isWalking(replayId: string): boolean
}

/**
 * Finds lanes with something due, and running replays, whose job was lost, or was never made: a retry that was due later than a job can wait, a hold that
 * ended without a record. A lane that nobody here has room for is found again by the next sweep.
 * @returns how to stop it; resolves when the sweep under way is done
 */
export function startSweepLanes({ store, queue, log, takeUp, isWalking }: SweepLanesDeps): () => Promise<void> {
  const waker = createWaker()
  let stopped = false
  let laneAfter: string | undefined
  let replayAfter: string | undefined

  async function sweepLanes(): Promise<void> {
    for (let page = 0; page < PAGES && !stopped; page++) {
      const { lanes, next } = await store.listDueLanes({ limit: PAGE, after: laneAfter })
      for (const lane of lanes) takeUp(lane)
      laneAfter = next ?? undefined
      if (next === null) return
    }
  }

  async function sweepReplays(): Promise<void> {
    const { replayIds, next } = await store.listRunningReplays({ limit: PAGE, after: replayAfter })
    replayAfter = next ?? undefined
    const lost = replayIds.filter((replayId) => !isWalking(replayId))
    if (lost.length > 0) await queue.enqueue(lost.map((replayId) => ({ job: { type: 'replay', replayId } })))
  }

  const run = async () => {
    for (let sweep = 0; !stopped; sweep++) {
      try {
        await sweepLanes()
        if (sweep % REPLAYS_EVERY === 0) await sweepReplays()
      } catch (error) {
        if (!(error instanceof StoreUnavailableError)) log.error({ err: error }, 'a sweep of lanes failed')
      }
      if (!stopped) await waker.sleep(EVERY_MS)
    }
  }
  const running = run()
  return async () => {
    stopped = true
    waker.wake()
    await running
  }
}
