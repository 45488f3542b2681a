import { z } from '@hono/zod-openapi'
import { endpoint } from '../../endpoint.ts'
import { EventPageSchema, EXAMPLE_PAGE, eventPage, eventPageParameters } from '../events/page.ts'

export const listInbox = endpoint(
  {
    operationId: 'listInbox',
    method: 'get',
    path: '/v1/inbox',
    tag: 'Inbox',
    summary: 'List pending events',
    description:
      'Lists the events that wait to be acknowledged, oldest first, in the order in which they were committed: who follows the cursors misses none ' +
      'and sees none twice, while others write and acknowledge. Filters combine with AND. A page is full whenever that many events match; it ends ' +
      'early, with a cursor, only under a metadata filter or several filters after looking at 10,000 events, or when its body would pass 5 MB.',
    access: ['inbox:consume'],
    request: { query: z.strictObject(eventPageParameters) },
    success: { 200: { description: 'One page.', schema: EventPageSchema, example: EXAMPLE_PAGE } },
    errors: ['VALIDATION_ERROR', 'VALIDATION_ERROR.422'],
  },
  async (c, { query }) => ({ status: 200, body: await eventPage(c, 'inbox', { ...query, status: 'pending' }, 'asc') }),
)
