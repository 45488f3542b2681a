import { eventNotFound } from '../../domain/events.ts'
import { endpoint } from '../../endpoint.ts'
import { deliveryPage } from '../deliveries/page.ts'
import { DeliveryPageQuery, DeliveryPageSchema, EXAMPLE_DELIVERY_PAGE } from '../deliveries/schemas.ts'
import { EventParams } from './schemas.ts'

export const listEventDeliveries = endpoint(
  {
    operationId: 'listEventDeliveries',
    method: 'get',
    path: '/v1/events/{event_id}/deliveries',
    tag: 'Events',
    summary: "List an event's deliveries",
    description:
      'Lists what was sent of the event to every webhook, with all attempts, newest first; also of an event that is gone, as long as its deliveries are ' +
      'kept. A page ends early, with a cursor, when its body would pass 5 MB.',
    access: ['events:read', 'webhooks:manage'],
    request: { params: EventParams, query: DeliveryPageQuery },
    success: { 200: { description: 'One page.', schema: DeliveryPageSchema, example: EXAMPLE_DELIVERY_PAGE } },
    errors: ['VALIDATION_ERROR', 'VALIDATION_ERROR.422', 'NOT_FOUND'],
  },
  async (c, { params, query }) => {
    const { store } = c.get('deps')
    const { workspaceId } = c.get('principal')
    const eventId = params.event_id
    const page = await deliveryPage(c, query, { eventId })
    if (page.deliveries.length === 0 && (await store.getEvent(workspaceId, eventId)) === undefined) {
      const { deliveries } = await store.listDeliveries({ workspaceId, eventId, limit: 1, maxBytes: 1 })
      if (deliveries.length === 0) throw eventNotFound(eventId)
    }
    return { status: 200, body: page }
  },
)
