import { type NewEvent, PRIORITIES } from '../../ports.ts'

/** An event on its way to the writer. A tuple: the names of an object cost more to send to a thread than their values. */
export type EventRow = [
  source: string,
  eventType: string,
  priority: number,
  metadata: string,
  payload: string,
  idempotencyKey: string | null,
  fingerprint: Uint8Array | null,
]

export function eventRow({ source, eventType, priority, metadata, payload, idempotency }: NewEvent): EventRow {
  return [source, eventType, PRIORITIES.indexOf(priority), metadata, payload, idempotency?.key ?? null, idempotency?.fingerprint ?? null]
}
