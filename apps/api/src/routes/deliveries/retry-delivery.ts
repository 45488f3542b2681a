import { z } from '@hono/zod-openapi'
import { retryDelivery as retry } from '../../domain/retry-delivery.ts'
import { endpoint } from '../../endpoint.ts'
import { EXAMPLE_REQUEST_ID, requestId } from '../schemas.ts'
import { DeliveryParams, deliveryId, deliveryStatus, EXAMPLE_DELIVERY_ID } from './schemas.ts'

export const retryDelivery = endpoint(
  {
    operationId: 'retryDelivery',
    method: 'post',
    path: '/v1/deliveries/{delivery_id}/retry',
    tag: 'Deliveries',
    summary: 'Retry a delivery',
    description:
      'Sends a delivery that has ended once more, now, and again by the whole retry schedule if it fails; one that was delivered, too. It is 409 while it ' +
      'is pending, while its webhook is not active, and when its event is gone. A body is ignored.',
    access: ['webhooks:manage'],
    request: { params: DeliveryParams },
    success: {
      202: {
        description: 'It is on its way.',
        schema: z.object({ delivery_id: deliveryId, status: deliveryStatus, request_id: requestId }).openapi('DeliveryRetried'),
        example: { delivery_id: EXAMPLE_DELIVERY_ID, status: 'pending', request_id: EXAMPLE_REQUEST_ID },
      },
    },
    errors: ['NOT_FOUND', 'CONFLICT', 'VALIDATION_ERROR.422'],
  },
  async (c, { params }) => {
    await retry(c.get('deps'), c.get('principal').workspaceId, params.delivery_id)
    return { status: 202, body: { delivery_id: params.delivery_id, status: 'pending' } }
  },
)
