import { z } from '@hono/zod-openapi'
import { replaceSigningSecret } from '../../domain/api-keys.ts'
import { endpoint } from '../../endpoint.ts'
import { changedBy } from '../changed-by.ts'
import { EXAMPLE_REQUEST_ID, formatOrNull, requestId, timeOrNull } from '../schemas.ts'
import { EXAMPLE_KEY_ID, EXAMPLE_SIGNING_SECRET, KeyParams, keyId, signingSecret } from './schemas.ts'

const MAX_DAYS = 90

export const createSigningSecret = endpoint(
  {
    operationId: 'createSigningSecret',
    method: 'post',
    path: '/v1/api-keys/{key_id}/signing-secret',
    tag: 'API keys',
    summary: 'Make or replace a signing secret',
    description:
      "Makes the key's signing secret, or replaces it, and shows it this once. The former one ends now, or works for `transition_days` more; at most " +
      'two work. A key that can do more than the caller is 403; a revoked one is 409. A body is ignored.',
    access: ['keys:manage'],
    request: {
      params: KeyParams,
      query: z.strictObject({
        transition_days: z
          .string()
          .regex(/^(?:\d|[1-8]\d|90)$/, `must be a whole number from 0 to ${MAX_DAYS}`)
          .default('0')
          .transform(Number)
          .openapi({
            type: 'integer',
            minimum: 0,
            maximum: MAX_DAYS,
            default: 0,
            description: 'How many days the former signing secret goes on working, unless the key expires before; 0: it ends now.',
          }),
      }),
    },
    success: {
      200: {
        description: 'The new signing secret.',
        schema: z
          .object({
            key_id: keyId,
            signing_secret: signingSecret,
            previous_expires_at: timeOrNull('When the former one stops to work; null: there was none.'),
            request_id: requestId,
          })
          .openapi('SigningSecretCreated'),
        example: {
          key_id: EXAMPLE_KEY_ID,
          signing_secret: EXAMPLE_SIGNING_SECRET,
          previous_expires_at: null,
          request_id: EXAMPLE_REQUEST_ID,
        },
      },
    },
    errors: ['VALIDATION_ERROR.422', 'NOT_FOUND', 'CONFLICT'],
  },
  async (c, { params, query }) => {
    const { workspaceId } = c.get('principal')
    const made = await replaceSigningSecret(c.get('deps'), changedBy(c), workspaceId, params.key_id, query.transition_days)
    return {
      status: 200,
      body: {
        key_id: params.key_id,
        signing_secret: made.signingSecret,
        previous_expires_at: formatOrNull(made.previousExpiresAtUs),
      },
    }
  },
)
