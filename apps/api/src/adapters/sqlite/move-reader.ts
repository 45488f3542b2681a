import type { DatabaseSync } from 'node:sqlite'
import type { IdempotencyRecord, WholeDelivery } from '../../move-ports.ts'
import { prepareAll } from './database.ts'
import { DAY_US, deliveriesExpiredUs, deliveryBytes, deliveryOf, ownEventOf } from './delivery-row.ts'
import { DELIVERY_READS } from './delivery-sql.ts'
import { eventIdOf, timeOf } from './event-id.ts'
import type { MoveReaderCalls } from './move-protocol.ts'
import { MOVE_READS } from './move-sql.ts'
import type { BatchTimes, CallOf, InputOf, OutputOf } from './protocol.ts'
import type { Workspaces } from './workspaces.ts'

/** Rows of all workspaces that one call may look at before its page ends early. */
const MAX_EXAMINED = 10_000
/** The last id of a microsecond. */
const LAST_TAIL = 'ffff-ffffffffffff'

/** The reader's part in moving: how it answers a call. */
export function moveReader(db: DatabaseSync, workspaces: Workspaces) {
  const sql = prepareAll(db, { ...MOVE_READS, delivery: DELIVERY_READS.delivery, attempts: DELIVERY_READS.attempts })

  /** In the order of all keys, of which there are a day's: no index has a workspace's. */
  function listIdempotencyKeys(
    { workspaceId, limit, after }: Input<'listIdempotencyKeys'>,
    times: BatchTimes,
  ): Output<'listIdempotencyKeys'> {
    const workspace = workspaces.find(workspaceId)
    const keys: IdempotencyRecord[] = []
    let last = Math.max(times.keysExpiredUs - 1, Number(after ?? 0))
    const rows = workspace === undefined ? [] : sql.idempotency.all(last, MAX_EXAMINED)
    for (const { seq, tail, workspace: owner, key, fingerprint } of rows) {
      if (owner === workspace) {
        if (keys.length === limit) return { keys, next: String(last) }
        if (!(fingerprint instanceof Uint8Array)) throw new TypeError('A fingerprint is no blob.')
        const eventId = eventIdOf(Number(seq), String(tail))
        keys.push({ key: String(key), fingerprint, eventId, expiresAtUs: timeOf(Number(seq), String(tail)) + DAY_US })
      }
      last = Number(seq)
    }
    return { keys, next: rows.length === MAX_EXAMINED ? String(last) : null }
  }

  function listWholeDeliveries(query: Input<'listWholeDeliveries'>, times: BatchTimes): Output<'listWholeDeliveries'> {
    const workspace = workspaces.find(query.workspaceId)
    const webhook = workspace === undefined ? undefined : sql.webhook.get(query.webhookId, workspace)
    const deliveries: WholeDelivery[] = []
    if (webhook === undefined || workspace === undefined) return { deliveries, next: null }
    let last = Math.max(deliveriesExpiredUs(times) - 1, Number(query.after ?? 0))
    let bytes = 0
    for (const { seq } of sql.deliveries.all(Number(webhook['id']), last, query.limit + 1)) {
      const row = sql.delivery.get(Number(seq), workspace, times.eventsExpiredUs, deliveriesExpiredUs(times))
      if (row === undefined) continue
      const attempts = sql.attempts.all(Number(seq))
      bytes += deliveryBytes(attempts) + String(row['own_event'] ?? '').length
      if (deliveries.length === query.limit || (deliveries.length > 0 && bytes > query.maxBytes)) return { deliveries, next: String(last) }
      const { nextAttemptAtUs: _, ...delivery } = deliveryOf(row, attempts, times)
      const lane = sql.lane.get(Number(seq))
      deliveries.push({
        ...delivery,
        dueAtUs: delivery.status === 'pending' ? Number(row['due_us']) : null,
        scheduleStart: Number(lane?.['schedule_start']),
        isInReplayLane: Number(lane?.['lane']) !== 0,
        ownEvent: row['own_event'] === null ? null : ownEventOf(row['own_event']),
      })
      last = Number(seq)
    }
    return { deliveries, next: null }
  }

  function placeBehind({ workspaceId, address }: Input<'placeBehind'>): string {
    const workspace = workspaces.find(workspaceId)
    if (workspace === undefined || address === null) return '0'
    const { seq, tail } = address
    const moved = Number(sql.placeUpTo.get(workspace, seq, tail)?.['seq'] ?? 0)
    const there = sql.eventAt.get(seq, workspace)
    const isBehind = there !== undefined && eventIdOf(seq, String(there['tail'])) > eventIdOf(seq, tail)
    return String(Math.max(moved, isBehind ? seq - 1 : seq))
  }

  function idAt({ workspaceId, place }: Input<'idAt'>): string {
    const workspace = workspaces.find(workspaceId)
    const there = workspace === undefined ? undefined : sql.eventAt.get(place, workspace)
    return eventIdOf(place, there === undefined ? LAST_TAIL : String(there['tail']))
  }

  return (call: CallOf<MoveReaderCalls>, times: BatchTimes): unknown => {
    switch (call.type) {
      case 'listIdempotencyKeys':
        return listIdempotencyKeys(call.input, times)
      case 'listWholeDeliveries':
        return listWholeDeliveries(call.input, times)
      case 'placeBehind':
        return placeBehind(call.input)
      case 'idAt':
        return idAt(call.input)
      default:
        return call satisfies never
    }
  }
}

type Input<K extends keyof MoveReaderCalls> = InputOf<MoveReaderCalls, K>
type Output<K extends keyof MoveReaderCalls> = OutputOf<MoveReaderCalls, K>
