import { setTimeout as sleep } from 'node:timers/promises'
import { StoreUnavailableError } from '../../../ports.ts'
import { BATCH_WRITES, chunksOf } from './client.ts'
import type { DynamoContext } from './context.ts'
import type { Key } from './notation.ts'

/** How long to wait before each try. */
const WAITS_MS = [0, 1000, 5000, 20_000, 60_000, 120_000]
/** A write whose answer was lost may be carried out after it was undone, so it is undone once more after each of these first waits. */
const SURE_TRIES = 4
const MAX_UNDER_WAY = 4000

/** Takes back, in the background, what was written too late, or perhaps written. */
export type Undo = ReturnType<typeof createUndo>

export function createUndo({ dynamo }: DynamoContext) {
  const closing = new AbortController()
  const underWay = new Set<Promise<void>>()

  async function removeAll(keys: readonly Key[]): Promise<boolean> {
    const writes = keys.map((remove) => ({ remove }))
    const done = await Promise.all(chunksOf(writes, BATCH_WRITES).map((chunk) => dynamo.batchWrite('events', chunk)))
    return !done.flat().includes(false)
  }

  async function persist(attempt: () => Promise<boolean>, leastTries: number): Promise<void> {
    for (const [index, waitMs] of WAITS_MS.entries()) {
      // At the end, one last try at once.
      if (waitMs > 0) await sleep(waitMs, undefined, { signal: closing.signal }).catch(() => undefined)
      const isDone = await attempt().catch(() => false)
      if ((isDone && index + 1 >= leastTries) || closing.signal.aborted) return
    }
  }

  return {
    /** @param attempt takes it back, so that it can never come again; false or a rejection: not yet */
    until(attempt: () => Promise<boolean>, leastTries = 1): void {
      const running = persist(attempt, leastTries).finally(() => underWay.delete(running))
      underWay.add(running)
    },

    /** Removes items. @param isUncertain whether they may be written only after this */
    remove(keys: readonly Key[], isUncertain: boolean): void {
      if (keys.length > 0) this.until(() => removeAll(keys), isUncertain ? SURE_TRIES : 1)
    },

    /** @throws StoreUnavailableError when so much is to be undone that nothing should be added */
    check(): void {
      if (underWay.size >= MAX_UNDER_WAY) throw new StoreUnavailableError('DynamoDB: too many writes have failed of late.')
    },

    /** Gives each a last try. */
    async close(): Promise<void> {
      closing.abort()
      await Promise.all(underWay)
    },
  }
}
