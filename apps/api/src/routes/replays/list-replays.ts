import { z } from '@hono/zod-openapi'
import { findWebhook } from '../../domain/webhooks.ts'
import { endpoint } from '../../endpoint.ts'
import { EXAMPLE_PAGINATION, EXAMPLE_REQUEST_ID, pageCursor, pageParameters, pagination, requestId } from '../schemas.ts'
import { WebhookParams } from '../webhooks/schemas.ts'
import { EXAMPLE_REPLAY, presentReplay, ReplaySchema } from './schemas.ts'

export const listReplays = endpoint(
  {
    operationId: 'listReplays',
    method: 'get',
    path: '/v1/webhooks/{webhook_id}/replays',
    tag: 'Replays',
    summary: "List a webhook's replays",
    description: "Lists the webhook's replays, those that have ended too, newest first.",
    access: ['webhooks:manage'],
    request: { params: WebhookParams, query: z.strictObject(pageParameters('replays')) },
    success: {
      200: {
        description: 'One page.',
        schema: z.object({ replays: z.array(ReplaySchema), pagination, request_id: requestId }).openapi('ReplayPage'),
        example: { replays: [EXAMPLE_REPLAY], pagination: EXAMPLE_PAGINATION, request_id: EXAMPLE_REQUEST_ID },
      },
    },
    errors: ['VALIDATION_ERROR', 'VALIDATION_ERROR.422', 'NOT_FOUND'],
  },
  async (c, { params, query }) => {
    const deps = c.get('deps')
    const { webhookId } = await findWebhook(deps, c.get('principal').workspaceId, params.webhook_id)
    const cursor = pageCursor(c, query, { call: 'replays', order: 'desc', filter: { webhookId } })
    const page = await deps.store.listReplays({ webhookId, limit: query.limit, after: cursor.after })
    return { status: 200, body: { replays: page.replays.map(presentReplay), pagination: cursor.paginationFor(page.next) } }
  },
)
