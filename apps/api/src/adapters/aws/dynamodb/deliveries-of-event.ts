import { mapAtOnce } from './at-once.ts'
import type { DynamoContext } from './context.ts'
import { changeRowsOrFail, ended } from './delivery-changes.ts'
import { type DeliveryRow, deliveryKey, deliveryRowOf } from './delivery-item.ts'
import { isOpen } from './delivery-records.ts'
import type { Item, Query } from './notation.ts'
import { DELIVERY_INDEXES } from './tables.ts'

/** Questions about events that are asked at once. */
const AT_ONCE = 16
/** How often one that changes under our hands is looked at again: claims and records change it, but not for ever. */
const TRIES = 10

/**
 * The deliveries of events, as the index knows them: it may be late.
 * @returns for each event its items with `status` and `webhookId`, oldest first
 */
export async function indexedDeliveries({ dynamo, clock }: DynamoContext, eventIds: readonly string[]): Promise<Item[][]> {
  const ofEvent = async (event: string): Promise<Item[]> => {
    const items: Item[] = []
    const query: Omit<Query, 'from'> = {
      table: 'deliveries',
      index: DELIVERY_INDEXES.byEvent,
      where: '#event = :event',
      filter: 'expiresAtUs >= :now',
      names: { event: 'event' },
      values: { event, now: clock.nowUs() },
    }
    for await (const item of dynamo.queryAll(query)) items.push(item)
    return items
  }
  return await mapAtOnce(eventIds, AT_ONCE, ofEvent)
}

/**
 * Cancels the open deliveries of events that are gone, those under way too. What the index does not know of yet, its claim cancels.
 * @param workspaceId that the events were of: those of another one are not touched, whoever names them
 */
export async function endDeliveriesOf(context: DynamoContext, workspaceId: string, eventIds: readonly string[]): Promise<void> {
  await cancel(context, eventIds, (row) => isOpen(row) && row.workspaceId === workspaceId && row.ownEvent === null)
}

/**
 * Cancels the held deliveries of events to a webhook, since new ones take their place; each counts as cancelled in the replay that it is of.
 * @param replayId of the new ones: those of this replay stay as they are, held again or not
 */
export async function cancelHeld(context: DynamoContext, webhookId: string, eventIds: readonly string[], replayId: string): Promise<void> {
  await cancel(
    context,
    eventIds,
    (row) => row.status === 'held' && row.webhookId === webhookId && row.replayId !== replayId,
    (item) => item['webhookId'] === webhookId,
  )
}

/** @param mayBe sorts out by what the index has, which may be late; `isWanted` is asked of the table */
async function cancel(
  context: DynamoContext,
  eventIds: readonly string[],
  isWanted: (row: DeliveryRow) => boolean,
  mayBe: (item: Item) => boolean = () => true,
): Promise<void> {
  const found = (await indexedDeliveries(context, [...new Set(eventIds)])).flat()
  let ids = found.filter((item) => isOpen({ status: item['status'] }) && mayBe(item)).map(({ pk }) => pk)
  for (let tries = 0; ids.length > 0 && tries < TRIES; tries++) {
    const rows = (await context.dynamo.batchGet('deliveries', ids.map(deliveryKey))).map(deliveryRowOf).filter(isWanted)
    const done = await changeRowsOrFail(
      context,
      rows.map((row) => ended(row, 'cancelled', context.clock.nowUs())),
    )
    ids = rows.filter((_, index) => done[index] !== true).map(({ deliveryId }) => deliveryId)
  }
}
