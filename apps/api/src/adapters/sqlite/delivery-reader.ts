import type { DatabaseSync } from 'node:sqlite'
import { DELIVERY_STATUSES, type DeliveryRecord, type DeliveryStatus, type Lane } from '../../webhook-ports.ts'
import { prepareAll } from './database.ts'
import { deliveriesExpiredUs, deliveryBytes, deliveryOf, farthestUs, statusOf } from './delivery-row.ts'
import { DELIVERY_READS } from './delivery-sql.ts'
import { deliveryFinder } from './places.ts'
import type { BatchTimes, CallOf, DeliveryReaderCalls, InputOf, OutputOf } from './protocol.ts'
import type { Workspaces } from './workspaces.ts'

/** Rows, or lanes, that one call may look at before its page ends early. */
const MAX_EXAMINED = 10_000

/** The reader's part in deliveries: how it answers a call. */
export function deliveryReader(db: DatabaseSync, workspaces: Workspaces) {
  const sql = prepareAll(db, DELIVERY_READS)
  const findDelivery = deliveryFinder(db)

  function getDelivery({ workspaceId, address }: Input<'getDelivery'>, times: BatchTimes): DeliveryRecord | null {
    const workspace = workspaces.find(workspaceId)
    if (workspace === undefined) return null
    const row = findDelivery(address, ({ seq, tail }) => {
      const there = rowOf(seq, workspace, times)
      return there?.['tail'] === tail ? there : undefined
    })
    return row === undefined ? null : deliveryOf(row, sql.attempts.all(Number(row['seq'])), times)
  }

  function listDeliveries(query: Input<'listDeliveries'>, times: BatchTimes): Output<'listDeliveries'> {
    const workspace = workspaces.find(query.workspaceId)
    const walk = walkOf(query)
    const deliveries: DeliveryRecord[] = []
    if (workspace === undefined || walk === undefined) return { deliveries, next: null }
    let below = query.after ?? Number.MAX_SAFE_INTEGER
    let bytes = 0
    for (let examined = 0; examined < MAX_EXAMINED; ) {
      const rows = walk(deliveriesExpiredUs(times), below - 1, query.limit + 1)
      for (const { seq } of rows) {
        const row = rowOf(Number(seq), workspace, times)
        if (row !== undefined && isAskedFor(row, query)) {
          const attempts = sql.attempts.all(Number(seq))
          bytes += deliveryBytes(attempts)
          // One too many: it shows that there is more, and is the next page's first.
          if (deliveries.length === query.limit || (deliveries.length > 0 && bytes > query.maxBytes)) return { deliveries, next: below }
          deliveries.push(deliveryOf(row, attempts, times))
        }
        below = Number(seq)
      }
      if (rows.length <= query.limit) return { deliveries, next: null }
      examined += rows.length
    }
    return { deliveries, next: below }
  }

  /** The seqs to look at, the newest first; undefined for a webhook or event that there never was. */
  function walkOf({
    webhookId,
    event,
    status,
  }: Input<'listDeliveries'>): ((low: number, high: number, limit: number) => Row[]) | undefined {
    if (event !== undefined) return event === null ? undefined : (...range) => sql.ofEvent.all(event.seq, ...range)
    const webhook = webhookId === undefined ? undefined : webhookNumber(webhookId)
    if (webhook === undefined) return undefined
    if (status === undefined) return (...range) => sql.ofWebhook.all(webhook, ...range)
    return (...range) => sql.ofWebhookWithStatus.all(webhook, ...range, DELIVERY_STATUSES.indexOf(status))
  }

  function deliveryStatuses({ webhookId, addresses }: Input<'deliveryStatuses'>): DeliveryStatus[][] {
    const webhook = webhookNumber(webhookId)
    return addresses.map((address) => {
      if (webhook === undefined || address === null) return []
      return sql.statuses.all(address.seq, webhook, address.tail).map(statusOf)
    })
  }

  function listDueLanes({ limit, after }: Input<'listDueLanes'>, { nowUs }: BatchTimes): Output<'listDueLanes'> {
    const lanes: Lane[] = []
    let place = after
    for (let examined = 0; examined < MAX_EXAMINED; examined++) {
      const row = sql.nextLane.get(...place)
      if (row === undefined) return { lanes, next: null }
      const here: LanePlace = [Number(row['webhook']), Number(row['lane'])]
      const isDue = Number(row['due_us']) <= nowUs || sql.isTooFarAhead.get(...here, farthestUs(nowUs)) !== undefined
      if (isDue && lanes.length === limit) return { lanes, next: place }
      const lane = isDue ? laneOf(here) : undefined
      if (lane !== undefined) lanes.push(lane)
      place = here
    }
    return { lanes, next: place }
  }

  function laneOf([webhook, replay]: LanePlace): Lane | undefined {
    const row = sql.lane.get(webhook, replay)
    return row && { webhookId: String(row['webhook_id']), replayId: row['replay_id'] === null ? null : String(row['replay_id']) }
  }

  function rowOf(seq: number, workspace: number, times: BatchTimes): Row | undefined {
    return sql.delivery.get(seq, workspace, times.eventsExpiredUs, deliveriesExpiredUs(times))
  }

  function webhookNumber(webhookId: string): number | undefined {
    const row = sql.webhook.get(webhookId)
    return row && Number(row['id'])
  }

  return (call: CallOf<DeliveryReaderCalls>, times: BatchTimes): unknown => {
    switch (call.type) {
      case 'getDelivery':
        return getDelivery(call.input, times)
      case 'listDeliveries':
        return listDeliveries(call.input, times)
      case 'deliveryStatuses':
        return deliveryStatuses(call.input)
      case 'listDueLanes':
        return listDueLanes(call.input, times)
      default:
        return call satisfies never
    }
  }
}

type Input<K extends keyof DeliveryReaderCalls> = InputOf<DeliveryReaderCalls, K>
type Output<K extends keyof DeliveryReaderCalls> = OutputOf<DeliveryReaderCalls, K>
type Row = Record<string, unknown>
type LanePlace = readonly [webhook: number, lane: number]

function isAskedFor(row: Row, { webhookId, event, status }: Input<'listDeliveries'>): boolean {
  if (event !== undefined && row['event_tail'] !== event?.tail) return false
  if (webhookId !== undefined && row['webhook_id'] !== webhookId) return false
  return status === undefined || statusOf(row) === status
}
