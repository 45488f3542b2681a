import { z } from '@hono/zod-openapi'
import type { EventInput } from '../../domain/events.ts'
import { validationError } from '../../errors.ts'

export const IdempotencyHeaders = z.object({
  'idempotency-key': z
    .string()
    .regex(/^[\x20-\x7e]{1,256}$/, 'must have 1 to 256 printable ASCII characters')
    .optional()
    .openapi({ description: 'The same as `metadata.idempotency_key`, as a header.', example: 'order-1042-created' }),
})

/**
 * The event with the header's key in its metadata.
 * @throws ApiError VALIDATION_ERROR when the body has another key
 */
export function withHeaderKey(event: EventInput, key: string | undefined): EventInput {
  const own = event.metadata.idempotency_key
  if (key === undefined || key === own) return event
  if (own !== undefined) {
    const issue = 'differs from metadata.idempotency_key'
    throw validationError([{ field: 'Idempotency-Key', issue, suggestion: 'Send the key in one of the two places.' }])
  }
  return { ...event, metadata: { ...event.metadata, idempotency_key: key } }
}

/** @throws ApiError VALIDATION_ERROR: one key cannot stand for many events */
export function refuseHeaderKey(key: string | undefined): void {
  if (key === undefined) return
  const suggestion = 'Give each item its own `metadata.idempotency_key`.'
  throw validationError([{ field: 'Idempotency-Key', issue: 'is not taken by bulk calls', suggestion }])
}
