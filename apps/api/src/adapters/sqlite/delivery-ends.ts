import type { DatabaseSync } from 'node:sqlite'
import { prepareAll } from './database.ts'
import { DELIVERY_ENDS, HELD, PENDING } from './delivery-sql.ts'
import { type EventAddress, idAddressOf, isMoved } from './event-id.ts'
import { replayCompletion } from './replay-writer.ts'

type End = 'delivered' | 'dead' | 'cancelled'

/** How deliveries end, within the transaction of what ends them: the replay whose lane they are in counts them. */
export function deliveryEnds(db: DatabaseSync) {
  const sql = prepareAll(db, DELIVERY_ENDS)
  const completeReplayIfDone = replayCompletion(db)
  const counts = { delivered: sql.countDelivered, dead: sql.countDead, cancelled: sql.countCancelled }

  function count(lane: number, end: End, number: number, nowUs: number): void {
    if (lane === 0) return
    counts[end].run(number, lane)
    completeReplayIfDone(lane, nowUs)
  }

  function cancelAll(rows: readonly Record<string, unknown>[], nowUs: number): void {
    const perLane = new Map<number, number>()
    for (const row of rows) {
      const lane = Number(row['lane'])
      sql.cancel.run(nowUs, Number(row['seq']))
      perLane.set(lane, (perLane.get(lane) ?? 0) + 1)
    }
    for (const [lane, number] of perLane) count(lane, 'cancelled', number, nowUs)
  }

  return {
    count,
    /** @param rows with `seq` and `lane` */
    cancelAll,
    /** @param rows with `seq`; they are not counted: they are open still */
    holdAll(rows: readonly Record<string, unknown>[]): void {
      for (const row of rows) sql.hold.run(Number(row['seq']))
    },
    /** For an event that is deleted, or has expired, in this commit. */
    cancelOfEvent(event: EventAddress, nowUs: number): void {
      const rows = sql.openOfEvent.all(event.seq, event.tail)
      if (rows.length > 0) cancelAll(rows, nowUs)
    },
    /** Removes at most `limit` deliveries created before that time, and their attempts; true when there may be more. */
    sweep(expiredUs: number, limit: number, nowUs: number): boolean {
      const rows = sql.expired.all(expiredUs, limit)
      for (const row of rows) {
        const seq = Number(row['seq'])
        if (row['status'] === PENDING || row['status'] === HELD) count(Number(row['lane']), 'cancelled', 1, nowUs)
        sql.removeAttempts.run(seq)
        sql.remove.run(seq)
        const tail = String(row['tail'])
        if (!isMoved(tail)) continue
        const address = idAddressOf(seq, tail)
        sql.removePlace.run(address.seq, address.tail)
      }
      return rows.length === limit
    },
  }
}

export type DeliveryEnds = ReturnType<typeof deliveryEnds>
