import type { DeliveryQuery, DeliveryRecord, DeliveryStatus } from '../../../webhook-ports.ts'
import type { DynamoContext } from './context.ts'
import { indexedDeliveries } from './deliveries-of-event.ts'
import { DELIVERY_SHARDS, type DeliveryRow, deliveryKey, deliveryRowOf, isForgotten, webhookShard } from './delivery-item.ts'
import { deliveryBytes, deliveryRecordOf, orphansOf } from './delivery-records.ts'
import { timeOf } from './ids.ts'
import { firstPageSize, type Merge, merge, querySource } from './merge.ts'
import type { Item } from './notation.ts'
import { DELIVERY_INDEXES } from './tables.ts'

/** Index entries that one call looks at before its page ends early. */
const MAX_EXAMINED = 10_000

export async function getDelivery(context: DynamoContext, workspaceId: string, deliveryId: string): Promise<DeliveryRecord | undefined> {
  const item = timeOf(deliveryId) === undefined ? undefined : await context.dynamo.get('deliveries', deliveryKey(deliveryId))
  const row = item && deliveryRowOf(item)
  if (row?.workspaceId !== workspaceId || isForgotten(row, context.clock.nowUs())) return undefined
  return deliveryRecordOf(context, row, (await orphansOf(context, workspaceId, [row])).has(deliveryId))
}

/**
 * The index gives the ids, and leaves out what has another status by its word; each row is then read and judged as it stands in the table. Open ones cost
 * a read of their event, too: without it, they are cancelled.
 */
export async function listDeliveries(
  context: DynamoContext,
  query: DeliveryQuery,
): Promise<{ deliveries: DeliveryRecord[]; next: string | null }> {
  const { limit, maxBytes, status } = query
  const walk = walkOf(context, query)
  const deliveries: DeliveryRecord[] = []
  let bytes = 0
  let position = query.after ?? null
  for (let examined = 0; examined < MAX_EXAMINED; ) {
    const wanted = limit + 1 - deliveries.length
    const items = await walk.take(wanted)
    examined += items.length
    const perhaps = items.filter((item) => status === undefined || item['status'] === status).map(({ pk }) => pk)
    const read = await recordsOf(context, query, perhaps)
    for (const { pk } of items) {
      const record = read.get(pk)
      if (record !== undefined && isAskedFor(record, query)) {
        bytes += deliveryBytes(record.attempts)
        // One too many: it shows that there is more, and is the next page's first.
        if (deliveries.length === limit || (deliveries.length > 0 && bytes > maxBytes)) return { deliveries, next: position }
        deliveries.push(record)
      }
      position = pk
    }
    if (items.length < wanted) return { deliveries, next: null }
  }
  return { deliveries, next: position }
}

/** Entries of the index, the newest first. */
function walkOf({ dynamo, clock }: DynamoContext, { webhookId, eventId, after, limit }: DeliveryQuery): Merge<Item> {
  const [index, hash, keys] =
    webhookId === undefined
      ? ([DELIVERY_INDEXES.byEvent, 'event', eventId === undefined || timeOf(eventId) === undefined ? [] : [eventId]] as const)
      : ([
          DELIVERY_INDEXES.byWebhook,
          'webhook',
          Array.from({ length: DELIVERY_SHARDS }, (_, shard) => webhookShard(webhookId, shard)),
        ] as const)
  const sources = keys.map((key) =>
    querySource(
      dynamo,
      {
        table: 'deliveries',
        index,
        where: after === undefined ? '#hash = :key' : '#hash = :key AND pk < :after',
        filter: 'expiresAtUs >= :now',
        names: { hash },
        values: { key, now: clock.nowUs(), ...(after !== undefined && { after }) },
        order: 'desc',
      },
      firstPageSize(limit + 1, keys.length),
    ),
  )
  return merge(sources, (a, b) => (a.pk > b.pk ? -1 : 1))
}

/** By id the deliveries of the workspace that are there. */
async function recordsOf(
  context: DynamoContext,
  { workspaceId }: DeliveryQuery,
  ids: readonly string[],
): Promise<Map<string, DeliveryRecord>> {
  const rows: DeliveryRow[] = []
  for (const item of ids.length === 0 ? [] : await context.dynamo.batchGet('deliveries', ids.map(deliveryKey))) {
    const row = deliveryRowOf(item)
    if (row.workspaceId === workspaceId && !isForgotten(row, context.clock.nowUs())) rows.push(row)
  }
  const orphans = await orphansOf(context, workspaceId, rows)
  return new Map(rows.map((row) => [row.deliveryId, deliveryRecordOf(context, row, orphans.has(row.deliveryId))]))
}

function isAskedFor(record: DeliveryRecord, { webhookId, eventId, status }: DeliveryQuery): boolean {
  if (webhookId !== undefined && record.webhookId !== webhookId) return false
  if (eventId !== undefined && record.eventId !== eventId) return false
  return status === undefined || record.status === status
}

/** From the index alone, which may be late by a moment: an event has few deliveries, but a replay asks for many events. */
export async function deliveryStatuses(
  context: DynamoContext,
  webhookId: string,
  eventIds: readonly string[],
): Promise<DeliveryStatus[][]> {
  const ids = [...new Set(eventIds)]
  const found = await indexedDeliveries(context, ids)
  const byEvent = new Map(ids.map((id, index) => [id, found[index] ?? []]))
  return eventIds.map((id) => (byEvent.get(id) ?? []).filter((item) => item['webhookId'] === webhookId).map((item) => item['status']))
}
