import { z } from '@hono/zod-openapi'
import { ackEvents } from '../../domain/inbox.ts'
import { endpoint } from '../../endpoint.ts'
import { ApiError } from '../../errors.ts'
import {
  bulkAnswerOf,
  EVENT_IDS_EXAMPLES,
  EventIdsSchema,
  exampleBulkAnswer,
  indexField,
  presentFailure,
  splitIds,
} from '../events/bulk.ts'
import { IdempotencyHeaders, refuseHeaderKey } from '../events/idempotency-key.ts'
import { acknowledgedFields, EXAMPLE_ACKNOWLEDGED, presentAcknowledged } from './ack-event.ts'

export const ackEventsBulk = endpoint(
  {
    operationId: 'ackEventsBulk',
    method: 'post',
    path: '/v1/events/bulk/ack',
    tag: 'Inbox',
    summary: 'Acknowledge up to 25 events',
    description:
      'Acknowledges the events. One that is malformed, not there or acknowledged already fails alone. Counts once against the rate limit.',
    access: ['inbox:consume'],
    request: { headers: IdempotencyHeaders, body: { schema: EventIdsSchema, examples: EVENT_IDS_EXAMPLES } },
    success: {
      200: {
        description: 'What became of each id.',
        schema: bulkAnswerOf(z.object({ index: indexField, ...acknowledgedFields })).openapi('EventsAcknowledged'),
        example: exampleBulkAnswer({ index: 0, ...EXAMPLE_ACKNOWLEDGED }),
      },
    },
    errors: ['VALIDATION_ERROR', 'VALIDATION_ERROR.415', 'VALIDATION_ERROR.422'],
  },
  async (c, { headers, body }) => {
    refuseHeaderKey(headers['idempotency-key'])
    const { ids, failed } = splitIds(body.event_ids)
    const results = await ackEvents(
      c.get('deps'),
      c.get('principal'),
      ids.map(({ id }) => id),
    )
    const successful = ids.flatMap(({ index, id }, place) => {
      const result = results[place]
      if (result === undefined) throw new Error('The store gave fewer results than it got ids.')
      if (!(result instanceof ApiError)) return [{ index, ...presentAcknowledged(id, result.acknowledgedAtUs) }]
      failed.push(presentFailure(index, result))
      return []
    })
    failed.sort((a, b) => a.index - b.index)
    return { status: 200, body: { successful, failed } }
  },
)
