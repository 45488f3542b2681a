import { EVENT_STATUSES, type EventRecord, type NewEvent, PRIORITIES } from '../../ports.ts'
import { eventIdOf, timeOf } from './event-id.ts'

/** An event's JSON beside its payload and metadata: names, id, times, and 2 strings of at most 400 bytes. */
const EVENT_OVERHEAD_BYTES = 1100

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

/** @param row an array of `ROW_COLUMNS` */
export function eventRecordOf(row: unknown): EventRecord {
  if (!Array.isArray(row)) throw new TypeError('The statement gives no arrays.')
  const [seq, tail, status, acknowledgedUs, source, eventType, metadata, payload] = row
  return {
    eventId: eventIdOf(seq, tail),
    createdAtUs: timeOf(seq, tail),
    source,
    eventType,
    payload,
    status: EVENT_STATUSES[status] ?? 'pending',
    metadata,
    acknowledgedAtUs: EVENT_STATUSES[status] === 'acknowledged' ? acknowledgedUs : null,
  }
}

/** About what the event weighs as JSON. */
export function eventBytes({ payload, metadata }: EventRecord): number {
  return Buffer.byteLength(payload) + Buffer.byteLength(metadata) + EVENT_OVERHEAD_BYTES
}
