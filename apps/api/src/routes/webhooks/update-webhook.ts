import { updateWebhook as update } from '../../domain/webhooks.ts'
import { endpoint } from '../../endpoint.ts'
import { changedBy } from '../changed-by.ts'
import { readWebhookChanges, WebhookChangesSchema } from './input-schemas.ts'
import { EXAMPLE_SINGLE_WEBHOOK, presentWebhook, SingleWebhookSchema, WebhookParams } from './schemas.ts'

export const updateWebhook = endpoint(
  {
    operationId: 'updateWebhook',
    method: 'put',
    path: '/v1/webhooks/{webhook_id}',
    tag: 'Webhooks',
    summary: 'Change a webhook',
    description:
      'Changes the fields that are given. A webhook as it was read can be sent back: its read-only fields are ignored. A `secret` acts at once, without ' +
      'an overlap; to rotate is gentler. Deliveries that are under way are sent as the webhook is when each attempt begins. `is_active: false` holds its ' +
      'pending deliveries; those, and what was missed, are sent by a replay once it is active again.',
    access: ['webhooks:manage'],
    request: {
      params: WebhookParams,
      body: {
        schema: WebhookChangesSchema,
        examples: {
          off: { summary: 'Switch it off', value: { is_active: false } },
          narrower: { summary: 'Fewer events, no headers', value: { events: ['user.created'], headers: null } },
        },
      },
    },
    success: { 200: { description: 'The webhook as it is now.', schema: SingleWebhookSchema, example: EXAMPLE_SINGLE_WEBHOOK } },
    errors: ['VALIDATION_ERROR', 'VALIDATION_ERROR.415', 'VALIDATION_ERROR.422', 'NOT_FOUND'],
  },
  async (c, { params, body }) => {
    const { workspaceId } = c.get('principal')
    const webhook = await update(c.get('deps'), changedBy(c), workspaceId, params.webhook_id, readWebhookChanges(body))
    return { status: 200, body: presentWebhook(webhook) }
  },
)
