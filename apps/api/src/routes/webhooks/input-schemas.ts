/** What people send to make or change a webhook. */
import { z } from '@hono/zod-openapi'
import { isEventPattern } from '../../domain/event-pattern.ts'
import { RawJson, setMember } from '../../domain/json.ts'
import { isPlainText } from '../../domain/plain-text.ts'
import type { NewWebhook, WebhookChanges } from '../../domain/webhook-fields.ts'
import { headerProblem, MAX_HEADER_VALUE_CHARACTERS } from '../../domain/webhook-headers.ts'
import { PAYLOAD_FORMATS, RETRY_PROFILES } from '../../webhook-ports.ts'
import { hasAtMost, ignored } from '../schemas.ts'
import { filterOrNull } from './filter-schemas.ts'
import { DESCRIBED, EXAMPLE_WEBHOOK_SECRET } from './schemas.ts'

const MAX_URL_CHARACTERS = 2048
const MAX_PATTERNS = 50
const MIN_SECRET_CHARACTERS = 16
const MAX_SECRET_CHARACTERS = 256
const MAX_DESCRIPTION_CHARACTERS = 500
const MAX_HEADERS = 20
const MAX_RATE = 1000

/** As sent, but for the fragment, which no request has. */
const urlInput = z
  .string()
  .trim()
  .transform((text, ctx) => {
    const problem = urlProblem(text)
    if (problem !== undefined) ctx.addIssue({ code: 'custom', ...problem })
    return text.replace(/#.*$/s, '')
  })
  .openapi({
    type: 'string',
    format: 'uri',
    maxLength: MAX_URL_CHARACTERS,
    description:
      `${DESCRIBED.url} https, and a public address; the server can be told to take http and other addresses. Without a user name or password. ` +
      'A query is kept, and sent; it is shown wherever the webhook is.',
    example: 'https://example.com/hooks/triggers',
  })

const NOT_A_URL = { message: 'must be a URL, such as https://example.com/hook' }
const HAS_CREDENTIALS = {
  message: 'must not contain a user name or password',
  params: {
    suggestion: 'Leave them out: what lets deliveries in goes into `headers`, such as an `authorization`, which are stored encrypted.',
  },
}

/** What is wrong with its form; where it leads to is judged with the network's help. */
function urlProblem(text: string): { message: string; params?: { suggestion: string } } | undefined {
  if (!hasAtMost(MAX_URL_CHARACTERS)(text)) return { message: `must have at most ${MAX_URL_CHARACTERS} characters` }
  // The parser would drop line breaks, take `https:example.com`, and read a backslash as a slash, where others end the host elsewhere.
  if (!/^https?:\/\/[^/?#]/i.test(text) || !isPlainText(text) || /[ \\]/.test(text)) return NOT_A_URL
  if (/^[^/]*\/\/[^/?#]*@/.test(text)) return HAS_CREDENTIALS
  return URL.parse(text) === null ? NOT_A_URL : undefined
}

const eventsInput = z
  .array(z.string().trim().refine(isEventPattern, 'must be `*`, a beginning with `.*` such as `user.*`, or an event type'))
  .min(1, 'must have at least one pattern; `*` stands for every event')
  .max(MAX_PATTERNS, `must have at most ${MAX_PATTERNS} patterns`)
  .transform((patterns) => [...new Set(patterns)])
  .openapi({
    type: 'array',
    items: { type: 'string', minLength: 1, maxLength: 100 },
    minItems: 1,
    maxItems: MAX_PATTERNS,
    description: DESCRIBED.events,
    example: ['user.*', 'order.paid'],
  })

export const secretInput = z
  .string()
  .refine((text) => !hasAtMost(MIN_SECRET_CHARACTERS - 1)(text), `must have at least ${MIN_SECRET_CHARACTERS} characters`)
  .refine(hasAtMost(MAX_SECRET_CHARACTERS), `must have at most ${MAX_SECRET_CHARACTERS} characters`)
  .refine(isPlainText, 'must not contain control characters or half of a surrogate pair')
  .nullable()
  .openapi({
    type: ['string', 'null'],
    minLength: MIN_SECRET_CHARACTERS,
    maxLength: MAX_SECRET_CHARACTERS,
    writeOnly: true,
    description: 'The secret to sign deliveries with. It is not read back. Null is as if absent.',
    example: EXAMPLE_WEBHOOK_SECRET,
  })

const descriptionInput = z
  .string()
  .trim()
  .refine(hasAtMost(MAX_DESCRIPTION_CHARACTERS), `must have at most ${MAX_DESCRIPTION_CHARACTERS} characters`)
  .refine((text) => text.isWellFormed() && !text.includes('\0'), 'must not contain NUL or half of a surrogate pair')
  .nullable()
  .openapi({ type: ['string', 'null'], maxLength: MAX_DESCRIPTION_CHARACTERS, description: DESCRIBED.description, example: 'The CRM' })

/** Names in lower case. Made by hand: they are the user's, `__proto__` too. */
const headersInput = z
  .unknown()
  .transform((value, ctx) => {
    const headers: Record<string, string> = {}
    const report = (path: string[], message: string) => ctx.addIssue({ code: 'custom', path, message })
    if (value === null) return null
    if (typeof value !== 'object' || Array.isArray(value) || value instanceof RawJson) {
      report([], 'must be an object')
      return headers
    }
    const members = Object.entries(value ?? {})
    if (members.length > MAX_HEADERS) report([], `must have at most ${MAX_HEADERS} headers`)
    for (const [given, text] of members) {
      const name = given.toLowerCase()
      if (typeof text !== 'string') report([given], 'must be a string')
      else if (Object.hasOwn(headers, name)) report([given], 'stands more than once: names of headers have no case')
      else {
        const problem = headerProblem(name, text)
        if (problem === undefined) setMember(headers, name, text)
        else report([given], problem)
      }
    }
    return headers
  })
  .openapi({
    type: ['object', 'null'],
    additionalProperties: { type: 'string', maxLength: MAX_HEADER_VALUE_CHARACTERS },
    maxProperties: MAX_HEADERS,
    writeOnly: true,
    description:
      'Headers of your own that each delivery is sent with; all of them, in place of those before. They are stored encrypted, and not read back: ' +
      '`header_names` is. Not `host`, `content-*`, `webhook-*`, `x-webhook-*`, nor what belongs to a connection. Null: none.',
    example: { 'x-tenant': 'acme' },
  })

const rateLimitInput = z
  .number()
  .refine((rate) => Number.isInteger(rate) && rate >= 1 && rate <= MAX_RATE, `must be a whole number from 1 to ${MAX_RATE}`)
  .nullable()
  .openapi({ type: ['integer', 'null'], minimum: 1, maximum: MAX_RATE, description: DESCRIBED.rateLimit, example: 50 })

export const WebhookInputSchema = z
  .strictObject({
    url: urlInput,
    events: eventsInput,
    secret: secretInput.optional(),
    is_active: z.boolean().optional().openapi({ description: DESCRIBED.isActive, default: true }),
    description: descriptionInput.optional(),
    filter: filterOrNull('What else an event must be like; null: nothing.').optional(),
    headers: headersInput.optional(),
    rate_limit: rateLimitInput.optional(),
    retry: z.enum(RETRY_PROFILES).optional().openapi({ description: DESCRIBED.retry, default: 'standard' }),
    payload_format: z.enum(PAYLOAD_FORMATS).optional().openapi({ description: DESCRIBED.payloadFormat, default: 'event' }),
  })
  .openapi('WebhookInput')

export const WebhookChangesSchema = z
  .strictObject({
    url: urlInput.optional(),
    events: eventsInput.optional(),
    secret: secretInput.optional(),
    is_active: z.boolean().optional().openapi({ description: DESCRIBED.isActive }),
    description: descriptionInput.optional(),
    filter: filterOrNull('What else an event must be like; null: nothing.').optional(),
    headers: headersInput.optional(),
    rate_limit: rateLimitInput.optional(),
    retry: z.enum(RETRY_PROFILES).optional().openapi({ description: DESCRIBED.retry }),
    payload_format: z.enum(PAYLOAD_FORMATS).optional().openapi({ description: DESCRIBED.payloadFormat }),
    webhook_id: ignored('string'),
    header_names: ignored('array'),
    created_at: ignored('string'),
    updated_at: ignored('string'),
    disabled_at: ignored(['string', 'null']),
    disabled_reason: ignored(['string', 'null']),
    request_id: ignored('string'),
  })
  .openapi('WebhookChanges')

/** The body in the domain's words. */
export function readNewWebhook(body: z.output<typeof WebhookInputSchema>): NewWebhook {
  return { ...readWebhookChanges(body), url: body.url, events: body.events }
}

/** The body in the domain's words; what it does not have is undefined. */
export function readWebhookChanges(body: z.output<typeof WebhookChangesSchema>): WebhookChanges {
  return {
    url: body.url,
    events: body.events,
    secret: body.secret ?? undefined,
    isActive: body.is_active,
    description: body.description === '' ? null : body.description,
    filter: body.filter,
    headers: body.headers,
    rateLimit: body.rate_limit,
    retry: body.retry,
    payloadFormat: body.payload_format,
  }
}
