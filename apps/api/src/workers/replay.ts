import { type WalkDeps, walkReplay } from '../domain/walk-replay.ts'
import type { Lane } from '../webhook-ports.ts'

/** A step that is announced for so soon is made at once. */
const EARLY_MS = 200
/** One that is due for so long was lost with its job. */
const LOST_MS = 2000
const MAX_KNOWN = 10_000

export interface ReplayDeps extends WalkDeps {
  /** That the lane has something new. */
  lookAt(lanes: readonly Lane[]): void
}

export interface Replays {
  /** Does what a replay job asks for. @returns in how many milliseconds the next step is due; undefined: the job is done */
  advance(replayId: string): Promise<number | undefined>
  /** Whether a step of it is under way or announced in this process. */
  isWalking(replayId: string): boolean
}

/**
 * Steps of replays. A replay may have several jobs. Of those that come to this process while a step is under way none goes on but the step's own; one
 * that comes before its time waits for it, as it may be the only one: the clock that jobs wait by may jump.
 */
export function createReplays(deps: ReplayDeps): Replays {
  /** When the next step of each is due; infinite while one is under way. */
  const nextSteps = new Map<string, number>()

  return {
    async advance(replayId) {
      const announcedMs = nextSteps.get(replayId)
      const earlyMs = announcedMs === undefined ? 0 : announcedMs - performance.now()
      if (earlyMs === Number.POSITIVE_INFINITY) return undefined
      if (earlyMs > EARLY_MS) return earlyMs
      if (nextSteps.size >= MAX_KNOWN) nextSteps.clear()
      nextSteps.set(replayId, Number.POSITIVE_INFINITY)
      try {
        const step = await walkReplay(deps, replayId)
        if (step !== undefined && step.made > 0) deps.lookAt([{ webhookId: step.replay.webhookId, replayId }])
        if (step?.nextMs === undefined) nextSteps.delete(replayId)
        else nextSteps.set(replayId, performance.now() + step.nextMs)
        return step?.nextMs
      } catch (error) {
        nextSteps.delete(replayId)
        throw error
      }
    },
    isWalking: (replayId) => {
      const nextMs = nextSteps.get(replayId)
      return nextMs !== undefined && nextMs > performance.now() - LOST_MS
    },
  }
}
