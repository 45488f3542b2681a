import { deliveryNotFound } from '../../domain/webhook-refusals.ts'
import { endpoint } from '../../endpoint.ts'
import { EXAMPLE_REQUEST_ID } from '../schemas.ts'
import { DeliveryParams, EXAMPLE_DELIVERY, presentDelivery, SingleDeliverySchema } from './schemas.ts'

export const getDelivery = endpoint(
  {
    operationId: 'getDelivery',
    method: 'get',
    path: '/v1/deliveries/{delivery_id}',
    tag: 'Deliveries',
    summary: 'Get a delivery',
    description:
      'Gives one delivery of the workspace, with all its attempts; that of a webhook or an event that is gone, too, as long as it is kept.',
    access: ['webhooks:manage'],
    request: { params: DeliveryParams },
    success: {
      200: { description: 'The delivery.', schema: SingleDeliverySchema, example: { ...EXAMPLE_DELIVERY, request_id: EXAMPLE_REQUEST_ID } },
    },
    errors: ['NOT_FOUND', 'VALIDATION_ERROR.422'],
  },
  async (c, { params }) => {
    const delivery = await c.get('deps').store.getDelivery(c.get('principal').workspaceId, params.delivery_id)
    if (delivery === undefined) throw deliveryNotFound(params.delivery_id)
    return { status: 200, body: presentDelivery(delivery) }
  },
)
