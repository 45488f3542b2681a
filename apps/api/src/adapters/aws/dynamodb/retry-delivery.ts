import type { DeliveryStore } from '../../../webhook-ports.ts'
import type { DynamoContext } from './context.ts'
import { changeRowsOrFail, retried } from './delivery-changes.ts'
import { deliveryKey, deliveryRowOf, isForgotten } from './delivery-item.ts'
import { touchLanes } from './delivery-rows.ts'
import { DynamoError } from './errors.ts'
import { eventKey, isAlive } from './event-item.ts'
import { timeOf } from './ids.ts'
import { readWebhook } from './webhook-item.ts'

const TRIES = 10

/** What is retried a moment before its webhook is switched off is held by whoever claims it. */
export async function retryDelivery(
  context: DynamoContext,
  workspaceId: string,
  deliveryId: string,
  dueAtUs: number,
): ReturnType<DeliveryStore['retryDelivery']> {
  const { dynamo, clock } = context
  for (let tries = 0; tries < TRIES; tries++) {
    const item = timeOf(deliveryId) === undefined ? undefined : await dynamo.get('deliveries', deliveryKey(deliveryId))
    const row = item && deliveryRowOf(item)
    if (row?.workspaceId !== workspaceId || isForgotten(row, clock.nowUs())) return { outcome: 'not_found' }
    const [webhook, hasEvent] = await Promise.all([
      readWebhook(context, row.webhookId),
      row.ownEvent !== null || isThere(context, workspaceId, row.eventId),
    ])
    if (!hasEvent) return { outcome: 'event_gone' }
    if (row.status === 'pending') return { outcome: 'pending' }
    if (webhook?.isActive !== true) return { outcome: 'inactive' }
    const lane = { webhookId: row.webhookId, replayId: null }
    await touchLanes(context, [{ lane, dueAtUs }])
    const [isDone] = await changeRowsOrFail(context, [retried(row, dueAtUs)])
    if (isDone) return { outcome: 'retried', lane }
  }
  throw new DynamoError('TransactionConflict', 'DynamoDB: a delivery was changed by others at each try.')
}

async function isThere(context: DynamoContext, workspaceId: string, eventId: string): Promise<boolean> {
  if (!isAlive(context, eventId)) return false
  const workspace = await context.workspaces.find(workspaceId)
  return workspace !== undefined && (await context.dynamo.get('events', eventKey(workspace, eventId))) !== undefined
}
