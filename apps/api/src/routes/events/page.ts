/** Pages of events, which the inbox and the list of all events share: parameters, cursors, presentation. */
import { z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import type { AppEnv } from '../../context.ts'
import { decodeCursor, encodeCursor } from '../../domain/cursor.ts'
import { setMember } from '../../domain/json.ts'
import { parseTime } from '../../domain/time.ts'
import { validationError } from '../../errors.ts'
import { type EventFilter, type EventStatus, PRIORITIES } from '../../ports.ts'
import { METADATA_PARAMETER } from '../../request.ts'
import {
  EventSchema,
  EXAMPLE_EVENT,
  EXAMPLE_REQUEST_ID,
  isText,
  MAX_METADATA_KEYS,
  MAX_VALUE_CHARACTERS,
  METADATA_KEY,
  METADATA_KEY_RULE,
  NUL_OR_LONE_SURROGATE,
  nameOf,
  presentEvent,
  requestId,
} from './schemas.ts'

const MAX_LIMIT = 100
/** What a page's body may weigh, by the contract. */
const MAX_PAGE_BYTES = 5_000_000

const time = (description: string, round: 'up' | 'down') =>
  z
    .string()
    .transform((text, ctx) => {
      const us = parseTime(text, round)
      if (us === undefined) ctx.addIssue({ code: 'custom', message: 'must be an ISO 8601 date or time, such as 2025-11-21T08:00:00Z' })
      return us
    })
    .optional()
    .openapi({
      type: 'string',
      description: `${description} ISO 8601; UTC without an offset; a bare date is its midnight.`,
      example: '2025-11-21T08:00:00Z',
    })

/** What one event can have, the three named keys included; a filter by more could match nothing. */
const MAX_METADATA_FILTERS = MAX_METADATA_KEYS + 3

/** The `metadata.…` parameters by key. Made by hand: the keys are the user's, `__proto__` too. */
const metadataFilter = z
  .unknown()
  .transform((value, ctx) => {
    const filter: Record<string, string> = {}
    const entries = Object.entries(value ?? {})
    if (entries.length > MAX_METADATA_FILTERS) {
      ctx.addIssue({ code: 'custom', message: `stands for at most ${MAX_METADATA_FILTERS} keys` })
      return filter
    }
    for (const [key, text] of entries) {
      if (!METADATA_KEY.test(key)) ctx.addIssue({ code: 'custom', path: [key], message: METADATA_KEY_RULE })
      else if ([...text].length > MAX_VALUE_CHARACTERS)
        ctx.addIssue({ code: 'custom', path: [key], message: `must have at most ${MAX_VALUE_CHARACTERS} characters` })
      else if (!isText(text)) ctx.addIssue({ code: 'custom', path: [key], message: NUL_OR_LONE_SURROGATE })
      else setMember(filter, key, text)
    }
    return filter
  })
  .openapi({
    type: 'string',
    description:
      'Any metadata key after `metadata.`: `metadata.region=eu-west-1`. Compared with a string, or with a number or boolean as JSON.',
    example: 'eu-west-1',
  })

export const pageParameters = {
  limit: z
    .string()
    .regex(/^(?:[1-9]\d?|100)$/, `must be a whole number from 1 to ${MAX_LIMIT}`)
    .optional()
    .transform((text) => Number(text ?? 50))
    .openapi({ type: 'integer', minimum: 1, maximum: MAX_LIMIT, default: 50, description: 'How many events a page has at the most.' }),
  cursor: z.string().optional().openapi({
    description: "The last page's `next_cursor`. It goes with the same filters and order only.",
    example: 'Zr0XbV8aQ3yB7cF1kE5mTjE3NjM3MTIwMDAxMjM0NTY',
  }),
  source: nameOf('Only events from this source.', 'my-app').optional(),
  event_type: nameOf('Only events of this type.', 'user.created').optional(),
  priority: z.enum(PRIORITIES).optional().openapi({ description: 'Only events of this priority.' }),
  created_after: time('Only events created at this time or later.', 'up'),
  created_before: time('Only events created at this time or earlier.', 'down'),
  [METADATA_PARAMETER]: metadataFilter.optional(),
}

type PageQuery = z.output<z.ZodObject<typeof pageParameters>> & { status?: EventStatus | undefined }

export const EventPageSchema = z
  .object({
    events: z.array(EventSchema),
    pagination: z.object({
      next_cursor: z
        .union([z.string(), z.null()])
        .openapi({ description: 'Where the next page begins; null exactly when nothing more matches now.', example: null }),
      limit: z.number().int().openapi({ description: 'The limit that the page was made with.', example: 50 }),
    }),
    request_id: requestId,
  })
  .openapi('EventPage')

export const EXAMPLE_PAGE = { events: [EXAMPLE_EVENT], pagination: { next_cursor: null, limit: 50 }, request_id: EXAMPLE_REQUEST_ID }

/**
 * One page of the caller's workspace.
 * @param call what the cursor is bound to
 * @throws ApiError VALIDATION_ERROR for a cursor that this call, with these filters and this order, did not give
 */
export async function eventPage(c: Context<AppEnv>, call: string, query: PageQuery, order: 'asc' | 'desc') {
  const deps = c.get('deps')
  const filter: EventFilter = {
    source: query.source,
    eventType: query.event_type,
    priority: query.priority,
    status: query.status,
    metadata: query[METADATA_PARAMETER],
    createdAfterUs: query.created_after,
    createdBeforeUs: query.created_before,
  }
  const { workspaceId } = c.get('principal')
  const binding = { call, workspaceId, order, filter: { ...filter } }
  const after = query.cursor === undefined ? undefined : decodeCursor(deps.cursorKey, binding, query.cursor)
  if (query.cursor !== undefined && after === undefined) {
    const suggestion = 'Send `next_cursor` as it came, with the same filters and order; start again without a cursor.'
    throw validationError([{ field: 'cursor', issue: 'was not given by this call with these filters and this order', suggestion }])
  }
  const page = await deps.store.listEvents({ workspaceId, filter, order, limit: query.limit, maxBytes: MAX_PAGE_BYTES, after })
  return {
    events: page.events.map(presentEvent),
    pagination: { next_cursor: page.next === null ? null : encodeCursor(deps.cursorKey, binding, page.next), limit: query.limit },
  }
}
