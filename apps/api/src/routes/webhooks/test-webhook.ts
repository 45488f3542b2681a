import { z } from '@hono/zod-openapi'
import { testWebhook as test } from '../../domain/test-webhook.ts'
import { endpoint } from '../../endpoint.ts'
import { EXAMPLE_REQUEST_ID, requestId } from '../schemas.ts'
import { EXAMPLE_WEBHOOK_ID, WebhookParams, webhookId } from './schemas.ts'

export const testWebhook = endpoint(
  {
    operationId: 'testWebhook',
    method: 'post',
    path: '/v1/webhooks/{webhook_id}/test',
    tag: 'Webhooks',
    summary: 'Send a test event',
    description:
      'Sends an event of source `test` and type `webhook.test`, signed as any other, at once and one time, to a webhook that is not active, too. The ' +
      'event is in no list and no inbox, and there is no delivery of it. The answer is 200 whatever the receiver does. A body is ignored.',
    access: ['webhooks:manage'],
    request: { params: WebhookParams },
    success: {
      200: {
        description: 'What came of it.',
        schema: z
          .object({
            webhook_id: webhookId,
            status: z
              .enum(['success', 'failed'])
              .openapi({ description: '`success`: the receiver answered with 2xx.', example: 'success' }),
            status_code: z.union([z.number().int(), z.null()]).openapi({ description: 'Of its answer; null without one.', example: 200 }),
            response_body: z
              .union([z.string(), z.null()])
              .openapi({ description: 'The first 4 kB of its answer; null without one.', example: '' }),
            message: z.string().openapi({ description: 'What happened, for people.', example: 'The receiver answered 200.' }),
            request_id: requestId,
          })
          .openapi('WebhookTested'),
        example: {
          webhook_id: EXAMPLE_WEBHOOK_ID,
          status: 'success',
          status_code: 200,
          response_body: '',
          message: 'The receiver answered 200.',
          request_id: EXAMPLE_REQUEST_ID,
        },
      },
    },
    errors: ['NOT_FOUND', 'VALIDATION_ERROR.422'],
  },
  async (c, { params }) => {
    const result = await test(c.get('deps'), c.get('principal').workspaceId, params.webhook_id)
    return {
      status: 200,
      body: {
        webhook_id: params.webhook_id,
        status: result.isSuccess ? 'success' : 'failed',
        status_code: result.statusCode,
        response_body: result.responseBody,
        message: result.message,
      },
    }
  },
)
