import type { IdempotencyRecord, MoveStore, WholeDelivery } from '../../../move-ports.ts'
import type { EventRecord } from '../../../ports.ts'
import type { DynamoContext } from './context.ts'
import { DELIVERY_SHARDS, type DeliveryRow, deliveryKey, deliveryRowOf, isForgotten, webhookShard } from './delivery-item.ts'
import { deliveryBytes, deliveryRecordOf, orphansOf } from './delivery-records.ts'
import { useKey } from './idempotency.ts'
import { createListEvents } from './list-events.ts'
import { firstPageSize, merge, querySource } from './merge.ts'
import type { Item } from './notation.ts'
import { DELIVERY_INDEXES } from './tables.ts'

/** How long an idempotency key is kept. */
const KEPT_US = 86_400e6
const PAGE_BYTES = 4_000_000

type Query<Method extends 'listIdempotencyKeys' | 'listWholeDeliveries'> = Parameters<MoveStore[Method]>[0]

/** By the events of the last day, which have their keys in their metadata: nothing else tells what keys there are. */
export async function listIdempotencyKeys(
  context: DynamoContext,
  { workspaceId, limit, after }: Query<'listIdempotencyKeys'>,
): ReturnType<MoveStore['listIdempotencyKeys']> {
  const { dynamo, clock } = context
  const nowUs = clock.nowUs()
  const filter = { createdAfterUs: nowUs - KEPT_US }
  const { events, next } = await createListEvents(context)({ workspaceId, filter, order: 'asc', limit, maxBytes: PAGE_BYTES, after })
  const uses = new Map(events.flatMap((event) => useOf(workspaceId, event)))
  const found =
    uses.size === 0
      ? []
      : await dynamo.batchGet(
          'events',
          [...uses.values()].map(({ key }) => useKey(workspaceId, key)),
        )
  const items = new Map(found.map((item) => [item.pk, item]))
  const keys = [...uses].flatMap(([pk, { key, eventId }]): IdempotencyRecord[] => {
    const item = items.get(pk)
    const isOfEvent = item?.['eventId'] === eventId && item['isVoid'] !== true && item['expiresAtUs'] > nowUs
    return isOfEvent ? [{ key, fingerprint: item['fingerprint'], eventId, expiresAtUs: item['expiresAtUs'] }] : []
  })
  return { keys, next }
}

function useOf(workspaceId: string, { eventId, metadata }: EventRecord): [pk: string, { key: string; eventId: string }][] {
  const { idempotency_key: key }: { idempotency_key?: unknown } = JSON.parse(metadata)
  return typeof key === 'string' ? [[useKey(workspaceId, key).pk, { key, eventId }]] : []
}

/** The index gives the ids; each row is read from the table. */
export async function listWholeDeliveries(
  context: DynamoContext,
  { workspaceId, webhookId, limit, maxBytes, after }: Query<'listWholeDeliveries'>,
): ReturnType<MoveStore['listWholeDeliveries']> {
  const entries = await entriesOf(context, webhookId, limit + 1, after)
  const items =
    entries.length === 0
      ? []
      : await context.dynamo.batchGet(
          'deliveries',
          entries.map(({ pk }) => deliveryKey(pk)),
        )
  const rows = items.map(deliveryRowOf).filter((row) => row.workspaceId === workspaceId && !isForgotten(row, context.clock.nowUs()))
  const [byId, orphans] = [new Map(rows.map((row) => [row.deliveryId, row])), await orphansOf(context, workspaceId, rows)]
  const deliveries: WholeDelivery[] = []
  let bytes = 0
  let last = after ?? null
  for (const { pk } of entries) {
    const row = byId.get(pk)
    const delivery = row && wholeOf(context, row, orphans.has(pk))
    bytes += delivery === undefined ? 0 : deliveryBytes(delivery.attempts) + (delivery.ownEvent?.payload.length ?? 0)
    if (deliveries.length === limit || (deliveries.length > 0 && bytes > maxBytes)) return { deliveries, next: last }
    if (delivery !== undefined) deliveries.push(delivery)
    last = pk
  }
  return { deliveries, next: entries.length > limit ? last : null }
}

function wholeOf(context: DynamoContext, row: DeliveryRow, isOrphan: boolean): WholeDelivery {
  const { nextAttemptAtUs: _, ...delivery } = deliveryRecordOf(context, row, isOrphan)
  return {
    ...delivery,
    dueAtUs: delivery.status === 'pending' ? row.dueAtUs : null,
    scheduleStart: row.scheduleStart,
    isInReplayLane: row.laneReplayId !== null,
    ownEvent: row.ownEvent,
  }
}

/** Entries of the index of the webhook, oldest first. */
async function entriesOf({ dynamo, clock }: DynamoContext, webhookId: string, limit: number, after: string | undefined): Promise<Item[]> {
  const sources = Array.from({ length: DELIVERY_SHARDS }, (_, shard) =>
    querySource(
      dynamo,
      {
        table: 'deliveries',
        index: DELIVERY_INDEXES.byWebhook,
        where: after === undefined ? '#webhook = :key' : '#webhook = :key AND pk > :after',
        filter: 'expiresAtUs >= :now',
        names: { webhook: 'webhook' },
        values: { key: webhookShard(webhookId, shard), now: clock.nowUs(), ...(after !== undefined && { after }) },
      },
      firstPageSize(limit, DELIVERY_SHARDS),
    ),
  )
  return await merge(sources, (a, b) => (a.pk < b.pk ? -1 : 1)).take(limit)
}
