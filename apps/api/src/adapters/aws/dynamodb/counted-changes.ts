import type { DynamoContext } from './context.ts'
import { COUNTED_TOGETHER, changeTogether, countWrite, type RowChange } from './delivery-changes.ts'
import { completeReplay } from './replay-counts.ts'
import { shareCalls } from './shared-calls.ts'

/**
 * Changes that a replay counts, of which many are asked for at once: each transaction of a replay is in the way of every other. So of one process there is
 * one at a time, with all that has come while the one before was under way.
 * @returns a function: whether the row was still as it was read, and is changed
 */
export function countedChanges(context: DynamoContext): (replayId: string, change: RowChange) => Promise<boolean> {
  const byReplay = new Map<string, (change: RowChange) => Promise<boolean>>()

  function sharedBy(replayId: string): (change: RowChange) => Promise<boolean> {
    const sharing = {
      ...{ most: COUNTED_TOGETHER, atOnce: 1 },
      // A transaction has no row twice.
      keyOf: ({ row }: RowChange) => row.deliveryId,
      onIdle: () => void byReplay.delete(replayId),
    }
    return shareCalls(sharing, async (changes: readonly RowChange[]) => {
      const changed = new Set(await changeTogether(context, changes, (left) => [countWrite(replayId, left)]))
      if (changed.size > 0) await completeReplay(context, replayId)
      return changes.map((change) => changed.has(change))
    })
  }

  return (replayId, change) => {
    const shared = byReplay.get(replayId) ?? sharedBy(replayId)
    byReplay.set(replayId, shared)
    return shared(change)
  }
}
