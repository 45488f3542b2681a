/** What a webhook's receiver gets, for the document's `webhooks` section: nothing here is a call of the API. */
import { z } from '@hono/zod-openapi'
import type { OwnType } from '../../domain/own-events.ts'
import { DISABLED_REASONS, SEND_ERRORS } from '../../webhook-ports.ts'
import { EventSchema, EXAMPLE_EVENT, EXAMPLE_EVENT_ID, eventId } from '../events/schemas.ts'
import { EXAMPLE_TIME, timestamp } from '../schemas.ts'
import { EXAMPLE_WEBHOOK_ID, webhookId } from './schemas.ts'

const header = (description: string, example: string) => z.string().openapi({ description, example })

const EXAMPLE_DELIVERY_ID = '019aa5b3-d1e2-7c4b-9f6a-5d8e7c2b1a09'

export const SentHeadersSchema = z.object({
  'webhook-id': header(
    'The same for every attempt, retry and replay of an event: what was seen already can be passed over.',
    `msg_${EXAMPLE_EVENT_ID.replaceAll('-', '')}`,
  ),
  'webhook-timestamp': header(
    'When this attempt was made, in Unix seconds. Refuse one that is minutes away from your clock.',
    '1763712000',
  ),
  'webhook-signature': header(
    'Standard Webhooks: `v1,` and the base64 of HMAC-SHA256 over `{webhook-id}.{webhook-timestamp}.{body}`, by each valid secret, newest first, with ' +
      'a space between.',
    'v1,zm67fYRUbXxYdUD+KUWTjsFLx5JUIgpfck5q7J0TDSE=',
  ),
  'X-Webhook-Id': header("The webhook's id.", EXAMPLE_WEBHOOK_ID),
  'X-Webhook-Timestamp': header('The same time as `webhook-timestamp`, as ISO 8601.', '2025-11-21T08:00:00.000000Z'),
  'X-Webhook-Signature': header(
    'The hex of HMAC-SHA256 over the body alone, by one secret: while a rotation lasts, the former one.',
    'd41f5dd8e958cd7397f695df3e067132d221bb31655b90e960d9a5b70249fcfe',
  ),
})

/** With `payload_format: standard`. */
const StandardEventSchema = z
  .object({
    type: z.string().openapi({ description: "The event's type.", example: 'user.created' }),
    timestamp: timestamp('When the event was stored.'),
    data: EventSchema,
  })
  .openapi('StandardEvent')

export const DeliveredEventSchema = z.union([EventSchema, StandardEventSchema])
export const EXAMPLE_STANDARD_EVENT = { type: EXAMPLE_EVENT.event_type, timestamp: EXAMPLE_EVENT.created_at, data: EXAMPLE_EVENT }

const url = z
  .string()
  .openapi({ description: 'Where the webhook sends to, without its query.', example: 'https://example.com/hooks/triggers' })

interface Described<Payload extends z.ZodObject> {
  /** The operation's id. */
  name: string
  type: OwnType
  summary: string
  description: string
  payload: Payload
  example: z.input<Payload>
}

/**
 * One of our own events, in either format: an event, and what is particular about this one. Not `extend`: the document would not call what is
 * replaced required.
 */
function ownEvent<Payload extends z.ZodObject>(schemaName: string, { example, ...described }: Described<Payload>) {
  const { type, payload } = described
  const event = EventSchema.and(z.object({ source: z.literal('triggers'), event_type: z.literal(type), payload }))
  const schema = z
    .union([event, z.object({ type: z.literal(type), timestamp: timestamp('When the event was made.'), data: event })])
    .openapi(schemaName)
  const metadata = { priority: 'normal' }
  return { ...described, schema, example: { ...EXAMPLE_EVENT, source: 'triggers', event_type: type, payload: example, metadata } }
}

export const OWN_EVENTS = [
  ownEvent('WebhookDisabledEvent', {
    name: 'webhookDisabled',
    type: 'triggers.webhook.disabled',
    summary: 'A webhook was switched off',
    description: 'A webhook of the workspace was switched off, since every attempt failed for five days, or its receiver answered 410.',
    payload: z.object({
      webhook_id: webhookId,
      url,
      reason: z.enum(DISABLED_REASONS).openapi({ description: 'Why.', example: 'failing' }),
      disabled_at: timestamp('When.'),
      deliveries_held_until: timestamp('Until when the last of what is held can be replayed: as long as its events live.'),
    }),
    example: {
      webhook_id: EXAMPLE_WEBHOOK_ID,
      url: 'https://example.com/hooks/triggers',
      reason: 'failing',
      disabled_at: EXAMPLE_TIME,
      deliveries_held_until: '2025-11-28T08:00:00.123456Z',
    },
  }),
  ownEvent('WebhookRecoveredEvent', {
    name: 'webhookRecovered',
    type: 'triggers.webhook.recovered',
    summary: 'A webhook works again',
    description: 'A delivery succeeded, the first one after a delivery of that webhook died or the webhook was switched off.',
    payload: z.object({ webhook_id: webhookId, url, recovered_at: timestamp('When.') }),
    example: { webhook_id: EXAMPLE_WEBHOOK_ID, url: 'https://example.com/hooks/triggers', recovered_at: EXAMPLE_TIME },
  }),
  ownEvent('DeliveryDeadEvent', {
    name: 'deliveryDead',
    type: 'triggers.delivery.dead',
    summary: 'A delivery is dead',
    description: 'Every attempt at a delivery failed; it is not tried again unless it is retried by hand.',
    payload: z.object({
      delivery_id: z.string().openapi({ description: "The delivery's id.", format: 'uuid', example: EXAMPLE_DELIVERY_ID }),
      webhook_id: webhookId,
      event_id: eventId,
      event_type: z.string().openapi({ description: 'Of the event that was not delivered.', example: 'user.created' }),
      attempt_count: z.number().int().openapi({ description: 'How often it was tried.', example: 9 }),
      last_status_code: z
        .union([z.number().int(), z.null()])
        .openapi({ description: 'What the last attempt was answered with; null: not at all.', example: 503 }),
      last_error: z
        .union([z.enum(SEND_ERRORS), z.null()])
        .openapi({ description: 'Why it was not answered; null: it was.', example: null }),
    }),
    example: {
      delivery_id: EXAMPLE_DELIVERY_ID,
      webhook_id: EXAMPLE_WEBHOOK_ID,
      event_id: EXAMPLE_EVENT_ID,
      event_type: 'user.created',
      attempt_count: 9,
      last_status_code: 503,
      last_error: null,
    },
  }),
]
