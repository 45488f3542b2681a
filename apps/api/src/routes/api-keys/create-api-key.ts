import { z } from '@hono/zod-openapi'
import { createApiKey as create } from '../../domain/api-keys.ts'
import { endpoint } from '../../endpoint.ts'
import { changedBy } from '../changed-by.ts'
import { requestId } from '../schemas.ts'
import {
  ApiKeyInputSchema,
  apiKeyFields,
  EXAMPLE_SECRET,
  EXAMPLE_SINGLE_API_KEY,
  presentApiKey,
  readNewApiKey,
  secret,
  signingSecret,
} from './schemas.ts'

export const createApiKey = endpoint(
  {
    operationId: 'createApiKey',
    method: 'post',
    path: '/v1/api-keys',
    tag: 'API keys',
    summary: 'Make an API key',
    description:
      'Makes a key of the workspace, and shows its secret this once; with `require_signature` also a signing secret. The key can do at most what ' +
      'the caller can: it has no scope that the caller lacks, and where the caller is bound by `allowed_ips`, `require_signature`, `expires_at` or ' +
      'a rate limit, the key is bound as tightly or tighter; what is left out counts as unbound. Else 403.',
    access: ['keys:manage'],
    request: {
      body: {
        schema: ApiKeyInputSchema,
        examples: {
          least: { summary: 'The least', value: { name: 'Checkout service', scopes: ['events:write'] } },
          bound: {
            summary: 'Bound to addresses, signed, for a year',
            value: {
              name: 'Warehouse',
              scopes: ['events:read', 'inbox:consume'],
              rate_limit_per_minute: 600,
              allowed_ips: ['203.0.113.0/24', '2001:db8::/32'],
              require_signature: true,
              expires_at: '2026-11-21T08:00:00Z',
            },
          },
        },
      },
    },
    success: {
      201: {
        description: 'Made. The secrets are not shown again.',
        schema: z
          .object({ ...apiKeyFields, api_key: secret, signing_secret: signingSecret.optional(), request_id: requestId })
          .openapi('ApiKeyCreated'),
        example: { ...EXAMPLE_SINGLE_API_KEY, api_key: EXAMPLE_SECRET },
      },
    },
    errors: ['VALIDATION_ERROR', 'VALIDATION_ERROR.415', 'VALIDATION_ERROR.422'],
  },
  async (c, { body }) => {
    const deps = c.get('deps')
    const created = await create(deps, changedBy(c), c.get('principal').workspaceId, readNewApiKey(body))
    return {
      status: 201,
      body: {
        ...presentApiKey(created.apiKey, deps.config.rateLimitPerMinute),
        api_key: created.secret,
        signing_secret: created.signingSecret,
      },
    }
  },
)
