import { z } from '@hono/zod-openapi'
import { createWebhook as create } from '../../domain/webhooks.ts'
import { endpoint } from '../../endpoint.ts'
import { changedBy } from '../changed-by.ts'
import { requestId } from '../schemas.ts'
import { readNewWebhook, WebhookInputSchema } from './input-schemas.ts'
import { EXAMPLE_SINGLE_WEBHOOK, EXAMPLE_WEBHOOK_SECRET, presentWebhook, webhookFields, webhookSecret } from './schemas.ts'

export const createWebhook = endpoint(
  {
    operationId: 'createWebhook',
    method: 'post',
    path: '/v1/webhooks',
    tag: 'Webhooks',
    summary: 'Make a webhook',
    description:
      'Makes a webhook: every event of the workspace that is created from now on, and matches `events` and `filter`, is sent to `url`. Without a ' +
      '`secret` one is generated, and shown this once. An address that is private, or a name that resolves to one, is 400 unless the server allows it. ' +
      'A workspace has at most 1000 webhooks; one more is 409.',
    access: ['webhooks:manage'],
    request: {
      body: {
        schema: WebhookInputSchema,
        examples: {
          least: { summary: 'Everything, a generated secret', value: { url: 'https://example.com/hooks/triggers', events: ['*'] } },
          chosen: {
            summary: 'Some events, slowly, with a header of its own',
            value: {
              url: 'https://example.com/hooks/crm',
              events: ['user.*', 'order.paid'],
              secret: 'whsec_RVhBTVBMRS1leGFtcGxlLUVYQU1QTEUtZXhhbXBsZS0=',
              description: 'The CRM',
              filter: { source: ['shop'], payload: [{ path: '$.user.plan', op: 'in', value: ['pro', 'team'] }] },
              headers: { 'x-tenant': 'acme' },
              rate_limit: 50,
            },
          },
        },
      },
    },
    success: {
      201: {
        description: 'Made. A generated secret is not shown again.',
        schema: z.object({ ...webhookFields, secret: webhookSecret.optional(), request_id: requestId }).openapi('WebhookCreated'),
        example: { ...EXAMPLE_SINGLE_WEBHOOK, secret: EXAMPLE_WEBHOOK_SECRET },
      },
    },
    errors: ['VALIDATION_ERROR', 'VALIDATION_ERROR.415', 'VALIDATION_ERROR.422', 'CONFLICT'],
  },
  async (c, { body }) => {
    const { webhook, secret } = await create(c.get('deps'), changedBy(c), c.get('principal').workspaceId, readNewWebhook(body))
    return { status: 201, body: { ...presentWebhook(webhook), secret } }
  },
)
