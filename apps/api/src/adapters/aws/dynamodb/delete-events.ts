import { setTimeout as sleep } from 'node:timers/promises'
import type { EventStore } from '../../../ports.ts'
import { BATCH_WRITES, chunksOf } from './client.ts'
import { jitter } from './connection.ts'
import type { DynamoContext } from './context.ts'
import { endDeliveriesOf } from './deliveries-of-event.ts'
import { DynamoError, mayPass } from './errors.ts'
import { eventKey, isAlive, partKeys } from './event-item.ts'
import type { Item, Key } from './notation.ts'

const CALL_MS = 5000

export function createDeleteEvents(context: DynamoContext): EventStore['deleteEvents'] {
  return async (workspaceId, eventIds) => {
    const workspace = await context.workspaces.find(workspaceId)
    const alive = [...new Set(eventIds)].filter((eventId) => isAlive(context, eventId))
    if (workspace === undefined || alive.length === 0) return
    const keys = alive.map((eventId) => eventKey(workspace, eventId))
    const [first] = keys
    const withParts = first !== undefined && keys.length === 1 ? await removeOne(context, first) : await removeMany(context, keys)
    await removeWithParts(context, withParts)
    // Those of events that were gone, too: who deleted one of them may have been stopped before this.
    await endDeliveriesOf(context, workspaceId, alive)
  }
}

/** @returns the event, still there, if it has parts */
async function removeOne({ dynamo }: DynamoContext, key: Key): Promise<Item[]> {
  const removed = await dynamo.remove('events', key, { condition: 'attribute_not_exists(parts)' })
  return removed.isDone || removed.old === undefined ? [] : [removed.old]
}

/** The same of many, in few calls. */
async function removeMany({ dynamo }: DynamoContext, keys: readonly Key[]): Promise<Item[]> {
  const withParts: Item[] = []
  let left = keys
  const endMs = performance.now() + CALL_MS
  for (let tries = 1; left.length > 0; tries++) {
    const statements = left.map(({ pk, sk }) => ({
      table: 'events' as const,
      text: 'DELETE FROM $table WHERE pk = ? AND sk = ? AND parts IS MISSING',
      parameters: [pk, sk],
    }))
    const results = await dynamo.execute(statements)
    const failed: Key[] = []
    for (const [index, key] of left.entries()) {
      const result = results[index]
      if (result?.outcome === 'refused' && result.old !== undefined) withParts.push(result.old)
      if (result?.outcome !== 'failed') continue
      failed.push(key)
      if (performance.now() + jitter(tries) >= endMs || !mayPass(result.error)) throw result.error
    }
    left = failed
    if (left.length > 0) await sleep(jitter(tries))
  }
  return withParts
}

/** The events first: one that is there has its parts. */
async function removeWithParts({ dynamo }: DynamoContext, items: readonly Item[]): Promise<void> {
  for (const keys of [items, items.flatMap(partKeys)]) {
    const writes = keys.map(({ pk, sk }) => ({ remove: { pk, sk } }))
    for (const chunk of chunksOf(writes, BATCH_WRITES)) {
      if ((await dynamo.batchWrite('events', chunk)).includes(false)) {
        throw new DynamoError('Throttled', 'DynamoDB: too many requests (unprocessed items).')
      }
    }
  }
}
