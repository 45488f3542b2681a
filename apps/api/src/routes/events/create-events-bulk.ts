import { z } from '@hono/zod-openapi'
import { type EventInput, ingestEvents } from '../../domain/events.ts'
import { endpoint } from '../../endpoint.ts'
import { ApiError, validationError } from '../../errors.ts'
import { problemsOf } from '../../request.ts'
import { EXAMPLE_TIME } from '../schemas.ts'
import { bulkAnswerOf, exampleBulkAnswer, type Failed, indexField, LIST_RULE, MAX_ITEMS, presentFailure } from './bulk.ts'
import { createdFields, presentCreated } from './create-event.ts'
import { IdempotencyHeaders, refuseHeaderKey } from './idempotency-key.ts'
import { EventInputSchema, EXAMPLE_EVENT_ID, EXAMPLE_INPUT } from './schemas.ts'

/** The body's limit: Lambda passes on little more. */
const MAX_BULK_BODY_BYTES = 5_242_880

export const createEventsBulk = endpoint(
  {
    operationId: 'createEventsBulk',
    method: 'post',
    path: '/v1/events/bulk',
    tag: 'Events',
    summary: 'Create up to 25 events',
    description:
      'Stores the items, in one commit with the embedded store; ids and times rise with the index. An item that is not valid fails alone, in `failed`, with 201 even ' +
      'if all of them do. Idempotency keys go into the items. The request counts once against the rate limit.',
    access: ['events:write'],
    maxBodyBytes: MAX_BULK_BODY_BYTES,
    request: {
      headers: IdempotencyHeaders,
      body: {
        schema: z
          .strictObject({
            // Each item is judged on its own.
            items: z
              .array(z.unknown())
              .min(1, LIST_RULE)
              .max(MAX_ITEMS, LIST_RULE)
              .openapi({ type: 'array', items: { $ref: '#/components/schemas/EventInput' }, minItems: 1, maxItems: MAX_ITEMS }),
          })
          .openapi('EventsInput'),
        examples: { one: { summary: 'One item', value: { items: [EXAMPLE_INPUT] } } },
      },
    },
    success: {
      201: {
        description: 'What became of each item.',
        schema: bulkAnswerOf(z.object({ index: indexField, ...createdFields })).openapi('EventsCreated'),
        example: exampleBulkAnswer({
          index: 0,
          event_id: EXAMPLE_EVENT_ID,
          created_at: EXAMPLE_TIME,
          status: 'pending',
          message: 'Event stored.',
        }),
      },
    },
    errors: ['VALIDATION_ERROR', 'VALIDATION_ERROR.415', 'VALIDATION_ERROR.422'],
  },
  async (c, { headers, body }) => {
    refuseHeaderKey(headers['idempotency-key'])
    const failed: Failed[] = []
    const valid: { index: number; event: EventInput }[] = []
    body.items.forEach((item, index) => {
      const parsed = EventInputSchema.safeParse(item)
      if (parsed.success) valid.push({ index, event: parsed.data })
      else failed.push(presentFailure(index, validationError(problemsOf(parsed.error.issues, item))))
    })
    const results = await ingestEvents(
      c.get('deps'),
      c.get('principal'),
      valid.map(({ event }) => event),
    )
    const successful = results.flatMap((result, place) => {
      const index = valid[place]?.index ?? place
      if (!(result instanceof ApiError)) return [{ index, ...presentCreated(result) }]
      failed.push(presentFailure(index, result))
      return []
    })
    failed.sort((a, b) => a.index - b.index)
    return { status: 201, body: { successful, failed } }
  },
)
