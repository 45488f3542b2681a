import { z } from '@hono/zod-openapi'
import { formatTime } from '../../domain/time.ts'
import { rotateWebhookSecret as rotate } from '../../domain/webhooks.ts'
import { endpoint } from '../../endpoint.ts'
import { changedBy } from '../changed-by.ts'
import { EXAMPLE_REQUEST_ID, requestId, timestamp } from '../schemas.ts'
import { secretInput } from './input-schemas.ts'
import { EXAMPLE_WEBHOOK_ID, EXAMPLE_WEBHOOK_SECRET, WebhookParams, webhookId, webhookSecret } from './schemas.ts'

const MAX_DAYS = 90

export const rotateWebhookSecret = endpoint(
  {
    operationId: 'rotateWebhookSecret',
    method: 'post',
    path: '/v1/webhooks/{webhook_id}/rotate-secret',
    tag: 'Webhooks',
    summary: "Rotate a webhook's secret",
    description:
      'Gives the webhook a new secret: the one in the body, or a generated one. The former one goes on working until `previous_expires_at`; meanwhile ' +
      '`webhook-signature` has a signature by each, the new one first, and `X-Webhook-Signature` stays the former one’s. At most two secrets work: a ' +
      'further rotation ends the oldest. The body may be left out.',
    access: ['webhooks:manage'],
    request: {
      params: WebhookParams,
      query: z.strictObject({
        transition_days: z
          .string()
          .regex(/^(?:\d|[1-8]\d|90)$/, `must be a whole number from 0 to ${MAX_DAYS}`)
          .default('1')
          .transform(Number)
          .openapi({
            type: 'integer',
            minimum: 0,
            maximum: MAX_DAYS,
            default: 1,
            description: 'How many days the former secret goes on working; 0: it ends now.',
          }),
      }),
      body: {
        isOptional: true,
        schema: z.strictObject({ secret: secretInput.optional() }).openapi('WebhookSecretInput'),
        examples: {
          chosen: { summary: 'A secret of your own', value: { secret: EXAMPLE_WEBHOOK_SECRET } },
          generated: { summary: 'A generated secret', value: {} },
        },
      },
    },
    success: {
      200: {
        description: 'The new secret.',
        schema: z
          .object({
            webhook_id: webhookId,
            secret: webhookSecret,
            rotated_at: timestamp('When the new secret was made.'),
            previous_expires_at: timestamp('When the former secret stops to work.'),
            request_id: requestId,
          })
          .openapi('WebhookSecretRotated'),
        example: {
          webhook_id: EXAMPLE_WEBHOOK_ID,
          secret: EXAMPLE_WEBHOOK_SECRET,
          rotated_at: '2025-11-21T08:00:00.123456Z',
          previous_expires_at: '2025-11-22T08:00:00.123456Z',
          request_id: EXAMPLE_REQUEST_ID,
        },
      },
    },
    errors: ['VALIDATION_ERROR', 'VALIDATION_ERROR.415', 'VALIDATION_ERROR.422', 'NOT_FOUND'],
  },
  async (c, { params, query, body }) => {
    const rotation = await rotate(c.get('deps'), changedBy(c), c.get('principal').workspaceId, params.webhook_id, {
      secret: body?.secret ?? undefined,
      transitionDays: query.transition_days,
    })
    return {
      status: 200,
      body: {
        webhook_id: params.webhook_id,
        secret: rotation.secret,
        rotated_at: formatTime(rotation.rotatedAtUs),
        previous_expires_at: formatTime(rotation.previousExpiresAtUs),
      },
    }
  },
)
