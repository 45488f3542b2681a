import { z } from '@hono/zod-openapi'
import { findApiKey, versionsOf } from '../../domain/api-keys.ts'
import { formatTime } from '../../domain/time.ts'
import { endpoint } from '../../endpoint.ts'
import { EXAMPLE_REQUEST_ID, EXAMPLE_TIME, formatOrNull, requestId, timeOrNull, timestamp } from '../schemas.ts'
import { KeyParams } from './schemas.ts'

const VersionSchema = z
  .object({
    version: z.number().int().openapi({ description: '1 for the first secret, one more for each rotation.', example: 2 }),
    status: z
      .enum(['active', 'rotating', 'expired'])
      .openapi({ description: '`active`: the newest; `rotating`: the former one, which still works; `expired`: it works no more.' }),
    created_at: timestamp('When the secret was made.'),
    rotated_at: timeOrNull('When the next one was made; null for the newest.'),
    expires_at: timeOrNull('When it stops, or stopped, to work; null: no end is set.'),
  })
  .openapi('ApiKeyVersion')

export const listApiKeyVersions = endpoint(
  {
    operationId: 'listApiKeyVersions',
    method: 'get',
    path: '/v1/api-keys/{key_id}/versions',
    tag: 'API keys',
    summary: "List an API key's versions",
    description: "Lists the key's secrets by their versions, newest first, up to the last hundred; never a secret itself.",
    access: ['keys:manage'],
    request: { params: KeyParams },
    success: {
      200: {
        description: 'The versions.',
        schema: z.object({ versions: z.array(VersionSchema), request_id: requestId }).openapi('ApiKeyVersions'),
        example: {
          versions: [{ version: 1, status: 'active', created_at: EXAMPLE_TIME, rotated_at: null, expires_at: null }],
          request_id: EXAMPLE_REQUEST_ID,
        },
      },
    },
    errors: ['NOT_FOUND', 'VALIDATION_ERROR.422'],
  },
  async (c, { params }) => {
    const deps = c.get('deps')
    const key = await findApiKey(deps, c.get('principal').workspaceId, params.key_id)
    const versions = versionsOf(key, deps.clock.nowUs()).map(({ version, status, createdAtUs, rotatedAtUs, expiresAtUs }) => ({
      version,
      status,
      created_at: formatTime(createdAtUs),
      rotated_at: formatOrNull(rotatedAtUs),
      expires_at: formatOrNull(expiresAtUs),
    }))
    return { status: 200, body: { versions } }
  },
)
