import { z } from '@hono/zod-openapi'
import { isOwnType } from '../../domain/event-pattern.ts'
import { MAX_PAYLOAD_BYTES, MAX_PAYLOAD_DEPTH, type Metadata } from '../../domain/events.ts'
import { RawJson, setMember } from '../../domain/json.ts'
import { EVENT_STATUSES, PRIORITIES, type Priority } from '../../ports.ts'
import { EXAMPLE_TIME, nameOf, requestId, timeOrNull, timestamp, uuidOf } from '../schemas.ts'

export { presentEvent } from '../../domain/event-json.ts'

export const EXAMPLE_EVENT_ID = '01932d5e-7c1a-7b44-9d0a-5f3e2b1c4d6e'

export const eventId = uuidOf("The event's id: a UUID of version 7, lower case.", EXAMPLE_EVENT_ID)

export const EventParams = z.object({ event_id: eventId })

export const NUL_OR_LONE_SURROGATE = 'must not contain NUL or half of a surrogate pair'
export const isText = (text: string) => text.isWellFormed() && !text.includes('\0')

export const MAX_METADATA_KEYS = 20
export const MAX_VALUE_CHARACTERS = 256
export const METADATA_KEY = /^[A-Za-z0-9_.-]{1,64}$/
export const METADATA_KEY_RULE = 'a key has 1 to 64 characters of A-Z a-z 0-9 _ . -'

/** Metadata as sent, checked; null members are as if absent. Made by hand: the keys are the user's, `__proto__` too. */
const metadataInput = z
  .unknown()
  .transform((value, ctx) => readMetadata(value, (path, message) => ctx.addIssue({ code: 'custom', path, message })))
  .openapi('MetadataInput', {
    type: 'object',
    description: `Text, numbers and booleans to filter by: up to ${MAX_METADATA_KEYS} keys of your own beside the three named ones.`,
    properties: {
      correlation_id: { type: 'string', maxLength: MAX_VALUE_CHARACTERS, description: 'Ties together events of one business process.' },
      priority: { type: 'string', enum: [...PRIORITIES], default: 'normal' },
      idempotency_key: {
        type: 'string',
        minLength: 1,
        maxLength: MAX_VALUE_CHARACTERS,
        description: 'The same key within 24 hours makes no second event.',
      },
    },
    additionalProperties: { type: ['string', 'number', 'boolean', 'null'] },
    example: { correlation_id: 'order-1042', priority: 'high', region: 'eu-west-1' },
  })

type Report = (path: string[], message: string) => void

function readMetadata(value: unknown, report: Report): Metadata & { priority: Priority; idempotency_key?: string | undefined } {
  const metadata: Metadata = {}
  let priority: Priority = 'normal'
  let idempotencyKey: string | undefined
  let own = 0
  if (value !== undefined && value !== null && (typeof value !== 'object' || Array.isArray(value) || value instanceof RawJson)) {
    report([], 'must be an object')
    return { priority }
  }
  for (const [key, member] of Object.entries(value ?? {})) {
    if (member === null) continue
    if (key === 'priority') {
      const known = PRIORITIES.find((name) => name === member)
      if (known === undefined) report([key], `must be one of ${PRIORITIES.join(', ')}`)
      else priority = known
    } else if (key === 'correlation_id' || key === 'idempotency_key') {
      const problem = typeof member === 'string' ? textProblem(member, key === 'idempotency_key' ? 1 : 0) : 'must be a string'
      if (problem !== undefined) report([key], problem)
      else if (key === 'idempotency_key') idempotencyKey = member
      else setMember(metadata, key, member)
    } else {
      own++
      const problem = METADATA_KEY.test(key) ? valueProblem(member) : METADATA_KEY_RULE
      if (problem !== undefined) report([key], problem)
      else setMember(metadata, key, member)
    }
  }
  if (own > MAX_METADATA_KEYS) report([], `must have at most ${MAX_METADATA_KEYS} keys of its own`)
  return { ...metadata, priority, ...(idempotencyKey !== undefined && { idempotency_key: idempotencyKey }) }
}

function textProblem(text: string, min: number): string | undefined {
  if (text.length < min) return 'must not be empty'
  if ([...text].length > MAX_VALUE_CHARACTERS) return `must have at most ${MAX_VALUE_CHARACTERS} characters`
  return isText(text) ? undefined : NUL_OR_LONE_SURROGATE
}

function valueProblem(value: unknown): string | undefined {
  switch (typeof value) {
    case 'string':
      return textProblem(value, 0)
    case 'boolean':
      return undefined
    case 'number':
      if (!Number.isFinite(value)) return 'is beyond the range of numbers'
      return Number.isInteger(value) && !Number.isSafeInteger(value) ? 'is an integer beyond ±(2^53 − 1): send it as a string' : undefined
    default:
      return 'must be a string, a number or a boolean'
  }
}

const payload = z
  .custom<RawJson>((value) => value instanceof RawJson && value.kind === 'object', 'must be a JSON object')
  .refine(
    (value) => value instanceof RawJson && value.depth <= MAX_PAYLOAD_DEPTH,
    `must be nested at most ${MAX_PAYLOAD_DEPTH} levels deep`,
  )
  .openapi({
    type: 'object',
    description: `Your data, kept as sent: at most ${MAX_PAYLOAD_BYTES} bytes as compact JSON, ${MAX_PAYLOAD_DEPTH} levels deep.`,
    additionalProperties: true,
    example: { user_id: '123', plan: 'pro' },
  })

export const EventInputSchema = z
  .strictObject({
    source: nameOf('The system that the event comes from.', 'my-app'),
    event_type: nameOf(
      'What happened. It does not begin with `triggers.`, as the events do that the server makes about webhooks.',
      'user.created',
    ).refine((type) => !isOwnType(type), {
      message: 'must not begin with `triggers.`: those are events about webhooks, which the server makes itself',
      params: { suggestion: 'Begin event_type with a name of your own, such as my-app.' },
    }),
    payload,
    metadata: metadataInput.optional().transform((metadata) => metadata ?? readMetadata(undefined, () => {})),
  })
  .openapi('EventInput')

export const EXAMPLE_INPUT = {
  source: 'my-app',
  event_type: 'user.created',
  payload: { user_id: '123', plan: 'pro' },
  metadata: { correlation_id: 'order-1042', priority: 'high', region: 'eu-west-1' },
}

const MetadataSchema = z
  .object({ priority: z.enum(PRIORITIES), correlation_id: z.string().optional(), idempotency_key: z.string().optional() })
  .catchall(z.union([z.string(), z.number(), z.boolean()]))
  .openapi('Metadata')

const eventFields = {
  event_id: eventId,
  created_at: timestamp('When the event was stored.'),
  source: z.string().openapi({ description: 'The system that the event comes from.', example: 'my-app' }),
  event_type: z.string().openapi({ description: 'What happened.', example: 'user.created' }),
  payload,
  status: z.enum(EVENT_STATUSES).openapi({ description: '`pending` until it is acknowledged.' }),
  metadata: MetadataSchema,
  acknowledged_at: timeOrNull('When it was acknowledged; null while pending.'),
}

export const EventSchema = z.object(eventFields).openapi('Event')
export const SingleEventSchema = z.object({ ...eventFields, request_id: requestId }).openapi('SingleEvent')

export const EXAMPLE_EVENT = {
  event_id: EXAMPLE_EVENT_ID,
  created_at: EXAMPLE_TIME,
  source: 'my-app',
  event_type: 'user.created',
  payload: { user_id: '123', plan: 'pro' },
  status: 'pending',
  metadata: { correlation_id: 'order-1042', region: 'eu-west-1', priority: 'high' },
  acknowledged_at: null,
}
