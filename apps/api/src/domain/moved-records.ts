/**
 * The lines of an exported workspace: JSON objects with one field each, which names what it holds; of `header` and `end` there is one. Records are as the
 * ports have them (times are microseconds, `…Us`), without the workspace, which the header names; payloads and metadata are texts, so that no digit of them changes.
 */
import { z } from 'zod'
import type { WholeDelivery } from '../move-ports.ts'
import { EVENT_STATUSES, type EventRecord, PRIORITIES, SCOPES } from '../ports.ts'
import { uuidTime } from '../uuid-time.ts'
import {
  DELIVERY_STATUSES,
  DISABLED_REASONS,
  PAYLOAD_FORMATS,
  REPLAY_SELECTIONS,
  REPLAY_STATUSES,
  RETRY_PROFILES,
  SEND_ERRORS,
  type WebhookFilter,
} from '../webhook-ports.ts'
import { MAX_PAYLOAD_BYTES } from './events.ts'
import { parseRange } from './ip-address.ts'
import { isReplayPosition } from './walk-replay.ts'
import { filterProblems } from './webhook-filter.ts'
import { isWorkspaceId } from './workspaces.ts'

export const FORMAT = 1

/** What is exported, in this order: what comes in before what needs it. */
export const MOVED_KINDS = ['data_key', 'api_key', 'webhook', 'event', 'idempotency_key', 'replay', 'delivery', 'audit_entry'] as const
export type MovedKind = (typeof MOVED_KINDS)[number]
export type Counts = Record<MovedKind, number>

export const noCounts = (): Counts => ({
  data_key: 0,
  api_key: 0,
  webhook: 0,
  replay: 0,
  event: 0,
  idempotency_key: 0,
  delivery: 0,
  audit_entry: 0,
})

const us = z.int().min(0).max(Number.MAX_SAFE_INTEGER)
const count = z.int().min(0).max(Number.MAX_SAFE_INTEGER)
const text = z.string().refine((value) => value.isWellFormed(), 'has half of a surrogate pair')
const name = text.min(1).max(512)
const UUID_7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/
const uuid = z.string().regex(UUID_7, 'is no UUID of version 7')
const sealed = z.string().regex(/^[A-Za-z0-9_-]+$/, 'is no sealed secret')
const base64 = z.base64().transform((value) => new Uint8Array(Buffer.from(value, 'base64')))

export const Header = z.strictObject({
  header: z.strictObject({
    format: z.literal(FORMAT),
    workspaceId: z.string().refine(isWorkspaceId, 'is no id of a workspace'),
    exportedAtUs: us,
    withSecrets: z.boolean(),
  }),
})
export type ExportHeader = z.output<typeof Header>['header']

const counts = z.strictObject(Object.fromEntries(MOVED_KINDS.map((kind) => [kind, count])) as Record<MovedKind, typeof count>)
export const End = z.strictObject({ end: counts })

/** From where an export that was interrupted goes on: the section, how far it has come in it, and what was written by then. */
const Cursor = z.strictObject({ kind: z.enum(MOVED_KINDS), after: z.string().nullable(), counts })
export const CursorLine = z.strictObject({ cursor: Cursor })
export type ExportCursor = z.output<typeof Cursor>

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value)
const isScalar = (value: unknown) => typeof value === 'string' || typeof value === 'boolean' || Number.isFinite(value)

function parsed(json: string): unknown {
  try {
    return JSON.parse(json)
  } catch {
    return undefined
  }
}

const payload = text
  .refine((json) => Buffer.byteLength(json) <= MAX_PAYLOAD_BYTES, `has more than ${MAX_PAYLOAD_BYTES} bytes`)
  .refine((json) => isObject(parsed(json)), 'is no JSON object')

const metadata = text.max(100_000).refine((json) => {
  const value = parsed(json)
  return isObject(value) && PRIORITIES.some((priority) => priority === value['priority']) && Object.values(value).every(isScalar)
}, 'is no metadata with a priority')

const AnyEvent = z.strictObject({
  eventId: uuid,
  createdAtUs: us,
  source: name,
  eventType: name,
  payload,
  status: z.enum(EVENT_STATUSES),
  metadata,
  acknowledgedAtUs: us.nullable(),
})

const Event = AnyEvent.refine(({ eventId, createdAtUs }) => uuidTime(eventId) === createdAtUs, 'has an id of another time').refine(
  ({ status, acknowledgedAtUs }) => (status === 'acknowledged') === (acknowledgedAtUs !== null),
  'is acknowledged, or is not',
) satisfies z.ZodType<EventRecord>

const SecretOf = z.strictObject({ sealed, expiresAtUs: us.nullable() })

const ApiKey = z.strictObject({
  keyId: z.string().regex(/^key_[0-9A-Za-z_-]{1,60}$/, 'is no id of a key'),
  name: text.max(512),
  scopes: z.array(z.enum(SCOPES)),
  rateLimitPerMinute: count.nullable(),
  allowedIps: z.array(z.string().refine((range) => parseRange(range) !== undefined, 'is no address or CIDR range')),
  requireSignature: z.boolean(),
  /** None without secrets. */
  signingSecrets: z.array(SecretOf).max(2),
  versions: z
    .array(
      z.strictObject({
        version: z.int().min(1),
        /** Absent without secrets. */
        hash: text.min(1).max(200).optional(),
        createdAtUs: us,
        rotatedAtUs: us.nullable(),
        expiresAtUs: us.nullable(),
      }),
    )
    .min(1),
  createdAtUs: us,
  expiresAtUs: us.nullable(),
  revokedAtUs: us.nullable(),
  revision: z.int().min(1),
  lastUsedAtUs: us.nullable(),
})

const scalar = z.union([text, z.number(), z.boolean(), z.null()])
const bound = z.union([text, z.number()]).optional()
const path = text.max(512)
const FilterShape = z.strictObject({
  source: z.array(text).optional(),
  priority: z.array(z.enum(PRIORITIES)).optional(),
  metadata: z
    .custom<Readonly<Record<string, string | number | boolean>>>((value) => isObject(value) && Object.values(value).every(isScalar))
    .optional(),
  payload: z
    .array(
      z.discriminatedUnion('op', [
        z.strictObject({ path, op: z.literal('equals'), value: scalar }),
        z.strictObject({ path, op: z.literal('in'), value: z.array(scalar) }),
        z.strictObject({ path, op: z.literal('exists'), value: z.boolean().optional() }),
        z.strictObject({ path, op: z.literal('prefix'), value: text }),
        z.strictObject({ path, op: z.literal('range'), value: z.strictObject({ gt: bound, gte: bound, lt: bound, lte: bound }) }),
      ]),
    )
    .optional(),
})
const filter = (FilterShape satisfies z.ZodType<WebhookFilter>)
  .refine((value) => filterProblems(value).length === 0, 'is no filter')
  .nullable()

const Webhook = z.strictObject({
  webhookId: uuid,
  url: text.max(10_000),
  events: z.array(text.max(512)),
  description: text.nullable(),
  filter,
  /** Absent without secrets, as are `secrets`. */
  headers: z
    .strictObject({ names: z.array(text), sealed })
    .nullable()
    .optional(),
  rateLimit: z.number().positive().nullable(),
  retry: z.enum(RETRY_PROFILES),
  payloadFormat: z.enum(PAYLOAD_FORMATS),
  secrets: z.array(SecretOf).min(1).max(2).optional(),
  isActive: z.boolean(),
  disabledAtUs: us.nullable(),
  disabledReason: z.enum(DISABLED_REASONS).nullable(),
  updatedAtUs: us,
  revision: z.int().min(1),
  failingSinceUs: us.nullable(),
  alarmedAtUs: us.nullable(),
  createdAtUs: us,
})

const Replay = z.strictObject({
  replayId: uuid,
  webhookId: uuid,
  sinceUs: us,
  untilUs: us,
  filter,
  selection: z.enum(REPLAY_SELECTIONS).nullable(),
  rate: z.number().positive(),
  status: z.enum(REPLAY_STATUSES),
  matched: count,
  enqueued: count,
  delivered: count,
  dead: count,
  cancelled: count,
  /** Its place among the events is the id of the last one, so that another store finds it. */
  position: z
    .string()
    .refine((position) => isReplayPosition(position, (after) => uuidTime(after) !== undefined), 'is no position')
    .nullable(),
  isWalked: z.boolean(),
  createdAtUs: us,
  completedAtUs: us.nullable(),
})

const Attempt = z.strictObject({
  attempt: z.int().min(1),
  startedAtUs: us,
  durationMs: z.number().min(0),
  statusCode: z.int().nullable(),
  error: z.enum(SEND_ERRORS).nullable(),
  responseBody: text,
  responseTruncated: z.boolean(),
  retryReason: text.nullable(),
})

const Delivery = z
  .strictObject({
    deliveryId: uuid,
    webhookId: uuid,
    eventId: uuid,
    eventType: name,
    status: z.enum(DELIVERY_STATUSES),
    attemptCount: count,
    createdAtUs: us,
    completedAtUs: us.nullable(),
    replayId: uuid.nullable(),
    attempts: z.array(Attempt).max(100),
    dueAtUs: us.nullable(),
    scheduleStart: count,
    isInReplayLane: z.boolean(),
    ownEvent: AnyEvent.nullable(),
  })
  .refine(({ deliveryId, createdAtUs }) => uuidTime(deliveryId) === createdAtUs, 'has an id of another time')
  .refine(({ status, dueAtUs }) => (status === 'pending') === (dueAtUs !== null), 'is pending, or is not')
  .refine(
    ({ attempts }) => new Set(attempts.map(({ attempt }) => attempt)).size === attempts.length,
    'has an attempt twice',
  ) satisfies z.ZodType<WholeDelivery>

const Audit = z
  .strictObject({
    entryId: uuid,
    createdAtUs: us,
    action: name,
    actor: z.strictObject({ type: z.enum(['api_key', 'operator', 'server']), keyId: text.nullable() }),
    target: z.strictObject({ type: text, id: text }),
    changes: z.record(z.string(), z.strictObject({ from: z.unknown(), to: z.unknown() })),
    ip: text.nullable(),
    requestId: text.nullable(),
  })
  .refine(({ entryId, createdAtUs }) => uuidTime(entryId) === createdAtUs, 'has an id of another time')

const IdempotencyKey = z.strictObject({
  key: name,
  fingerprint: base64.refine((bytes) => bytes.length === 32, 'has not 32 bytes'),
  eventId: uuid,
  expiresAtUs: us,
})

/** The form of each kind's lines. */
export const MOVED_RECORDS = {
  data_key: z.strictObject({ name: text.min(1).max(100), key: base64 }),
  api_key: ApiKey,
  webhook: Webhook,
  replay: Replay,
  event: Event,
  idempotency_key: IdempotencyKey,
  delivery: Delivery,
  audit_entry: Audit,
} as const satisfies Record<MovedKind, z.ZodType>

export type MovedRecord<Kind extends MovedKind> = z.output<(typeof MOVED_RECORDS)[Kind]>
