import type { Logger } from 'pino'
import { type Store, StoreUnavailableError } from '../ports.ts'
import { createWaker } from './waker.ts'

/** Rows of one sweep: few, since the writes beside it wait for its commit. */
const ROWS = 100
const IDLE_MS = 1000
/** Between sweeps while there is more: expired events go faster than any load brings new ones, and writes go between. */
const BUSY_MS = 10

/**
 * Removes expired events and idempotency keys for as long as the program runs.
 * @returns how to stop it; resolves when the sweep under way is done
 */
export function startSweep(store: Store, log: Logger): () => Promise<void> {
  const waker = createWaker()
  let stopped = false
  const run = async () => {
    while (!stopped) {
      const more = await store.sweep(ROWS).catch((error: unknown) => {
        if (!(error instanceof StoreUnavailableError)) log.error({ err: error }, 'a sweep failed')
        return false
      })
      if (!stopped) await waker.sleep(more ? BUSY_MS : IDLE_MS)
    }
  }
  const running = run()
  return async () => {
    stopped = true
    waker.wake()
    await running
  }
}
