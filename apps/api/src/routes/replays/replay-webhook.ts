import { z } from '@hono/zod-openapi'
import { countMatches, startReplay } from '../../domain/replays.ts'
import { endpoint } from '../../endpoint.ts'
import { changedBy } from '../changed-by.ts'
import { EXAMPLE_REQUEST_ID, requestId } from '../schemas.ts'
import { WebhookParams } from '../webhooks/schemas.ts'
import { EXAMPLE_SINGLE_REPLAY, presentReplay, ReplayInputSchema, readReplay, SingleReplaySchema } from './schemas.ts'

export const replayWebhook = endpoint(
  {
    operationId: 'replayWebhook',
    method: 'post',
    path: '/v1/webhooks/{webhook_id}/replay',
    tag: 'Replays',
    summary: 'Replay events to a webhook',
    description:
      'Sends the events of a span of time again that match the webhook as it is now: what it missed while it was not active, what is dead or held, or ' +
      'everything; events from before the webhook was made, too. Each has its first `webhook-id`. It runs in the background at its own rate, beside what ' +
      'happens now. `dry_run` counts the events, which takes as long as reading all of the span, and stops when the caller hangs up; of a ' +
      'webhook that is not active, too, which is 409 otherwise.',
    access: ['webhooks:manage'],
    request: {
      params: WebhookParams,
      body: {
        schema: ReplayInputSchema,
        examples: {
          missed: { summary: 'What was not delivered', value: { since: '2025-11-20T00:00:00Z', status: 'undelivered' } },
          count: {
            summary: 'How many would it be?',
            value: { since: '2025-11-20T00:00:00Z', until: '2025-11-21T00:00:00Z', filter: { source: ['shop'] }, dry_run: true },
          },
        },
      },
    },
    success: {
      202: { description: 'It runs.', schema: SingleReplaySchema, example: EXAMPLE_SINGLE_REPLAY },
      200: {
        description: 'Counted; nothing is sent.',
        schema: z
          .object({
            matched: z.number().int().openapi({ description: 'How many events a replay would send now.', example: 1204 }),
            request_id: requestId,
          })
          .openapi('ReplayCounted'),
        example: { matched: 1204, request_id: EXAMPLE_REQUEST_ID },
      },
    },
    errors: ['VALIDATION_ERROR', 'VALIDATION_ERROR.415', 'VALIDATION_ERROR.422', 'NOT_FOUND', 'CONFLICT'],
  },
  async (c, { params, body }) => {
    const deps = c.get('deps')
    const { workspaceId } = c.get('principal')
    const input = readReplay(body)
    if (body.dry_run) {
      return { status: 200, body: { matched: await countMatches(deps, workspaceId, params.webhook_id, input, c.req.raw.signal) } }
    }
    const replay = await startReplay(deps, changedBy(c), workspaceId, params.webhook_id, input)
    return { status: 202, body: presentReplay(replay) }
  },
)
