/** What the three bulk calls share: 1 to 25 things, an answer that tells what became of each. */
import { z } from '@hono/zod-openapi'
import { type ApiError, ItemErrorSchema, type Problem, validationError } from '../../errors.ts'
import { EXAMPLE_REQUEST_ID, requestId } from '../schemas.ts'
import { EXAMPLE_EVENT_ID, eventId } from './schemas.ts'

export const MAX_ITEMS = 25
export const LIST_RULE = `must have 1 to ${MAX_ITEMS} elements`

/** Each id is judged on its own, so that a malformed one fails alone. */
export const EventIdsSchema = z
  .strictObject({
    event_ids: z
      .array(z.unknown())
      .min(1, LIST_RULE)
      .max(MAX_ITEMS, LIST_RULE)
      .openapi({ type: 'array', items: { type: 'string', format: 'uuid' }, minItems: 1, maxItems: MAX_ITEMS, example: [EXAMPLE_EVENT_ID] }),
  })
  .openapi('EventIds')

export const EVENT_IDS_EXAMPLES = {
  two: { summary: 'Two events', value: { event_ids: [EXAMPLE_EVENT_ID, '01932d5e-7c1b-7000-8d0a-5f3e2b1c4d6e'] } },
}

export const indexField = z.number().int().openapi({ description: 'The place in the request, from 0.', example: 0 })

/** The answer's form, for the schema of one success. */
export const bulkAnswerOf = <Item extends z.ZodType>(item: Item) =>
  z.object({
    successful: z.array(item),
    failed: z.array(z.object({ index: indexField, error: ItemErrorSchema })),
    request_id: requestId,
  })

/** An example answer with one failure. */
export const exampleBulkAnswer = (success: object) => ({
  successful: [success],
  failed: [
    {
      index: 1,
      error: {
        code: 'NOT_FOUND',
        message: 'There is no such event in this workspace.',
        details: { event_id: '01932d5e-7c1b-7000-8d0a-5f3e2b1c4d6e' },
      },
    },
  ],
  request_id: EXAMPLE_REQUEST_ID,
})

export type Failed = { index: number; error: { code: string; message: string; details: Record<string, unknown> } }

export function presentFailure(index: number, { code, message, details }: ApiError): Failed {
  return { index, error: { code, message, details } }
}

/**
 * Parts well-formed ids from others.
 * @returns the ids with their places in the request, and a failure for each other element
 */
export function splitIds(elements: readonly unknown[]): { ids: { index: number; id: string }[]; failed: Failed[] } {
  const ids: { index: number; id: string }[] = []
  const failed: Failed[] = []
  elements.forEach((element, index) => {
    const parsed = eventId.safeParse(element)
    if (parsed.success) ids.push({ index, id: parsed.data })
    else failed.push(presentFailure(index, validationError([malformedId(index)])))
  })
  return { ids, failed }
}

function malformedId(index: number): Problem {
  return { field: `event_ids.${index}`, issue: 'must be a UUID in lower case', suggestion: 'Send the event_id as it was given.' }
}
