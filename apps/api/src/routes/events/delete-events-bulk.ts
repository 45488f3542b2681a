import { z } from '@hono/zod-openapi'
import { endpoint } from '../../endpoint.ts'
import { bulkAnswerOf, EVENT_IDS_EXAMPLES, EventIdsSchema, exampleBulkAnswer, indexField, splitIds } from './bulk.ts'
import { deletedFields, presentDeleted } from './delete-event.ts'
import { IdempotencyHeaders, refuseHeaderKey } from './idempotency-key.ts'
import { EXAMPLE_EVENT_ID } from './schemas.ts'

export const deleteEventsBulk = endpoint(
  {
    operationId: 'deleteEventsBulk',
    method: 'delete',
    path: '/v1/events/bulk',
    tag: 'Events',
    summary: 'Delete up to 25 events',
    description:
      'Removes the events. One that is not there counts as deleted; a malformed id fails alone. Counts once against the rate limit.',
    access: ['events:write', 'inbox:consume'],
    request: { headers: IdempotencyHeaders, body: { schema: EventIdsSchema, examples: EVENT_IDS_EXAMPLES } },
    success: {
      200: {
        description: 'What became of each id.',
        schema: bulkAnswerOf(z.object({ index: indexField, ...deletedFields })).openapi('EventsDeleted'),
        example: exampleBulkAnswer({ index: 0, event_id: EXAMPLE_EVENT_ID, message: 'Event deleted.' }),
      },
    },
    errors: ['VALIDATION_ERROR', 'VALIDATION_ERROR.415', 'VALIDATION_ERROR.422'],
  },
  async (c, { headers, body }) => {
    refuseHeaderKey(headers['idempotency-key'])
    const { ids, failed } = splitIds(body.event_ids)
    await c.get('deps').store.deleteEvents(
      c.get('principal').workspaceId,
      ids.map(({ id }) => id),
    )
    return { status: 200, body: { successful: ids.map(({ index, id }) => ({ index, ...presentDeleted(id) })), failed } }
  },
)
