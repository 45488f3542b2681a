import type { DynamoContext } from './context.ts'
import { COUNTED_TOGETHER, changeTogether, countWrite, type RowChange } from './delivery-changes.ts'
import { completeReplay } from './replay-counts.ts'

interface Waiting {
  change: RowChange
  done(isDone: boolean): void
  failed(error: unknown): void
}

/**
 * Changes that a replay counts, of which many are asked for at once: each transaction of a replay is in the way of every other. So of one process there is
 * one at a time, with all that has come while the one before was under way; none waits for company.
 * @returns a function: whether the row was still as it was read, and is changed
 */
export function countedChanges(context: DynamoContext): (replayId: string, change: RowChange) => Promise<boolean> {
  const queues = new Map<string, Waiting[]>()

  async function work(replayId: string, queue: Waiting[]): Promise<void> {
    for (let some = next(queue); some.length > 0; some = next(queue)) {
      try {
        const changes = some.map(({ change }) => change)
        const changed = new Set(await changeTogether(context, changes, (left) => [countWrite(replayId, left)]))
        if (changed.size > 0) await completeReplay(context, replayId)
        for (const { change, done } of some) done(changed.has(change))
      } catch (error) {
        for (const { failed } of some) failed(error)
      }
    }
    queues.delete(replayId)
  }

  return (replayId, change) =>
    new Promise((done, failed) => {
      const queue = queues.get(replayId)
      const waiting = { change, done, failed }
      if (queue !== undefined) {
        queue.push(waiting)
        return
      }
      const own = [waiting]
      queues.set(replayId, own)
      void work(replayId, own)
    })
}

/** Takes those that can go together: a transaction has no row twice. */
function next(queue: Waiting[]): Waiting[] {
  const rows = new Set<string>()
  const taken: Waiting[] = []
  const left: Waiting[] = []
  for (const waiting of queue) {
    const { deliveryId } = waiting.change.row
    if (taken.length < COUNTED_TOGETHER && !rows.has(deliveryId)) {
      taken.push(waiting)
      rows.add(deliveryId)
    } else left.push(waiting)
  }
  queue.splice(0, queue.length, ...left)
  return taken
}
