/** Pages of events, which the inbox and the list of all events share: parameters, cursors, presentation. */
import { z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import type { AppEnv } from '../../context.ts'
import { setMember } from '../../domain/json.ts'
import { type EventFilter, type EventStatus, PRIORITIES } from '../../ports.ts'
import { METADATA_PARAMETER } from '../../request.ts'
import {
  EXAMPLE_PAGINATION,
  EXAMPLE_REQUEST_ID,
  nameOf,
  pageCursor,
  pageParameters,
  pagination,
  requestId,
  timeParameters,
} from '../schemas.ts'
import {
  EventSchema,
  EXAMPLE_EVENT,
  isText,
  MAX_METADATA_KEYS,
  MAX_VALUE_CHARACTERS,
  METADATA_KEY,
  METADATA_KEY_RULE,
  NUL_OR_LONE_SURROGATE,
  presentEvent,
} from './schemas.ts'

/** What a page's body may weigh, by the contract. */
const MAX_PAGE_BYTES = 5_000_000

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

export const eventPageParameters = {
  ...pageParameters('events'),
  source: nameOf('Only events from this source.', 'my-app').optional(),
  event_type: nameOf('Only events of this type.', 'user.created').optional(),
  priority: z.enum(PRIORITIES).optional().openapi({ description: 'Only events of this priority.' }),
  ...timeParameters('events'),
  [METADATA_PARAMETER]: metadataFilter.optional(),
}

type PageQuery = z.output<z.ZodObject<typeof eventPageParameters>> & { status?: EventStatus | undefined }

export const EventPageSchema = z
  .object({
    events: z.array(EventSchema),
    pagination,
    request_id: requestId,
  })
  .openapi('EventPage')

export const EXAMPLE_PAGE = { events: [EXAMPLE_EVENT], pagination: EXAMPLE_PAGINATION, request_id: EXAMPLE_REQUEST_ID }

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
  const cursor = pageCursor(c, query, { call, order, filter: { ...filter } })
  const { workspaceId } = c.get('principal')
  const { limit } = query
  const page = await deps.store.listEvents({ workspaceId, filter, order, limit, maxBytes: MAX_PAGE_BYTES, after: cursor.after })
  return { events: page.events.map(presentEvent), pagination: cursor.paginationFor(page.next) }
}
