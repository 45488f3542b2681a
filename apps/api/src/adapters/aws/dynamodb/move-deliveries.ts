import type { DeliveryStore, Lane } from '../../../webhook-ports.ts'
import { BATCH_READS, chunksOf } from './client.ts'
import type { DynamoContext } from './context.ts'
import { changeRowsOrFail, changeTogether, ended, heldBack } from './delivery-changes.ts'
import { DELIVERY_SHARDS, type DeliveryRow, deliveryKey, deliveryRowOf, heldShard, laneOf, laneShard } from './delivery-item.ts'
import { lanesOf } from './due-lanes.ts'
import { isUnderWay } from './due-places.ts'
import { querySource } from './merge.ts'
import type { Item, Write } from './notation.ts'
import { DELIVERY_INDEXES } from './tables.ts'
import { readWebhook, webhookKey } from './webhook-item.ts'

type Move = Parameters<DeliveryStore['moveDeliveries']>[0]

/** Rows that are held in one transaction. */
const HELD_TOGETHER = 50

/**
 * Each row is judged as it stands, and moved if it still stands so. To `held`, the webhook is part of the transaction: none is held once it is active.
 * Where the index is late, a call may find too few: what it missed is pending in a lane that is found to be due, and is moved then.
 */
export async function moveDeliveries(context: DynamoContext, move: Move): Promise<boolean> {
  const { webhookId, to, limit } = move
  if (to === 'held') {
    const webhook = await readWebhook(context, webhookId)
    if (webhook === undefined || webhook.isActive) return false
  }
  let left = limit
  for await (const rows of openRows(context, move)) {
    const some = rows.slice(0, left)
    const isDone = to === 'held' ? await hold(context, webhookId, some) : await cancel(context, some)
    if (!isDone) return false
    left -= some.length
    if (left === 0) return true
  }
  return false
}

async function cancel(context: DynamoContext, rows: readonly DeliveryRow[]): Promise<boolean> {
  await changeRowsOrFail(
    context,
    rows.map((row) => ended(row, 'cancelled', context.clock.nowUs())),
  )
  return true
}

/** @returns false when the webhook is active by now */
async function hold(context: DynamoContext, webhookId: string, rows: readonly DeliveryRow[]): Promise<boolean> {
  const isInactive: Write = { table: 'webhooks', check: webhookKey(webhookId), condition: 'isActive = :false', values: { false: false } }
  for (const chunk of chunksOf(rows, HELD_TOGETHER)) {
    if ((await changeTogether(context, chunk.map(heldBack), () => [isInactive])) === undefined) return false
  }
  return true
}

/** Those to be moved, some at a time: pending ones that nobody has under way, and held ones when they are to be cancelled. */
async function* openRows(context: DynamoContext, { webhookId, replayId, to }: Move): AsyncGenerator<DeliveryRow[]> {
  const lanes: Lane[] = replayId === undefined ? await lanesOf(context, webhookId) : [{ webhookId, replayId }]
  const shards = Array.from({ length: DELIVERY_SHARDS }, (_, shard) => shard)
  for (const lane of lanes) {
    const isMeant = (row: DeliveryRow) =>
      row.status === 'pending' && laneOf(row).replayId === lane.replayId && !isUnderWay(row, context.clock.nowUs())
    for (const shard of shards) yield* rowsIn(context, laneShard(lane, shard), isMeant)
  }
  if (to === 'held') return
  const isMeant = (row: DeliveryRow) => row.status === 'held' && (replayId === undefined || row.laneReplayId === replayId)
  for (const shard of shards) yield* rowsIn(context, heldShard(webhookId, shard), isMeant)
}

/** @param lane a partition of the index of what is due */
async function* rowsIn(context: DynamoContext, lane: string, isMeant: (row: DeliveryRow) => boolean): AsyncGenerator<DeliveryRow[]> {
  const { dynamo } = context
  const query = { table: 'deliveries', index: DELIVERY_INDEXES.due, where: 'lane = :lane', values: { lane } } as const
  const read = querySource(dynamo, query, BATCH_READS)
  for (let items = await read(); items !== undefined; items = await read()) {
    for (const chunk of chunksOf<Item>(items, BATCH_READS)) {
      const rows = (
        await dynamo.batchGet(
          'deliveries',
          chunk.map(({ pk }) => deliveryKey(pk)),
        )
      )
        .map(deliveryRowOf)
        .filter(isMeant)
      if (rows.length > 0) yield rows
    }
  }
}
