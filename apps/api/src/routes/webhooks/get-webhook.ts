import { findWebhook } from '../../domain/webhooks.ts'
import { endpoint } from '../../endpoint.ts'
import { EXAMPLE_SINGLE_WEBHOOK, presentWebhook, SingleWebhookSchema, WebhookParams } from './schemas.ts'

export const getWebhook = endpoint(
  {
    operationId: 'getWebhook',
    method: 'get',
    path: '/v1/webhooks/{webhook_id}',
    tag: 'Webhooks',
    summary: 'Get a webhook',
    description: 'Gives one webhook of the workspace; never a secret, nor the values of its headers.',
    access: ['webhooks:manage'],
    request: { params: WebhookParams },
    success: { 200: { description: 'The webhook.', schema: SingleWebhookSchema, example: EXAMPLE_SINGLE_WEBHOOK } },
    errors: ['NOT_FOUND', 'VALIDATION_ERROR.422'],
  },
  async (c, { params }) => {
    const webhook = await findWebhook(c.get('deps'), c.get('principal').workspaceId, params.webhook_id)
    return { status: 200, body: presentWebhook(webhook) }
  },
)
