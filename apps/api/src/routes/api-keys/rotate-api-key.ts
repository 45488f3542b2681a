import { z } from '@hono/zod-openapi'
import { rotateApiKey as rotate } from '../../domain/api-keys.ts'
import { formatTime } from '../../domain/time.ts'
import { endpoint } from '../../endpoint.ts'
import { changedBy } from '../changed-by.ts'
import { EXAMPLE_REQUEST_ID, requestId, timestamp } from '../schemas.ts'
import { EXAMPLE_KEY_ID, EXAMPLE_SECRET, KeyParams, keyId, secret } from './schemas.ts'

const DEFAULT_DAYS = 7
const MAX_DAYS = 90

const RotateQuery = z
  .strictObject({
    transition_days: z
      .string()
      .regex(/^(?:[1-9]|[1-8]\d|90)$/, `must be a whole number from 1 to ${MAX_DAYS}`)
      .transform(Number)
      .optional()
      .openapi({
        type: 'integer',
        minimum: 1,
        maximum: MAX_DAYS,
        default: DEFAULT_DAYS,
        description: 'How many days the former secret goes on working, unless the key expires before.',
      }),
    revoke_previous: z
      .stringbool({ truthy: ['true'], falsy: ['false'], case: 'sensitive', error: 'must be true or false' })
      .optional()
      .openapi({ type: 'boolean', default: false, description: 'Whether the former secret stops to work now, as after a leak.' }),
  })
  .refine(({ transition_days, revoke_previous }) => transition_days === undefined || revoke_previous !== true, {
    path: ['revoke_previous'],
    message: 'leaves no overlap for transition_days',
    params: { suggestion: 'Send one of the two.' },
  })

export const rotateApiKey = endpoint(
  {
    operationId: 'rotateApiKey',
    method: 'post',
    path: '/v1/api-keys/{key_id}/rotate',
    tag: 'API keys',
    summary: 'Rotate an API key',
    description:
      'Gives the key a new secret, shown this once. The former one works until `expires_at`, so that callers can change over without an ' +
      'interruption. At most two secrets work: a further rotation ends the oldest. A key that can do more than the caller is 403; a revoked or ' +
      'expired one is 409. A body is ignored.',
    access: ['keys:manage'],
    request: { params: KeyParams, query: RotateQuery },
    success: {
      200: {
        description: 'The new secret.',
        schema: z
          .object({
            key_id: keyId,
            api_key: secret,
            version: z.number().int().openapi({ description: "The new secret's version.", example: 2 }),
            previous_version: z.number().int().openapi({ description: "The former secret's version.", example: 1 }),
            rotated_at: timestamp('When the new secret was made.'),
            expires_at: timestamp('When the former secret stops to work.'),
            request_id: requestId,
          })
          .openapi('ApiKeyRotated'),
        example: {
          key_id: EXAMPLE_KEY_ID,
          api_key: EXAMPLE_SECRET,
          version: 2,
          previous_version: 1,
          rotated_at: '2025-11-21T08:00:00.123456Z',
          expires_at: '2025-11-28T08:00:00.123456Z',
          request_id: EXAMPLE_REQUEST_ID,
        },
      },
    },
    errors: ['VALIDATION_ERROR.422', 'NOT_FOUND', 'CONFLICT'],
  },
  async (c, { params, query }) => {
    const overlap = query.revoke_previous ? { revokePrevious: true as const } : { transitionDays: query.transition_days ?? DEFAULT_DAYS }
    const rotation = await rotate(c.get('deps'), changedBy(c), c.get('principal').workspaceId, params.key_id, overlap)
    return {
      status: 200,
      body: {
        key_id: params.key_id,
        api_key: rotation.secret,
        version: rotation.version,
        previous_version: rotation.previousVersion,
        rotated_at: formatTime(rotation.rotatedAtUs),
        expires_at: formatTime(rotation.expiresAtUs),
      },
    }
  },
)
