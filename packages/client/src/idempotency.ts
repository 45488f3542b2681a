/** The idempotency key of an event that is to be created. */
import { newUuid } from './platform.ts'
import type { EventInput } from './types.ts'

/**
 * The event with an idempotency key in its metadata: the given one, else its own, else a new one. In the metadata and not in a header,
 * because the body is what a signature covers, and because it is the same for one event and for many.
 */
export function withIdempotencyKey<Payload extends object>(event: EventInput<Payload>, idempotencyKey?: string): EventInput<Payload> {
  const { metadata } = event
  // Metadata that is none is the server's to refuse.
  if (metadata !== undefined && metadata !== null && typeof metadata !== 'object') return event
  return { ...event, metadata: { ...metadata, idempotency_key: idempotencyKey ?? metadata?.idempotency_key ?? newUuid() } }
}
