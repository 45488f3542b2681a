import { z } from '@hono/zod-openapi'
import { ackEvents } from '../../domain/inbox.ts'
import { formatTime } from '../../domain/time.ts'
import { endpoint } from '../../endpoint.ts'
import { ApiError } from '../../errors.ts'
import { EventParams, EXAMPLE_EVENT_ID, eventId } from '../events/schemas.ts'
import { EXAMPLE_REQUEST_ID, EXAMPLE_TIME, requestId, timestamp } from '../schemas.ts'

export const acknowledgedFields = {
  event_id: eventId,
  status: z.literal('acknowledged'),
  acknowledged_at: timestamp('When it was acknowledged.'),
  message: z.string().openapi({ example: 'Event acknowledged.' }),
}

/** What an acknowledged event is answered with, alone or in bulk. */
export function presentAcknowledged(id: string, acknowledgedAtUs: number) {
  return { event_id: id, status: 'acknowledged', acknowledged_at: formatTime(acknowledgedAtUs), message: 'Event acknowledged.' } as const
}

export const EXAMPLE_ACKNOWLEDGED = {
  event_id: EXAMPLE_EVENT_ID,
  status: 'acknowledged',
  acknowledged_at: EXAMPLE_TIME,
  message: 'Event acknowledged.',
}

export const ackEvent = endpoint(
  {
    operationId: 'ackEvent',
    method: 'post',
    path: '/v1/events/{event_id}/ack',
    tag: 'Inbox',
    summary: 'Acknowledge an event',
    description: 'Takes an event out of the inbox; it stays readable. Acknowledging it again is 409. A body is ignored.',
    access: ['inbox:consume'],
    request: { params: EventParams },
    success: {
      200: {
        description: 'Acknowledged.',
        schema: z.object({ ...acknowledgedFields, request_id: requestId }).openapi('EventAcknowledged'),
        example: { ...EXAMPLE_ACKNOWLEDGED, request_id: EXAMPLE_REQUEST_ID },
      },
    },
    errors: ['NOT_FOUND', 'CONFLICT', 'VALIDATION_ERROR.422'],
  },
  async (c, { params }) => {
    const [result] = await ackEvents(c.get('deps'), c.get('principal'), [params.event_id])
    if (result === undefined) throw new Error('One ack gave no result.')
    if (result instanceof ApiError) throw result
    return { status: 200, body: presentAcknowledged(params.event_id, result.acknowledgedAtUs) }
  },
)
