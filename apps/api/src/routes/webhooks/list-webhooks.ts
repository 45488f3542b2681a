import { z } from '@hono/zod-openapi'
import { endpoint } from '../../endpoint.ts'
import { EXAMPLE_PAGINATION, EXAMPLE_REQUEST_ID, pageCursor, pageParameters, pagination, requestId } from '../schemas.ts'
import { EXAMPLE_WEBHOOK, presentWebhook, WebhookSchema } from './schemas.ts'

export const listWebhooks = endpoint(
  {
    operationId: 'listWebhooks',
    method: 'get',
    path: '/v1/webhooks',
    tag: 'Webhooks',
    summary: 'List the webhooks',
    description: 'Lists the webhooks of the workspace, newest first; never a secret.',
    access: ['webhooks:manage'],
    request: {
      query: z.strictObject({
        ...pageParameters('webhooks'),
        is_active: z
          .stringbool({ truthy: ['true'], falsy: ['false'], case: 'sensitive', error: 'must be true or false' })
          .optional()
          .openapi({ type: 'boolean', description: 'Only those that are active, or only those that are not.', example: true }),
      }),
    },
    success: {
      200: {
        description: 'One page.',
        schema: z.object({ webhooks: z.array(WebhookSchema), pagination, request_id: requestId }).openapi('WebhookPage'),
        example: { webhooks: [EXAMPLE_WEBHOOK], pagination: EXAMPLE_PAGINATION, request_id: EXAMPLE_REQUEST_ID },
      },
    },
    errors: ['VALIDATION_ERROR', 'VALIDATION_ERROR.422'],
  },
  async (c, { query }) => {
    const filter = { isActive: query.is_active }
    const cursor = pageCursor(c, query, { call: 'webhooks', order: 'desc', filter })
    const { workspaceId } = c.get('principal')
    const page = await c.get('deps').store.listWebhooks({ workspaceId, ...filter, limit: query.limit, after: cursor.after })
    return { status: 200, body: { webhooks: page.webhooks.map(presentWebhook), pagination: cursor.paginationFor(page.next) } }
  },
)
