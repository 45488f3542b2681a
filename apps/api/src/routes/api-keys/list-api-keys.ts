import { z } from '@hono/zod-openapi'
import { endpoint } from '../../endpoint.ts'
import { EXAMPLE_PAGINATION, EXAMPLE_REQUEST_ID, pageCursor, pageParameters, pagination, requestId } from '../schemas.ts'
import { ApiKeySchema, EXAMPLE_API_KEY, presentApiKey } from './schemas.ts'

export const listApiKeys = endpoint(
  {
    operationId: 'listApiKeys',
    method: 'get',
    path: '/v1/api-keys',
    tag: 'API keys',
    summary: 'List the API keys',
    description: 'Lists the keys of the workspace, expired and revoked ones too, newest first; never a secret.',
    access: ['keys:manage'],
    request: { query: z.strictObject(pageParameters('keys')) },
    success: {
      200: {
        description: 'One page.',
        schema: z.object({ api_keys: z.array(ApiKeySchema), pagination, request_id: requestId }).openapi('ApiKeyPage'),
        example: { api_keys: [EXAMPLE_API_KEY], pagination: EXAMPLE_PAGINATION, request_id: EXAMPLE_REQUEST_ID },
      },
    },
    errors: ['VALIDATION_ERROR', 'VALIDATION_ERROR.422'],
  },
  async (c, { query }) => {
    const { store, config } = c.get('deps')
    const cursor = pageCursor(c, query, { call: 'api-keys', order: 'desc', filter: {} })
    const page = await store.listApiKeys({ workspaceId: c.get('principal').workspaceId, limit: query.limit, after: cursor.after })
    return {
      status: 200,
      body: {
        api_keys: page.apiKeys.map((key) => presentApiKey(key, config.rateLimitPerMinute)),
        pagination: cursor.paginationFor(page.next),
      },
    }
  },
)
