import { z } from '@hono/zod-openapi'
import { traceEvent as trace } from '../../domain/trace-event.ts'
import { endpoint } from '../../endpoint.ts'
import { DeliverySchema, EXAMPLE_DELIVERY, presentDelivery } from '../deliveries/schemas.ts'
import { EXAMPLE_REQUEST_ID, requestId } from '../schemas.ts'
import { EXAMPLE_WEBHOOK_ID, webhookId } from '../webhooks/schemas.ts'
import { EventParams, EXAMPLE_EVENT_ID, eventId } from './schemas.ts'

const TracedWebhookSchema = z
  .object({
    webhook_id: webhookId,
    matched: z.boolean().openapi({ description: 'Whether the event goes to it.', example: true }),
    reason: z.enum(['matched', 'event_type', 'filter', 'inactive', 'created_later']).openapi({
      description:
        '`event_type`: no pattern of `events` matches; `filter`: its filter does not; `inactive`: it is not active; `created_later`: it was made after the event.',
      example: 'matched',
    }),
    detail: z.string().openapi({ description: 'The same for people.', example: 'its delivery is delivered' }),
    deliveries: z.array(DeliverySchema).openapi({ description: 'Newest first.' }),
  })
  .openapi('TracedWebhook')

export const traceEvent = endpoint(
  {
    operationId: 'traceEvent',
    method: 'get',
    path: '/v1/events/{event_id}/trace',
    tag: 'Events',
    summary: 'Trace an event',
    description:
      'Tells of every webhook of the workspace, newest first, whether the event went to it, or why not, with all attempts. A webhook without a delivery of ' +
      'it is judged as it is now. Where all answers together would pass 5 MB, the older ones’ `response_body` is left empty; each delivery alone has it.',
    access: ['events:read'],
    request: { params: EventParams },
    success: {
      200: {
        description: 'Every webhook.',
        schema: z.object({ event_id: eventId, webhooks: z.array(TracedWebhookSchema), request_id: requestId }).openapi('EventTrace'),
        example: {
          event_id: EXAMPLE_EVENT_ID,
          webhooks: [
            {
              webhook_id: EXAMPLE_WEBHOOK_ID,
              matched: true,
              reason: 'matched',
              detail: 'its delivery is delivered',
              deliveries: [EXAMPLE_DELIVERY],
            },
            {
              webhook_id: '019aa5b5-f3a4-7e6d-9b8c-7fa09e4d3c2b',
              matched: false,
              reason: 'event_type',
              detail: 'event_type is user.created, the webhook wants order.*',
              deliveries: [],
            },
          ],
          request_id: EXAMPLE_REQUEST_ID,
        },
      },
    },
    errors: ['NOT_FOUND', 'VALIDATION_ERROR.422'],
  },
  async (c, { params }) => {
    const webhooks = await trace(c.get('deps'), c.get('principal').workspaceId, params.event_id)
    return {
      status: 200,
      body: {
        event_id: params.event_id,
        webhooks: webhooks.map(({ webhookId, reason, detail, deliveries }) => ({
          webhook_id: webhookId,
          matched: reason === 'matched',
          reason,
          detail,
          deliveries: deliveries.map(presentDelivery),
        })),
      },
    }
  },
)
