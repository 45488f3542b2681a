import type { Deps } from '../deps.ts'
import { StoreUnavailableError } from '../ports.ts'
import type { Job } from '../webhook-ports.ts'

/**
 * Tells the workers of work that is in the store already. A queue that is away fails nothing: what was stored is stored, and the sweep finds it.
 */
export async function hint({ queue, log }: Pick<Deps, 'queue' | 'log'>, ...jobs: Job[]): Promise<void> {
  try {
    await queue.enqueue(jobs.map((job) => ({ job })))
  } catch (error) {
    if (!(error instanceof StoreUnavailableError)) throw error
    log.warn({ err: error }, 'the queue is unavailable: the sweep will find the work')
  }
}
