import type { Logger } from 'pino'
import type { UseCountingKeyRing } from '../domain/key-ring.ts'
import { type AccessStore, StoreUnavailableError } from '../ports.ts'

const INTERVAL_MS = 5000
/** Keys of one write: few, since the writes beside it wait for its commit. */
const KEYS = 500

/**
 * Writes when keys were last used, for as long as the program runs. What cannot be written now is written later.
 * @returns how to stop it; resolves when the last uses are written
 */
export function startRecordKeyUse(
  ring: Pick<UseCountingKeyRing, 'takeUses' | 'returnUses'>,
  store: Pick<AccessStore, 'recordKeyUse'>,
  log: Logger,
): () => Promise<void> {
  let running = Promise.resolve()
  const write = async () => {
    const uses = ring.takeUses()
    let written = 0
    try {
      for (; written < uses.length; written += KEYS) await store.recordKeyUse(uses.slice(written, written + KEYS))
    } catch (error) {
      ring.returnUses(uses.slice(written))
      if (!(error instanceof StoreUnavailableError)) log.error({ err: error }, 'the uses of API keys could not be recorded')
    }
  }
  const writeNext = () => {
    running = running.then(write)
    return running
  }
  const timer = setInterval(writeNext, INTERVAL_MS)
  return () => {
    clearInterval(timer)
    return writeNext()
  }
}
