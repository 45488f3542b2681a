/** The document's `webhooks` section: what the server asks of receivers. */
import type { OpenAPIHono, RouteConfig } from '@hono/zod-openapi'
import { EXAMPLE_EVENT } from './routes/events/schemas.ts'
import { DeliveredEventSchema, EXAMPLE_STANDARD_EVENT, OWN_EVENTS, SentHeadersSchema } from './routes/webhooks/sent-schemas.ts'

const RESPONSES = {
  '2XX': {
    description:
      'Delivered. Answer within 20 seconds, unless the server is set otherwise, and before the work is done if that takes longer.',
  },
  '410': { description: 'Gone: the webhook is switched off, and nothing more is sent.' },
  default: {
    description:
      'Failed: it is tried again as the profile in `retry` says, at most nine times, and not before `Retry-After` says (of at most an hour). ' +
      'Redirects are failures, too: they are not followed.',
  },
}

type Registry = OpenAPIHono['openAPIRegistry']

export function registerWebhooks(registry: Registry): void {
  registry.registerWebhook(
    sent({
      operationId: 'eventDelivery',
      summary: 'An event is delivered',
      description:
        'Sent for each event that a webhook matches, at least once, and perhaps in another order than they were created in. Verify the signature over ' +
        'the bytes as they came, before parsing them. The body is the event; with `payload_format: standard` it is in `data`.',
      schema: DeliveredEventSchema,
      examples: {
        event: { summary: 'payload_format: event', value: EXAMPLE_EVENT },
        standard: { summary: 'payload_format: standard', value: EXAMPLE_STANDARD_EVENT },
      },
    }),
  )
  for (const { name, type, summary, description, schema, example } of OWN_EVENTS) {
    registry.registerWebhook(
      sent({
        operationId: name,
        summary,
        description: `${description} Sent to webhooks with \`${type}\` or \`triggers.*\` among their \`events\`; it is in no list and no inbox.`,
        schema,
        examples: { event: { summary: 'payload_format: event', value: example } },
      }),
    )
  }
}

interface Sent {
  operationId: string
  summary: string
  description: string
  schema: typeof DeliveredEventSchema | (typeof OWN_EVENTS)[number]['schema']
  examples: Record<string, { summary: string; value: unknown }>
}

function sent({ operationId, summary, description, schema, examples }: Sent): RouteConfig {
  return {
    method: 'post',
    // The section's key; a receiver's path is its own.
    path: operationId,
    operationId,
    tags: ['Webhooks'],
    summary,
    description,
    security: [],
    request: { headers: SentHeadersSchema, body: { required: true, content: { 'application/json': { schema, examples } } } },
    responses: RESPONSES,
  }
}
