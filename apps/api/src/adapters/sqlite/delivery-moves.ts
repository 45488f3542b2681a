import type { DatabaseSync } from 'node:sqlite'
import type { DeliveryStore } from '../../webhook-ports.ts'
import { prepareAll } from './database.ts'
import type { DeliveryEnds } from './delivery-ends.ts'
import { deliveriesExpiredUs, farthestUs } from './delivery-row.ts'
import { DELIVERY_MOVES, HELD, PENDING } from './delivery-sql.ts'
import { deliveryFinder } from './places.ts'
import type { BatchTimes, DeliveryWriterCalls, InputOf } from './protocol.ts'
import type { Workspaces } from './workspaces.ts'

/** How the writer moves deliveries on a caller's word. */
export function deliveryMoves(db: DatabaseSync, workspaces: Workspaces, ends: DeliveryEnds) {
  const sql = prepareAll(db, DELIVERY_MOVES)
  const findDelivery = deliveryFinder(db)

  function retryDelivery(
    { workspaceId, address, dueAtUs }: InputOf<DeliveryWriterCalls, 'retryDelivery'>,
    times: BatchTimes,
  ): Awaited<ReturnType<DeliveryStore['retryDelivery']>> {
    const workspace = workspaces.find(workspaceId)
    if (workspace === undefined) return { outcome: 'not_found' }
    const since = [times.eventsExpiredUs, deliveriesExpiredUs(times)]
    const row = findDelivery(address, ({ seq, tail }) => sql.forRetry.get(seq, tail, workspace, ...since))
    if (row === undefined) return { outcome: 'not_found' }
    if (row['has_event'] === 0) return { outcome: 'event_gone' }
    if (row['status'] === PENDING) return { outcome: 'pending' }
    if (row['is_active'] !== 1) return { outcome: 'inactive' }
    // It leaves its replay, which has not counted it yet.
    if (row['status'] === HELD) ends.count(Number(row['lane']), 'cancelled', 1, times.nowUs)
    sql.retry.run(dueAtUs, Number(row['seq']))
    return { outcome: 'retried', lane: { webhookId: String(row['webhook_id']), replayId: null } }
  }

  function moveDeliveries({ webhookId, replayId, to, limit }: InputOf<DeliveryWriterCalls, 'moveDeliveries'>, nowUs: number): boolean {
    const webhook = sql.webhook.get(webhookId)
    const replay = replayId === undefined ? { id: undefined } : sql.replay.get(replayId)
    if (webhook === undefined || replay === undefined) return false
    if (to === 'held' && webhook['is_active'] === 1) return false
    const lane = replay['id'] === undefined ? undefined : Number(replay['id'])
    const rows = pendingRows(Number(webhook['id']), lane, limit, nowUs)
    if (to === 'held') {
      ends.holdAll(rows)
      return rows.length === limit
    }
    const left = limit - rows.length
    if (left > 0) rows.push(...heldRows(Number(webhook['id']), lane, left, nowUs))
    ends.cancelAll(rows, nowUs)
    return rows.length === limit
  }

  /** Those under way are left to who has them: what comes of them is recorded, and then they are not tried again. */
  function pendingRows(webhook: number, lane: number | undefined, limit: number, nowUs: number) {
    const hold = [nowUs + 1, farthestUs(nowUs)]
    return lane === undefined ? sql.ofWebhook.all(webhook, PENDING, ...hold, limit) : sql.pendingOfLane.all(webhook, lane, ...hold, limit)
  }

  function heldRows(webhook: number, lane: number | undefined, limit: number, nowUs: number) {
    return lane === undefined ? sql.ofWebhook.all(webhook, HELD, nowUs, nowUs, limit) : sql.heldOfLane.all(webhook, lane, limit)
  }

  return { retryDelivery, moveDeliveries }
}
