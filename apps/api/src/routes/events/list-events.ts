import { z } from '@hono/zod-openapi'
import { endpoint } from '../../endpoint.ts'
import { EVENT_STATUSES } from '../../ports.ts'
import { EventPageSchema, EXAMPLE_PAGE, eventPage, eventPageParameters } from './page.ts'

export const listEvents = endpoint(
  {
    operationId: 'listEvents',
    method: 'get',
    path: '/v1/events',
    tag: 'Events',
    summary: 'List events',
    description:
      'Lists all events of the workspace, pending and acknowledged, newest first unless `order=asc`. Filters combine with AND. A page is full ' +
      'whenever that many events match; it ends early, with a cursor, only under a metadata filter or several filters after looking at 10,000 ' +
      'events, or when its body would pass 5 MB.',
    access: ['events:read'],
    request: {
      query: z.strictObject({
        ...eventPageParameters,
        status: z.enum(EVENT_STATUSES).optional().openapi({ description: 'Only events of this status.' }),
        order: z.enum(['asc', 'desc']).default('desc').openapi({ description: '`desc`: newest first.' }),
      }),
    },
    success: { 200: { description: 'One page.', schema: EventPageSchema, example: EXAMPLE_PAGE } },
    errors: ['VALIDATION_ERROR', 'VALIDATION_ERROR.422'],
  },
  async (c, { query }) => ({ status: 200, body: await eventPage(c, 'events', query, query.order) }),
)
