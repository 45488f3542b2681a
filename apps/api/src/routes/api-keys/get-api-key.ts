import { findApiKey } from '../../domain/api-keys.ts'
import { endpoint } from '../../endpoint.ts'
import { EXAMPLE_SINGLE_API_KEY, KeyParams, presentApiKey, SingleApiKeySchema } from './schemas.ts'

export const getApiKey = endpoint(
  {
    operationId: 'getApiKey',
    method: 'get',
    path: '/v1/api-keys/{key_id}',
    tag: 'API keys',
    summary: 'Get an API key',
    description: 'Gives one key of the workspace, an expired or revoked one too; never a secret.',
    access: ['keys:manage'],
    request: { params: KeyParams },
    success: { 200: { description: 'The key.', schema: SingleApiKeySchema, example: EXAMPLE_SINGLE_API_KEY } },
    errors: ['NOT_FOUND', 'VALIDATION_ERROR.422'],
  },
  async (c, { params }) => {
    const deps = c.get('deps')
    const key = await findApiKey(deps, c.get('principal').workspaceId, params.key_id)
    return { status: 200, body: presentApiKey(key, deps.config.rateLimitPerMinute) }
  },
)
