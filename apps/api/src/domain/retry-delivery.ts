import type { Deps } from '../deps.ts'
import { hint } from './hint.ts'
import { deliveryNotFound, retryRefused } from './webhook-refusals.ts'

/**
 * Sends a delivery that has ended again, at once, with its whole schedule anew.
 * @throws ApiError NOT_FOUND; CONFLICT while it is pending, or its webhook is not active, or its event is gone
 */
export async function retryDelivery(
  deps: Pick<Deps, 'store' | 'queue' | 'clock' | 'log'>,
  workspaceId: string,
  deliveryId: string,
): Promise<void> {
  const result = await deps.store.retryDelivery(workspaceId, deliveryId, deps.clock.nowUs())
  switch (result.outcome) {
    case 'retried':
      await hint(deps, { type: 'deliver', ...result.lane })
      return
    case 'not_found':
      throw deliveryNotFound(deliveryId)
    case 'pending':
      throw retryRefused(deliveryId, 'pending', 'pending')
    case 'event_gone':
    case 'inactive': {
      const delivery = await deps.store.getDelivery(workspaceId, deliveryId)
      if (delivery === undefined) throw deliveryNotFound(deliveryId)
      const isWebhookGone = result.outcome === 'inactive' && (await deps.store.getWebhook(delivery.webhookId)) === undefined
      throw retryRefused(deliveryId, delivery.status, isWebhookGone ? 'webhook_gone' : result.outcome)
    }
  }
}
