/** What the wire has in common for all resources: request id, times, names, pages. */
import { z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import type { AppEnv } from '../context.ts'
import { type CursorBinding, decodeCursor, encodeCursor } from '../domain/cursor.ts'
import { isPlainText } from '../domain/plain-text.ts'
import { formatTime, parseTime } from '../domain/time.ts'
import { validationError } from '../errors.ts'

export const EXAMPLE_TIME = '2025-11-21T08:00:00.123456Z'
export const EXAMPLE_REQUEST_ID = '7d9f2c1e-0f5a-4b63-9a55-0c9d3a1f6b2e'

export const requestId = z.string().openapi({ description: 'The id of this request, for support and logs.', example: EXAMPLE_REQUEST_ID })
export const timestamp = (description: string) =>
  z.string().openapi({ description: `${description} UTC, ISO 8601 with microseconds.`, format: 'date-time', example: EXAMPLE_TIME })

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/
/** An id that is a UUID, in paths and answers. */
export const uuidOf = (description: string, example: string) =>
  z.string().regex(UUID, 'must be a UUID in lower case').openapi({ description, format: 'uuid', example })

export const timeOrNull = (description: string, example: string | null = null) =>
  z.union([z.string().openapi({ format: 'date-time' }), z.null()]).openapi({ description, example })

export function formatOrNull(us: number | null): string | null {
  return us === null ? null : formatTime(us)
}

/** A read-only field of a thing's own answer, in the input that changes the thing. */
export const ignored = (type: 'string' | 'boolean' | 'integer' | 'array' | ['string', 'null']) =>
  z
    .unknown()
    .optional()
    .openapi({
      type,
      ...(type === 'array' && { items: {} }),
      readOnly: true,
      description: 'Read only: taken, so that what was read can be sent back, and ignored.',
    })

export const TIME_RULE = 'must be an ISO 8601 date or time, such as 2025-11-21T08:00:00Z'

/** A rule for text: its characters are code points. A far longer one is not counted. */
export const hasAtMost = (characters: number) => (text: string) =>
  text.length <= characters || (text.length <= 2 * characters && [...text].length <= characters)

/** A name that people give: an event's source and type, a key's name. As sent and as filters. */
export const nameOf = (description: string, example: string) =>
  z
    .string()
    .trim()
    .min(1, 'must not be empty')
    .refine(hasAtMost(100), 'must have at most 100 characters')
    .refine(isPlainText, 'must not contain control characters or half of a surrogate pair')
    .openapi({ description, minLength: 1, maxLength: 100, example })

/** A query parameter that bounds times; digits beyond the microsecond are rounded so that the bound stays inclusive. */
const timeBound = (description: string, round: 'up' | 'down') =>
  z
    .string()
    .transform((text, ctx) => {
      const us = parseTime(text, round)
      if (us === undefined) ctx.addIssue({ code: 'custom', message: TIME_RULE })
      return us
    })
    .optional()
    .openapi({
      type: 'string',
      description: `${description} ISO 8601; UTC without an offset; a bare date is its midnight.`,
      example: '2025-11-21T08:00:00Z',
    })

/** @param things what the list has, in the plural: `events` */
export const timeParameters = (things: string) => ({
  created_after: timeBound(`Only ${things} created at this time or later.`, 'up'),
  created_before: timeBound(`Only ${things} created at this time or earlier.`, 'down'),
})

const MAX_LIMIT = 100

/** @param things what the list has, in the plural: `events` */
export const pageParameters = (things: string) => ({
  limit: z
    .string()
    .regex(/^(?:[1-9]\d?|100)$/, `must be a whole number from 1 to ${MAX_LIMIT}`)
    .optional()
    .transform((text) => Number(text ?? 50))
    .openapi({ type: 'integer', minimum: 1, maximum: MAX_LIMIT, default: 50, description: `How many ${things} a page has at the most.` }),
  cursor: z.string().optional().openapi({
    description: "The last page's `next_cursor`. It goes with the same filters and order only.",
    example: 'Zr0XbV8aQ3yB7cF1kE5mTjE3NjM3MTIwMDAxMjM0NTY',
  }),
})

export const pagination = z.object({
  next_cursor: z
    .union([z.string(), z.null()])
    .openapi({ description: 'Where the next page begins; null exactly when nothing more matches now.', example: null }),
  limit: z.number().int().openapi({ description: 'The limit that the page was made with.', example: 50 }),
})

export const EXAMPLE_PAGINATION = { next_cursor: null, limit: 50 }

/** The caller's cursor: where the page begins, and what names where the next one does. */
interface PageCursor {
  /** A position of the store; undefined at the beginning. */
  after: string | undefined
  paginationFor(next: string | null): z.input<typeof pagination>
}

/**
 * @param binding what the cursor is bound to, beside the caller's workspace
 * @throws ApiError VALIDATION_ERROR for a cursor that was not made for just this binding
 */
export function pageCursor(
  c: Context<AppEnv>,
  query: { limit: number; cursor?: string | undefined },
  binding: Omit<CursorBinding, 'workspaceId'>,
): PageCursor {
  const { cursorKey } = c.get('deps').vault
  const bound = { ...binding, workspaceId: c.get('principal').workspaceId }
  const after = query.cursor === undefined ? undefined : decodeCursor(cursorKey, bound, query.cursor)
  if (query.cursor !== undefined && after === undefined) {
    const suggestion = 'Send `next_cursor` as it came, with the same filters and order; start again without a cursor.'
    throw validationError([{ field: 'cursor', issue: 'was not given by this call with these filters and this order', suggestion }])
  }
  return {
    after,
    paginationFor: (next) => ({ next_cursor: next === null ? null : encodeCursor(cursorKey, bound, next), limit: query.limit }),
  }
}
