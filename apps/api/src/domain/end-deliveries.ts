import type { Deps } from '../deps.ts'
import { StoreUnavailableError } from '../ports.ts'
import { hint } from './hint.ts'

/** Moved in one commit; others wait for it. */
const CHUNK = 500
/** Moved by the call itself, at the most; a worker does the rest. */
const MAX_CHUNKS = 20

/**
 * Ends the open deliveries of a webhook, or of one of its replays: their webhook was disabled (`held`) or deleted, or the replay cancelled. That is
 * stored already: it may fail here, or end before all is done, and a worker that is told of the lane goes on.
 */
export async function endDeliveries(
  deps: Pick<Deps, 'store' | 'queue' | 'log'>,
  lane: { webhookId: string; replayId?: string | undefined },
  to: 'held' | 'cancelled',
): Promise<void> {
  const { webhookId, replayId } = lane
  await hint(deps, { type: 'deliver', webhookId, replayId: replayId ?? null })
  try {
    for (let chunk = 0; chunk < MAX_CHUNKS; chunk++) {
      if (!(await deps.store.moveDeliveries({ webhookId, replayId, to, limit: CHUNK }))) return
    }
  } catch (error) {
    if (!(error instanceof StoreUnavailableError)) throw error
    deps.log.warn({ err: error, webhookId }, 'open deliveries were not all ended: a worker will go on')
  }
}
