import type { EventRecord } from '../../ports.ts'
import { type AttemptOutcome, type AttemptRecord, DELIVERY_STATUSES, type DeliveryRecord, type NewDelivery } from '../../webhook-ports.ts'
import { addressOf, type EventAddress, eventIdOf, timeOf } from './event-id.ts'
import type { BatchTimes } from './protocol.ts'

export const DAY_US = 86_400_000_000
/** No wait is longer. A delivery that seems to be due later than this was stored before the clock went back, and is due. */
const FARTHEST_US = DAY_US
/** A delivery's JSON beside its attempts: names, ids, times, and a type of at most 200 bytes. */
const DELIVERY_OVERHEAD_BYTES = 800

/** Deliveries created before it have expired: a day later than events, so that one can be seen to be cancelled by its event's end. */
export const deliveriesExpiredUs = (times: BatchTimes): number => times.eventsExpiredUs - DAY_US

export const farthestUs = (nowUs: number): number => nowUs + FARTHEST_US

/** An attempt's outcome on its way to the writer; the attempt as text, for the reason that `ApiKeyRow` gives. */
export interface OutcomeRow {
  /** Of the delivery; null for a UUID that none of this store can have. */
  address: EventAddress | null
  heldUntilUs: number
  attempt: number
  startedAtUs: number
  record: string
  status: number
  dueAtUs: number | null
  succeeded: boolean
  alarms: boolean
  ownDeliveries: readonly NewDelivery[]
  recoveredDeliveries: readonly NewDelivery[]
}

export function outcomeRow({ deliveryId, attempt, status, ...outcome }: AttemptOutcome): OutcomeRow {
  return {
    ...outcome,
    address: addressOf(deliveryId) ?? null,
    attempt: attempt.attempt,
    startedAtUs: attempt.startedAtUs,
    record: JSON.stringify(attempt),
    status: DELIVERY_STATUSES.indexOf(status),
  }
}

/**
 * @param row as `DELIVERY_READS` reads it
 * @param attempts rows of the same
 */
export function deliveryOf(row: Row, attempts: readonly Row[], times: BatchTimes): DeliveryRecord {
  const seq = Number(row['seq'])
  const status = statusOf(row)
  const [dueUs, eventSeq, own, replayId] = [Number(row['due_us']), Number(row['event_seq']), row['own_event'], row['replay_id']]
  const isUnderWay = row['held'] === 1 && dueUs > times.nowUs && dueUs <= farthestUs(times.nowUs)
  return {
    deliveryId: eventIdOf(seq, String(row['tail'])),
    webhookId: String(row['webhook_id']),
    eventId: own === null ? eventIdOf(eventSeq, String(row['event_tail'])) : ownEventOf(own).eventId,
    eventType: String(row['event_type']),
    status,
    attemptCount: Number(row['attempt_count']),
    nextAttemptAtUs: status === 'pending' && !isUnderWay ? dueUs : null,
    createdAtUs: timeOf(seq, String(row['tail'])),
    completedAtUs: status === 'pending' || status === 'held' ? null : completedUs(row, times),
    replayId: replayId === null ? null : String(replayId),
    attempts: attempts.map((attempt): AttemptRecord => JSON.parse(String(attempt['record']))),
  }
}

/** Open, without its event, it is cancelled, whether the sweep has been by or not. */
export function statusOf(row: Row): DeliveryRecord['status'] {
  return row['has_event'] === 0 ? 'cancelled' : (DELIVERY_STATUSES[Number(row['status'])] ?? 'pending')
}

export function ownEventOf(own: unknown): EventRecord {
  return JSON.parse(String(own))
}

/** About what the delivery weighs as JSON. */
export function deliveryBytes(attempts: readonly Row[]): number {
  return attempts.reduce((sum, attempt) => sum + Buffer.byteLength(String(attempt['record'])), DELIVERY_OVERHEAD_BYTES)
}

type Row = Record<string, unknown>

function completedUs(row: Row, { nowUs, eventsExpiredUs }: BatchTimes): number {
  if (row['has_event'] !== 0) return Number(row['completed_us'])
  // When the event expired; one that was deleted was gone before the delivery was made, or its end would be written.
  const createdUs = timeOf(Number(row['seq']), String(row['tail']))
  const eventExpiryUs = Number(row['event_seq']) + nowUs - eventsExpiredUs
  return eventExpiryUs <= nowUs ? Math.max(createdUs, eventExpiryUs) : createdUs
}
