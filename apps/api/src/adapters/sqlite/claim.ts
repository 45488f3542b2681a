import type { DatabaseSync } from 'node:sqlite'
import type { EventRecord } from '../../ports.ts'
import type { Claim, ClaimedDelivery, ClaimQuery } from '../../webhook-ports.ts'
import { type Places, placeAfter, placesOf } from '../claim-pace.ts'
import { prepareAll } from './database.ts'
import type { DeliveryEnds } from './delivery-ends.ts'
import { farthestUs, ownEventOf } from './delivery-row.ts'
import { CLAIM } from './delivery-sql.ts'
import { eventIdOf, timeOf } from './event-id.ts'
import { eventBytes, eventRecordOf } from './event-row.ts'
import { eventFinder } from './places.ts'
import type { BatchTimes } from './protocol.ts'

/** A pace that nobody took a place of for so long is as good as a new one. */
const PACE_KEPT_US = 3_600_000_000

/** The writer's part in claims. */
export function claims(db: DatabaseSync, ends: DeliveryEnds) {
  const sql = prepareAll(db, CLAIM)
  sql.event.setReturnArrays(true)
  const findEvent = eventFinder(db)

  function claimDeliveries(query: ClaimQuery, times: BatchTimes): Claim {
    const row = sql.webhook.get(query.webhookId)
    if (row === undefined) return { webhook: null, deliveries: [], nextAtUs: null }
    const webhook = {
      revision: Number(row['revision']),
      isActive: row['is_active'] === 1,
      failingSinceUs: numberOrNull(row['failing_since_us']),
      alarmedAtUs: numberOrNull(row['alarmed_us']),
    }
    const lane = laneOf(query.replayId)
    if (!webhook.isActive || lane === undefined) return { webhook, deliveries: [], nextAtUs: null }
    const key: LaneKey = [Number(row['id']), lane.id]
    if (!lane.isRunning) {
      // Its replay has ended, and nobody came to say so to each.
      ends.cancelAll(dueRows(key, query.limit, times.nowUs), times.nowUs)
      return { webhook, deliveries: [], nextAtUs: firstDueUs(key, times.nowUs) }
    }
    const paces = query.paces.map(({ name, perSecond }) => ({ name, places: paceOf(name, perSecond, times.nowUs) }))
    const deliveries = take(key, query, Math.min(query.limit, ...paces.map(({ places }) => places.count)), times)
    const nextPlacesUs = paces.map(({ name, places }) => {
      const nextUs = placeAfter(places, deliveries.length)
      if (deliveries.length > 0) sql.setPace.run(name, nextUs)
      return nextUs
    })
    const dueUs = firstDueUs(key, times.nowUs)
    return { webhook, deliveries, nextAtUs: dueUs === null ? null : Math.max(dueUs, ...nextPlacesUs) }
  }

  function laneOf(replayId: string | null): { id: number; isRunning: boolean } | undefined {
    if (replayId === null) return { id: 0, isRunning: true }
    const row = sql.replay.get(replayId)
    return row && { id: Number(row['id']), isRunning: row['is_running'] === 1 }
  }

  function paceOf(name: string, perSecond: number, nowUs: number): Places {
    const row = sql.pace.get(name)
    return placesOf(row && Number(row['next_us']), perSecond, nowUs)
  }

  function take(key: LaneKey, query: ClaimQuery, limit: number, times: BatchTimes): ClaimedDelivery[] {
    const deliveries: ClaimedDelivery[] = []
    let bytes = 0
    for (const row of dueRows(key, limit, times.nowUs)) {
      const event = eventOf(row, times)
      const seq = Number(row['seq'])
      if (event === undefined) {
        ends.cancelAll([row], times.nowUs)
        continue
      }
      bytes += eventBytes(event)
      if (deliveries.length > 0 && bytes > query.maxBytes) break
      sql.take.run(query.heldUntilUs, seq)
      deliveries.push({
        deliveryId: eventIdOf(seq, String(row['tail'])),
        event,
        replayId: query.replayId ?? replayName(row['replay']),
        createdAtUs: timeOf(seq, String(row['tail'])),
        attemptCount: Number(row['attempt_count']),
        scheduleStart: Number(row['schedule_start']),
      })
    }
    return deliveries
  }

  function dueRows(key: LaneKey, limit: number, nowUs: number): Row[] {
    if (limit === 0) return []
    const rows = sql.due.all(...key, nowUs, limit)
    return rows.length === limit ? rows : [...rows, ...sql.tooFarAhead.all(...key, farthestUs(nowUs), limit - rows.length)]
  }

  function eventOf(row: Row, times: BatchTimes): EventRecord | undefined {
    if (row['own_event'] !== null) return ownEventOf(row['own_event'])
    const [workspace, address] = [Number(row['workspace']), { seq: Number(row['event_seq']), tail: String(row['event_tail']) }]
    const event = findEvent(workspace, address, ({ seq, tail }) => sql.event.get(seq, tail, workspace, times.eventsExpiredUs))
    return event && eventRecordOf(event)
  }

  /** Of a delivery that has left its replay's lane. */
  function replayName(replay: unknown): string | null {
    const row = replay === null ? undefined : sql.replayName.get(Number(replay))
    return row === undefined ? null : String(row['replay_id'])
  }

  /** When the lane's first is due, or the hold of one that is under way ends. */
  function firstDueUs(key: LaneKey, nowUs: number): number | null {
    const first = sql.firstDue.get(...key)
    if (first === undefined) return null
    const dueUs = Number(first['due_us'])
    return dueUs > nowUs && sql.isTooFarAhead.get(...key, farthestUs(nowUs)) !== undefined ? nowUs : dueUs
  }

  return {
    claimDeliveries,
    sweep(nowUs: number): void {
      sql.forgetPaces.run(nowUs - PACE_KEPT_US, nowUs + PACE_KEPT_US)
    },
  }
}

type LaneKey = [webhook: number, lane: number]
type Row = Record<string, unknown>

function numberOrNull(value: unknown): number | null {
  return value === null ? null : Number(value)
}
