import type { DatabaseSync } from 'node:sqlite'
import { REPLAY_STATUSES, type ReplayRecord } from '../../webhook-ports.ts'
import type { AuditRow } from './access-row.ts'
import { prepareAll } from './database.ts'
import type { DeliveryEnds } from './delivery-ends.ts'
import type { InsertDeliveries } from './delivery-insert.ts'
import { addressOf } from './event-id.ts'
import type { CallOf, InputOf, ReplayWriterCalls } from './protocol.ts'
import { replayOf } from './replay-row.ts'
import { COMPLETE_REPLAY, REPLAY_WRITES } from './replay-sql.ts'

const CANCELLED_AT_ONCE = {
  status: REPLAY_STATUSES.indexOf('cancelled'),
  matched: 0,
  enqueued: 0,
  delivered: 0,
  dead: 0,
  cancelled: 0,
  is_walked: 0,
  position: null,
}

/** What the writer's other parts do for this one, within the same transaction. */
export interface ReplayWriterParts {
  appendAuditEntry(entry: AuditRow, nowUs: number): void
  insertDeliveries: InsertDeliveries
  cancelDeliveries: DeliveryEnds['cancelAll']
}

/**
 * How a replay completes: to be called, within the transaction, after every change of its counts. It does nothing while the replay's
 * walk is under way or a delivery is open, nor when the replay has ended.
 * @returns a function of the replay's number in the file
 */
export function replayCompletion(db: DatabaseSync): (replay: number, nowUs: number) => void {
  const complete = db.prepare(COMPLETE_REPLAY)
  return (replay, nowUs) => {
    complete.run(nowUs, replay)
  }
}

/** The writer's part in replays. Each call looks for every conflict before it writes anything: its neighbours in the batch stay. */
export function replayWriter(db: DatabaseSync, parts: ReplayWriterParts) {
  const sql = prepareAll(db, REPLAY_WRITES)
  const completeReplayIfDone = replayCompletion(db)

  function createReplay({ replay, audit }: Input<'createReplay'>, nowUs: number): ReplayRecord {
    const webhook = sql.webhook.get(replay.webhookId)
    // Deleted a moment ago: this one ended with the others of its webhook.
    if (webhook === undefined) return replayOf({ ...CANCELLED_AT_ONCE, created_us: nowUs, completed_us: nowUs, record: replay.record })
    sql.insertReplay.run(replay.replayId, Number(webhook['id']), nowUs, replay.record)
    parts.appendAuditEntry(audit, nowUs)
    return saved(replay.replayId)
  }

  function advanceReplay(step: Input<'advanceReplay'>, nowUs: number): ReplayRecord | undefined {
    const found = sql.findRunning.get(step.replayId)
    if (found === undefined || found['position'] !== step.from) return undefined
    const replay = Number(found['id'])
    const enqueued = parts.insertDeliveries(step.deliveries)
    for (const { eventId } of step.deliveries) {
      const address = addressOf(eventId)
      if (address === undefined) continue
      const held = sql.heldDeliveries.all(address.seq, address.tail, Number(found['webhook']))
      parts.cancelDeliveries(held, nowUs)
    }
    sql.advance.run(step.to, step.matched, enqueued, Number(step.isWalked), replay)
    completeReplayIfDone(replay, nowUs)
    return saved(step.replayId)
  }

  function endReplay({ replayId, status, audit }: Input<'endReplay'>, nowUs: number): boolean {
    const { changes } = sql.endReplay.run(REPLAY_STATUSES.indexOf(status), nowUs, replayId)
    if (changes === 0) return false
    if (audit !== null) parts.appendAuditEntry(audit, nowUs)
    return true
  }

  function saved(replayId: string): ReplayRecord {
    const row = sql.savedReplay.get(replayId)
    if (row === undefined) throw new Error(`The replay ${replayId} is missing.`)
    return replayOf(row)
  }

  return {
    handle(call: CallOf<ReplayWriterCalls>, nowUs: number): unknown {
      switch (call.type) {
        case 'createReplay':
          return createReplay(call.input, nowUs)
        case 'advanceReplay':
          return advanceReplay(call.input, nowUs)
        case 'endReplay':
          return endReplay(call.input, nowUs)
        default:
          return call satisfies never
      }
    },
    /** A webhook that is deleted or switched off takes its running replays with it. */
    endReplaysOfWebhook(webhook: number, status: 'cancelled' | 'failed', nowUs: number): void {
      sql.endReplaysOfWebhook.run(REPLAY_STATUSES.indexOf(status), nowUs, webhook)
    },
  }
}

type Input<K extends keyof ReplayWriterCalls> = InputOf<ReplayWriterCalls, K>
