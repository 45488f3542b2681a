import { updateApiKey as update } from '../../domain/api-keys.ts'
import { endpoint } from '../../endpoint.ts'
import { changedBy } from '../changed-by.ts'
import { ApiKeyChangesSchema, EXAMPLE_SINGLE_API_KEY, KeyParams, presentApiKey, readChanges, SingleApiKeySchema } from './schemas.ts'

export const updateApiKey = endpoint(
  {
    operationId: 'updateApiKey',
    method: 'patch',
    path: '/v1/api-keys/{key_id}',
    tag: 'API keys',
    summary: 'Change an API key',
    description:
      'Changes the fields that are given; the secret stays. A key as it was read can be sent back: its read-only fields are ignored, and the ' +
      'number of the default rate limit leaves it on the default. `null` takes back an end, or a rate limit of its own. The key as it will be can ' +
      'do at most what the caller can, as when a key is made, and had no scope before that the caller lacks; else 403. A revoked key is 409.',
    access: ['keys:manage'],
    request: {
      params: KeyParams,
      body: {
        schema: ApiKeyChangesSchema,
        examples: {
          addresses: { summary: 'Bind it to addresses', value: { allowed_ips: ['203.0.113.7', '2001:db8::/32'] } },
          unbound: { summary: 'No end, the default rate limit', value: { expires_at: null, rate_limit_per_minute: null } },
        },
      },
    },
    success: { 200: { description: 'The key as it is now.', schema: SingleApiKeySchema, example: EXAMPLE_SINGLE_API_KEY } },
    errors: ['VALIDATION_ERROR', 'VALIDATION_ERROR.415', 'VALIDATION_ERROR.422', 'NOT_FOUND', 'CONFLICT'],
  },
  async (c, { params, body }) => {
    const deps = c.get('deps')
    const key = await update(deps, changedBy(c), c.get('principal').workspaceId, params.key_id, readChanges(body))
    return { status: 200, body: presentApiKey(key, deps.config.rateLimitPerMinute) }
  },
)
