import { deleteWebhook as remove } from '../../domain/webhooks.ts'
import { endpoint } from '../../endpoint.ts'
import { changedBy } from '../changed-by.ts'
import { WebhookParams } from './schemas.ts'

export const deleteWebhook = endpoint(
  {
    operationId: 'deleteWebhook',
    method: 'delete',
    path: '/v1/webhooks/{webhook_id}',
    tag: 'Webhooks',
    summary: 'Delete a webhook',
    description:
      'Removes a webhook for good. Its pending and held deliveries are cancelled. One that is gone already is 404. A body is ignored.',
    access: ['webhooks:manage'],
    request: { params: WebhookParams },
    success: { 204: { description: 'The webhook is gone.' } },
    errors: ['NOT_FOUND', 'VALIDATION_ERROR.422'],
  },
  async (c, { params }) => {
    await remove(c.get('deps'), changedBy(c), c.get('principal').workspaceId, params.webhook_id)
    return { status: 204 }
  },
)
