import type { DatabaseSync } from 'node:sqlite'
import { claims } from './claim.ts'
import type { CommitClock } from './commit-clock.ts'
import { attemptRecorder } from './delivery-attempts.ts'
import { deliveryEnds } from './delivery-ends.ts'
import { deliveryInserter } from './delivery-insert.ts'
import { deliveryMoves } from './delivery-moves.ts'
import { deliveriesExpiredUs } from './delivery-row.ts'
import { fanOutWriter } from './outbox-writer.ts'
import type { BatchTimes, CallOf, DeliveryWriterCalls } from './protocol.ts'
import type { Workspaces } from './workspaces.ts'

/** The writer's part in the outbox and in deliveries. Each call looks for every conflict before it writes: its neighbours in the batch stay. */
export function deliveryWriter(db: DatabaseSync, workspaces: Workspaces, clock: CommitClock) {
  const insertDeliveries = deliveryInserter(db, clock)
  const ends = deliveryEnds(db)
  const fanOut = fanOutWriter(db, insertDeliveries)
  const { claimDeliveries, sweep: sweepPaces } = claims(db, ends)
  const record = attemptRecorder(db, ends, insertDeliveries)
  const { retryDelivery, moveDeliveries } = deliveryMoves(db, workspaces, ends)

  return {
    handle(call: CallOf<DeliveryWriterCalls>, times: BatchTimes): unknown {
      switch (call.type) {
        case 'fanOut':
          return fanOut(call.input)
        case 'claimDeliveries':
          return claimDeliveries(call.input, times)
        case 'recordAttempts':
          return call.input.map((outcome) => record(outcome, times.nowUs))
        case 'retryDelivery':
          return retryDelivery(call.input, times)
        case 'moveDeliveries':
          return moveDeliveries(call.input, times.nowUs)
        default:
          return call satisfies never
      }
    },
    insertDeliveries,
    cancelOfEvent: ends.cancelOfEvent,
    cancelAll: ends.cancelAll,
    /** Removes at most `limit` expired deliveries; true when there may be more. */
    sweep(times: BatchTimes, limit: number): boolean {
      sweepPaces(times.nowUs)
      return ends.sweep(deliveriesExpiredUs(times), limit, times.nowUs)
    },
  }
}
