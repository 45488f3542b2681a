import type { IdempotencyRecord, ImportOutcome } from '../../../move-ports.ts'
import type { EventRecord } from '../../../ports.ts'
import { mapAtOnce } from './at-once.ts'
import { BATCH_WRITES, chunksOf } from './client.ts'
import { type DynamoContext, ttlOf } from './context.ts'
import { DynamoError } from './errors.ts'
import { eventItems } from './event-item.ts'
import { useKey } from './idempotency.ts'
import { timeOf } from './ids.ts'
import { insertItems } from './insert-items.ts'

const AT_ONCE = 16

/** Events that come in; the sign on them tells fan-out to pass them. One request for 25 of them, and its write units; none for their indexes beyond those of any event. */
export async function importEvents(context: DynamoContext, workspaceId: string, events: readonly EventRecord[]): Promise<ImportOutcome[]> {
  const { dynamo } = context
  const workspace = await context.workspaces.findOrMake(workspaceId)
  const possible = events.filter(({ eventId }) => timeOf(eventId) !== undefined)
  const all = possible.map((event) => ({ event, ...eventItems(workspace, event, event.eventId, context) }))
  // Of one that is there they are the same.
  for (const chunk of chunksOf(
    all.flatMap(({ parts }) => parts),
    BATCH_WRITES,
  )) {
    const areDone = await dynamo.batchWrite(
      'events',
      chunk.map((put) => ({ put })),
    )
    if (areDone.includes(false)) throw new DynamoError('Throttled', 'DynamoDB: too many requests (unprocessed items).')
  }
  const written = await insertItems(
    dynamo,
    'events',
    all.map(({ item }) => ({ ...item, isMoved: true })),
  )
  const outcomes = new Map(all.map(({ event }, index) => [event, written[index] ? 'written' : 'there'] as const))
  return events.map((event) => outcomes.get(event) ?? 'refused')
}

/** As if they had been answered already: their events stay. */
export async function importIdempotencyKeys(
  context: DynamoContext,
  workspaceId: string,
  keys: readonly IdempotencyRecord[],
): Promise<ImportOutcome[]> {
  const { dynamo, clock } = context
  const importOne = async ({ key, fingerprint, eventId, expiresAtUs }: IdempotencyRecord): Promise<ImportOutcome> => {
    if (timeOf(eventId) === undefined) return 'refused'
    const item = { ...useKey(workspaceId, key), eventId, fingerprint, expiresAtUs, ttl: ttlOf(expiresAtUs), isSeen: true }
    const free = { condition: 'attribute_not_exists(pk) OR expiresAtUs <= :now', values: { now: clock.nowUs() } }
    return (await dynamo.put('events', item, free)).isDone ? 'written' : 'there'
  }
  return await mapAtOnce(keys, AT_ONCE, importOne)
}
