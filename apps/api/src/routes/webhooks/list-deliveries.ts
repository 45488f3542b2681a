import { findWebhook } from '../../domain/webhooks.ts'
import { endpoint } from '../../endpoint.ts'
import { deliveryPage } from '../deliveries/page.ts'
import { DeliveryPageQuery, DeliveryPageSchema, EXAMPLE_DELIVERY_PAGE } from '../deliveries/schemas.ts'
import { WebhookParams } from './schemas.ts'

export const listDeliveries = endpoint(
  {
    operationId: 'listDeliveries',
    method: 'get',
    path: '/v1/webhooks/{webhook_id}/deliveries',
    tag: 'Webhooks',
    summary: "List a webhook's deliveries",
    description:
      "Lists the webhook's deliveries with all their attempts, newest first. They are kept a day longer than their events. A page ends early, with a " +
      'cursor, when its body would pass 5 MB.',
    access: ['webhooks:manage'],
    request: { params: WebhookParams, query: DeliveryPageQuery },
    success: { 200: { description: 'One page.', schema: DeliveryPageSchema, example: EXAMPLE_DELIVERY_PAGE } },
    errors: ['VALIDATION_ERROR', 'VALIDATION_ERROR.422', 'NOT_FOUND'],
  },
  async (c, { params, query }) => {
    await findWebhook(c.get('deps'), c.get('principal').workspaceId, params.webhook_id)
    return { status: 200, body: await deliveryPage(c, query, { webhookId: params.webhook_id }) }
  },
)
