import type { DatabaseSync } from 'node:sqlite'
import { DELIVERY_STATUSES, type RecordResult } from '../../webhook-ports.ts'
import { prepareAll } from './database.ts'
import type { DeliveryEnds } from './delivery-ends.ts'
import type { InsertDeliveries } from './delivery-insert.ts'
import type { OutcomeRow } from './delivery-row.ts'
import { ATTEMPT_WRITES, CANCELLED, HELD, PENDING, REPLAY_CANCELLED, RUNNING } from './delivery-sql.ts'
import { deliveryFinder } from './places.ts'

/** Retries by hand have no end; of what came of them the newest are kept. */
const MAX_ATTEMPTS_KEPT = 100

/** How the writer records an attempt. */
export function attemptRecorder(db: DatabaseSync, ends: DeliveryEnds, insertDeliveries: InsertDeliveries) {
  const sql = prepareAll(db, ATTEMPT_WRITES)
  const findDelivery = deliveryFinder(db)

  function record(outcome: OutcomeRow, nowUs: number): RecordResult {
    const { address, attempt } = outcome
    const row = address && findDelivery(address, ({ seq, tail }) => sql.findHeld.get(seq, tail, outcome.heldUntilUs))
    if (!row) return { outcome: 'lost' }
    const seq = Number(row['seq'])
    const lane = Number(row['lane'])
    const webhook = sql.webhook.get(Number(row['webhook']))

    sql.insert.run(seq, attempt, outcome.record)
    if (attempt > MAX_ATTEMPTS_KEPT) sql.forgetOldest.run(seq, attempt - MAX_ATTEMPTS_KEPT)
    const status = outcome.status === PENDING ? statusOfOpen(webhook, lane) : outcome.status
    if (status === PENDING) sql.wait.run(outcome.dueAtUs ?? nowUs, attempt, seq)
    else sql.end.run(status, attempt, status === HELD ? 0 : nowUs, seq)
    const end = DELIVERY_STATUSES[status]
    if (end === 'delivered' || end === 'dead' || end === 'cancelled') ends.count(lane, end, 1, nowUs)

    insertDeliveries(outcome.ownDeliveries)
    if (webhook === undefined) return { outcome: 'recorded', failingSinceUs: null }
    if (outcome.succeeded && webhook['alarmed_us'] !== null) insertDeliveries(outcome.recoveredDeliveries)
    return { outcome: 'recorded', failingSinceUs: recordHealth(Number(row['webhook']), webhook, outcome, nowUs) }
  }

  /** What becomes of one that would be tried again. */
  function statusOfOpen(webhook: Row | undefined, lane: number): number {
    if (webhook === undefined || webhook['deleted_us'] !== null) return CANCELLED
    const replay = lane === 0 ? RUNNING : sql.replay.get(lane)?.['status']
    if (replay === REPLAY_CANCELLED) return CANCELLED
    if (webhook['is_active'] !== 1) return HELD
    return replay === RUNNING ? PENDING : CANCELLED
  }

  /** Writes nothing while all is as it was: most attempts succeed like the one before. */
  function recordHealth(id: number, webhook: Row, { succeeded, alarms, startedAtUs }: OutcomeRow, nowUs: number): number | null {
    const { failing_since_us: failingUs, alarmed_us: alarmedUs } = webhook
    const failingSinceUs = succeeded ? null : Number(failingUs ?? startedAtUs)
    const alarmedAtUs = alarms ? nowUs : succeeded || alarmedUs === null ? null : Number(alarmedUs)
    if (failingSinceUs !== failingUs || alarmedAtUs !== alarmedUs) sql.setHealth.run(failingSinceUs, alarmedAtUs, id)
    return failingSinceUs
  }

  return record
}

type Row = Record<string, unknown>
