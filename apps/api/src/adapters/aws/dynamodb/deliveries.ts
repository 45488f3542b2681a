import type { DeliveryStore } from '../../../webhook-ports.ts'
import { claimDeliveries } from './claim-deliveries.ts'
import type { DynamoContext } from './context.ts'
import { dueLanes } from './due-lanes.ts'
import { createHeldRows } from './held-rows.ts'
import { createLeftPlaces } from './left-places.ts'
import { deliveryStatuses, getDelivery, listDeliveries } from './list-deliveries.ts'
import { moveDeliveries } from './move-deliveries.ts'
import { attemptRecorder } from './record-attempts.ts'
import { retryDelivery } from './retry-delivery.ts'

export function createDeliveryStore(context: DynamoContext): DeliveryStore {
  const heldRows = createHeldRows()
  const memory = { heldRows, leftPlaces: createLeftPlaces(context.clock) }
  return {
    claimDeliveries: (query) => claimDeliveries(context, memory, query),
    recordAttempts: attemptRecorder(context, heldRows),
    getDelivery: (workspaceId, deliveryId) => getDelivery(context, workspaceId, deliveryId),
    listDeliveries: (query) => listDeliveries(context, query),
    deliveryStatuses: (webhookId, eventIds) => deliveryStatuses(context, webhookId, eventIds),
    retryDelivery: (workspaceId, deliveryId, dueAtUs) => retryDelivery(context, workspaceId, deliveryId, dueAtUs),
    moveDeliveries: (query) => moveDeliveries(context, query),
    listDueLanes: dueLanes(context),
  }
}
