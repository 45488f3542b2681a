import { z } from '@hono/zod-openapi'
import { formatTime } from '../../domain/time.ts'
import { DISABLED_REASONS, PAYLOAD_FORMATS, RETRY_PROFILES, type StoredWebhook } from '../../webhook-ports.ts'
import { EXAMPLE_REQUEST_ID, EXAMPLE_TIME, formatOrNull, requestId, timeOrNull, timestamp, uuidOf } from '../schemas.ts'
import { filterOrNull } from './filter-schemas.ts'

export const EXAMPLE_WEBHOOK_ID = '019aa5b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b'
export const EXAMPLE_WEBHOOK_SECRET = 'whsec_RVhBTVBMRS1leGFtcGxlLUVYQU1QTEUtZXhhbXBsZS0='

export const webhookId = uuidOf("The webhook's id: a UUID of version 7, lower case.", EXAMPLE_WEBHOOK_ID)
export const WebhookParams = z.object({ webhook_id: webhookId })

export const webhookSecret = z.string().openapi({
  description: 'The secret that deliveries are signed with. It is shown this once.',
  example: EXAMPLE_WEBHOOK_SECRET,
})

export const DESCRIBED = {
  url: 'Where events are sent to.',
  events: 'Patterns of event types: `*` for all, `user.*` for all that begin so, or one type. `*` does not match `triggers.*`.',
  isActive: 'Whether it gets events. One that is switched off gets none; `false` → `true` begins anew.',
  description: 'What it is for, for people.',
  rateLimit: 'Deliveries a second at the most; null: without limit.',
  retry:
    'When a failed delivery is tried again. `standard`: after 5 s, 30 s, 2 min, 10 min, 1 h, 3 h, 6 h, 12 h, each ±20 %; `short`: after 1 s, 2 s, 4 s.',
  payloadFormat: 'What the body is. `event`: the event as it is read; `standard`: `{type, timestamp, data}`, where `data` is the event.',
}

export const webhookFields = {
  webhook_id: webhookId,
  url: z.string().openapi({ description: DESCRIBED.url, format: 'uri', example: 'https://example.com/hooks/triggers' }),
  events: z.array(z.string()).openapi({ description: DESCRIBED.events, example: ['user.*'] }),
  is_active: z.boolean().openapi({ description: DESCRIBED.isActive, example: true }),
  description: z.union([z.string(), z.null()]).openapi({ description: DESCRIBED.description, example: 'The CRM' }),
  filter: filterOrNull('What else an event must be like; null: nothing.'),
  header_names: z
    .array(z.string())
    .openapi({ description: 'The names of its own headers, in lower case. Their values are not read back.', example: ['x-tenant'] }),
  rate_limit: z.union([z.number().int(), z.null()]).openapi({ description: DESCRIBED.rateLimit, example: 50 }),
  retry: z.enum(RETRY_PROFILES).openapi({ description: DESCRIBED.retry, example: 'standard' }),
  payload_format: z.enum(PAYLOAD_FORMATS).openapi({ description: DESCRIBED.payloadFormat, example: 'event' }),
  created_at: timestamp('When it was made. It gets events that are created later.'),
  updated_at: timestamp('When it was last changed.'),
  disabled_at: timeOrNull('When it was switched off; null while it is active.'),
  disabled_reason: z.union([z.enum(DISABLED_REASONS), z.null()]).openapi({
    description:
      '`manual`: by its owner; `failing`: every attempt failed for five days; `gone`: its receiver answered 410. Null while it is active.',
    example: null,
  }),
}

export const WebhookSchema = z.object(webhookFields).openapi('Webhook')
export const SingleWebhookSchema = z.object({ ...webhookFields, request_id: requestId }).openapi('SingleWebhook')

export const EXAMPLE_WEBHOOK = {
  webhook_id: EXAMPLE_WEBHOOK_ID,
  url: 'https://example.com/hooks/triggers',
  events: ['user.*'],
  is_active: true,
  description: 'The CRM',
  filter: { source: ['shop'] },
  header_names: ['x-tenant'],
  rate_limit: 50,
  retry: 'standard',
  payload_format: 'event',
  created_at: EXAMPLE_TIME,
  updated_at: EXAMPLE_TIME,
  disabled_at: null,
  disabled_reason: null,
}
export const EXAMPLE_SINGLE_WEBHOOK = { ...EXAMPLE_WEBHOOK, request_id: EXAMPLE_REQUEST_ID }

/** A webhook as every call shows it. */
export function presentWebhook(webhook: StoredWebhook): z.input<typeof WebhookSchema> {
  return {
    webhook_id: webhook.webhookId,
    url: webhook.url,
    events: [...webhook.events],
    is_active: webhook.isActive,
    description: webhook.description,
    filter: presentFilter(webhook.filter),
    header_names: [...(webhook.headers?.names ?? [])],
    rate_limit: webhook.rateLimit,
    retry: webhook.retry,
    payload_format: webhook.payloadFormat,
    created_at: formatTime(webhook.createdAtUs),
    // Its place in the order of commits can be a little ahead of the clock.
    updated_at: formatTime(Math.max(webhook.updatedAtUs, webhook.createdAtUs)),
    disabled_at: formatOrNull(webhook.disabledAtUs),
    disabled_reason: webhook.disabledReason,
  }
}

/** Read-only lists are what the store gives; the schema's are of plain arrays, with the same content. */
function presentFilter(filter: StoredWebhook['filter']): z.input<typeof WebhookSchema>['filter'] {
  return filter as z.input<typeof WebhookSchema>['filter']
}
