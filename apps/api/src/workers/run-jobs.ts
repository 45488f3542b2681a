import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import { StoreUnavailableError } from '../ports.ts'
import type { Lane, Queue, ReceivedJob } from '../webhook-ports.ts'
import { createGrowingWait } from './waker.ts'

const JOBS = 32
const WAIT_MS = 20_000
/** Longer than any step of a replay takes. */
const VISIBILITY_MS = 60_000
/** For a lane that this process has no room for. */
const NO_ROOM_MS = 1000
/** After a step for which the store was away. */
const UNAVAILABLE_MS = 2000
/** How often the log says that the queue is still away. */
const COMPLAIN_EVERY_MS = 60_000

export interface RunJobsDeps {
  queue: Pick<Queue, 'receive' | 'ack' | 'delay'>
  log: Logger
  takeUp(lane: Lane): boolean
  /** One step of the replay; in how many milliseconds the next is due, undefined: no more. */
  advanceReplay(replayId: string): Promise<number | undefined>
}

/**
 * Receives jobs for as long as the program runs. A deliver job is done when its lane is taken up, not when the lane is empty: the rows are the truth, and if
 * this process dies the sweep of another finds them. So a job needs no heartbeat, and a slow receiver holds none back.
 * @returns how to stop it; resolves when the jobs under way are done
 */
export function startRunJobs({ queue, log, takeUp, advanceReplay }: RunJobsDeps): () => Promise<void> {
  const ending = new AbortController()
  const running = new Set<Promise<void>>()

  async function receive(): Promise<void> {
    const wait = createGrowingWait(50, 2000)
    let complainedMs = Number.NEGATIVE_INFINITY
    while (!ending.signal.aborted) {
      try {
        const jobs = await queue.receive({ max: JOBS, visibilityMs: VISIBILITY_MS, waitMs: WAIT_MS, signal: ending.signal })
        wait.reset()
        complainedMs = Number.NEGATIVE_INFINITY
        begin(jobs)
      } catch (error) {
        if (!(error instanceof StoreUnavailableError)) log.error({ err: error }, 'jobs could not be received')
        else if (!ending.signal.aborted && performance.now() - complainedMs > COMPLAIN_EVERY_MS) {
          complainedMs = performance.now()
          log.warn({ err: error }, 'the queue is unavailable: the sweep finds the work meanwhile')
        }
        if (!ending.signal.aborted) await sleep(wait.next())
      }
    }
  }

  function begin(jobs: readonly ReceivedJob[]): void {
    const done: string[] = []
    for (const received of jobs) {
      const { job } = received
      switch (job.type) {
        case 'deliver':
          if (takeUp({ webhookId: job.webhookId, replayId: job.replayId })) done.push(received.receipt)
          else track(giveBack(received, NO_ROOM_MS))
          break
        case 'replay':
          track(replay(received, job.replayId))
          break
        default:
          log.error({ job: job satisfies never }, 'a job of an unknown type was received')
      }
    }
    if (done.length > 0) track(queue.ack(done))
  }

  async function replay(received: ReceivedJob, replayId: string): Promise<void> {
    const nextMs = await advanceReplay(replayId).catch((error: unknown) => {
      if (error instanceof StoreUnavailableError) return UNAVAILABLE_MS
      throw error
    })
    await (nextMs === undefined ? queue.ack([received.receipt]) : giveBack(received, nextMs))
  }

  /** Until it succeeds: else the job would come no sooner than its visibility ends. */
  async function giveBack(received: ReceivedJob, delayMs: number): Promise<void> {
    const wait = createGrowingWait(50, 1000)
    for (;;) {
      try {
        return await queue.delay(received, delayMs)
      } catch (error) {
        if (!(error instanceof StoreUnavailableError) || ending.signal.aborted) throw error
      }
      await sleep(wait.next())
    }
  }

  /** A job whose work failed comes again when its visibility ends. */
  function track(work: Promise<void>): void {
    const watched = work.catch((error: unknown) => {
      if (!(error instanceof StoreUnavailableError)) log.error({ err: error }, 'a job failed')
    })
    running.add(watched)
    void watched.then(() => running.delete(watched))
  }

  const receiving = receive()
  return async () => {
    ending.abort()
    await receiving
    await Promise.all(running)
  }
}
