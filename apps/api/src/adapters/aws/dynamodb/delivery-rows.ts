import type { Lane, NewDelivery } from '../../../webhook-ports.ts'
import { mapAtOnce } from './at-once.ts'
import { DELIVERY_EXTRA_US, type DynamoContext, ttlOf } from './context.ts'
import { newDeliveryItem } from './delivery-item.ts'
import { derivedId, spreadOfText, timeOf } from './ids.ts'
import { insertItems } from './insert-items.ts'
import type { Item, Key, Write } from './notation.ts'
import { readWebhooks } from './webhook-item.ts'

/** New deliveries on their way into the table. */
export interface NewRows {
  items: Item[]
  /** Where they are due, and when the first of each is. */
  lanes: { lane: Lane; dueAtUs: number }[]
}

/**
 * The rows of new deliveries; those to a webhook that is gone or not active, or of an id that no event can have, are left out.
 * @param seed the same seed, deliveries, `fromUs` and `toUs` give the same ids, so that what is written twice is there once. The delivery of an event
 * from `fromUs` to `toUs` to a webhook has the same id whatever it is written with: two fan-outs that read as far as they could write the same rows
 * @param fromUs the place of the first in the order of deliveries: each has the time of its event, or if that is not from here to `toUs`, this one
 * and its index in microseconds more
 * @param toUs no event is later, so none is taken for it
 */
export async function newDeliveryRows(
  context: DynamoContext,
  deliveries: readonly NewDelivery[],
  { seed, fromUs, toUs }: { seed: string; fromUs: number; toUs: number },
): Promise<NewRows> {
  const webhooks = await readWebhooks(
    context,
    deliveries.map(({ webhookId }) => webhookId),
  )
  const items: Item[] = []
  const lanes = new Map<string, NewRows['lanes'][number]>()
  /** How often a webhook got that event before. */
  const pairs = new Map<string, number>()
  for (const [index, delivery] of deliveries.entries()) {
    const { webhookId, eventId, eventType, dueAtUs, replayId, ownEvent } = delivery
    const webhook = webhooks.get(webhookId)
    const eventUs = timeOf(eventId) ?? (ownEvent === null ? undefined : fromUs)
    if (webhook === undefined || !webhook.isActive || eventUs === undefined) continue
    const { workspaceId } = webhook
    const pair = `${webhookId}\n${eventId}`
    const before = pairs.get(pair) ?? 0
    pairs.set(pair, before + 1)
    const us = eventUs < fromUs ? fromUs + index : eventUs > toUs ? toUs + index : eventUs + before
    const deliveryId = derivedId(us, [seed, pair, before].join('\n'))
    const expiresAtUs = us + context.eventTtlUs + DELIVERY_EXTRA_US
    const ttl = ttlOf(expiresAtUs)
    items.push(newDeliveryItem({ deliveryId, webhookId, workspaceId, eventId, eventType, dueAtUs, replayId, ownEvent, expiresAtUs, ttl }))
    const lane = { webhookId, replayId }
    const { sk } = laneEntryKey(lane)
    lanes.set(sk, { lane, dueAtUs: Math.min(dueAtUs, lanes.get(sk)?.dueAtUs ?? dueAtUs) })
  }
  return { items, lanes: [...lanes.values()] }
}

/** Over how many partitions the entries of lanes are spread. */
export const LANE_PARTITIONS = 16

/** The partition of the lanes that are looked through for what is due. */
export const lanePartition = (n: number): string => `lanes#${n}`

/** Where a lane has its entry. */
export function laneEntryKey({ webhookId, replayId }: Lane): Key {
  return { pk: lanePartition(spreadOfText(webhookId) % LANE_PARTITIONS), sk: `${webhookId}#${replayId ?? ''}` }
}

/** An entry that was touched within this time says too little about its lane: its rows may be on their way, or late in the index. */
export const TOUCHED_US = 60_000_000
/** So long a touch is good for further rows that are not due earlier; much shorter than the above, for the clocks and requests between. */
const TOUCH_GOOD_US = 20_000_000
const MAX_REMEMBERED = 10_000
const AT_ONCE = 16

/** By lane this process's last touch that is good for more. */
const touches = new WeakMap<DynamoContext, Map<string, { touchedUs: number; dueAtUs: number }>>()

/**
 * Makes sure that whoever looks for due lanes finds these. Before the rows are written: a lane too many is looked at and forgotten, one too few
 * would keep its rows waiting.
 */
export async function touchLanes(context: DynamoContext, lanes: NewRows['lanes']): Promise<void> {
  await mapAtOnce(lanes, AT_ONCE, ({ lane, dueAtUs }) => touchLane(context, laneEntryKey(lane), dueAtUs))
}

async function touchLane(context: DynamoContext, key: Key, dueAtUs: number): Promise<void> {
  const { dynamo, clock } = context
  const known = touches.get(context) ?? new Map<string, { touchedUs: number; dueAtUs: number }>()
  touches.set(context, known)
  const now = clock.nowUs()
  const last = known.get(key.sk)
  const isFresh = last !== undefined && Math.abs(now - last.touchedUs) < TOUCH_GOOD_US
  if (isFresh && last.dueAtUs <= dueAtUs) return

  const values = { now, due: dueAtUs, one: 1 }
  const lower = {
    update: 'SET touchedUs = :now, nextDueUs = :due ADD n :one',
    condition: 'attribute_not_exists(pk) OR nextDueUs > :due',
    values,
  }
  const keep = { update: 'SET touchedUs = :now ADD n :one', condition: 'nextDueUs <= :due', values }
  // Others lower, raise and remove it meanwhile: one of the two fits in the end.
  for (let update = last !== undefined && last.dueAtUs <= dueAtUs ? keep : lower; ; update = update === lower ? keep : lower) {
    const result = await dynamo.update('webhooks', key, update, true)
    if (result.isDone) break
  }
  if (known.size >= MAX_REMEMBERED) known.clear()
  known.set(key.sk, { touchedUs: now, dueAtUs })
}

/**
 * Writes rows; those that are there already, in whatever state, stay as they are.
 * @throws DynamoError when it is not known of one whether it is there: writing all of them again is harmless
 */
export async function insertRows({ dynamo }: DynamoContext, items: readonly Item[]): Promise<void> {
  await insertItems(dynamo, 'deliveries', items)
}

/** The same as part of a transaction, which fails where one is there. */
export function rowWrites(items: readonly Item[]): Write[] {
  return items.map((put) => ({ table: 'deliveries', put, condition: 'attribute_not_exists(pk)' }))
}
