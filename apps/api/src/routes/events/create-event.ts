import { z } from '@hono/zod-openapi'
import type { Ingested } from '../../domain/events.ts'
import { ingestEvents } from '../../domain/events.ts'
import { formatTime } from '../../domain/time.ts'
import { endpoint } from '../../endpoint.ts'
import { ApiError } from '../../errors.ts'
import { EXAMPLE_REQUEST_ID, EXAMPLE_TIME, requestId, timestamp } from '../schemas.ts'
import { IdempotencyHeaders, withHeaderKey } from './idempotency-key.ts'
import { EventInputSchema, EXAMPLE_EVENT_ID, EXAMPLE_INPUT, eventId } from './schemas.ts'

export const createdFields = {
  event_id: eventId,
  created_at: timestamp('When the event was stored.'),
  status: z.literal('pending'),
  message: z.string().openapi({ example: 'Event stored.' }),
}

/** What a stored event is answered with, alone or in bulk. */
export function presentCreated(event: Ingested) {
  return { event_id: event.eventId, created_at: formatTime(event.createdAtUs), status: 'pending', message: 'Event stored.' } as const
}

export const createEvent = endpoint(
  {
    operationId: 'createEvent',
    method: 'post',
    path: '/v1/events',
    tag: 'Events',
    summary: 'Create an event',
    description:
      'Stores an event; it is durable before the answer. With an idempotency key, in `metadata.idempotency_key` or the header ' +
      '`Idempotency-Key`, the same content within 24 hours makes no second event: the answer is that of the first, with the header ' +
      '`Idempotent-Replayed: true`. The same key with other content is 422.',
    access: ['events:write'],
    request: {
      headers: IdempotencyHeaders,
      body: {
        schema: EventInputSchema,
        examples: {
          full: { summary: 'With metadata', value: EXAMPLE_INPUT },
          least: { summary: 'The least', value: { source: 'my-app', event_type: 'user.created', payload: {} } },
        },
      },
    },
    success: {
      201: {
        description: 'Stored, or stored before under the same idempotency key.',
        schema: z.object({ ...createdFields, request_id: requestId }).openapi('EventCreated'),
        example: {
          event_id: EXAMPLE_EVENT_ID,
          created_at: EXAMPLE_TIME,
          status: 'pending',
          message: 'Event stored.',
          request_id: EXAMPLE_REQUEST_ID,
        },
      },
    },
    errors: ['VALIDATION_ERROR', 'VALIDATION_ERROR.415', 'VALIDATION_ERROR.422', 'IDEMPOTENCY_KEY_REUSED'],
  },
  async (c, { headers, body }) => {
    const [result] = await ingestEvents(c.get('deps'), c.get('principal'), [withHeaderKey(body, headers['idempotency-key'])])
    if (result === undefined) throw new Error('One event gave no result.')
    if (result instanceof ApiError) throw result
    return {
      status: 201,
      body: presentCreated(result),
      headers: result.outcome === 'replayed' ? { 'idempotent-replayed': 'true' } : undefined,
    }
  },
)
