import type { DatabaseSync } from 'node:sqlite'
import type { ImportOutcome } from '../../move-ports.ts'
import type { CommitClock } from './commit-clock.ts'
import { prepareAll } from './database.ts'
import { PENDING } from './delivery-sql.ts'
import { eventIdOf } from './event-id.ts'
import type { MovedDelivery, MovedReplay } from './move-protocol.ts'
import { MOVE_WRITES } from './move-sql.ts'
import { firstFree } from './places.ts'

/** How the writer takes in replays and deliveries; a delivery whose place is taken goes to the next free one behind it. */
export function deliveryImporter(db: DatabaseSync, clock: CommitClock) {
  const sql = prepareAll(db, MOVE_WRITES)

  function webhookOf(webhookId: string, workspace: number): number | undefined {
    const row = sql.findWebhook.get(webhookId)
    return row?.['workspace'] === workspace ? Number(row['id']) : undefined
  }

  function importReplay(workspace: number, replay: MovedReplay): ImportOutcome {
    const webhook = webhookOf(replay.webhookId, workspace)
    const found = sql.findReplay.get(replay.replayId)
    if (webhook === undefined) return 'refused'
    if (found !== undefined) return found['webhook'] === webhook ? 'there' : 'refused'
    const { replayId, createdAtUs, status, matched, enqueued, delivered, dead, cancelled, isWalked, completedAtUs, position, record } =
      replay
    const counts = [matched, enqueued, delivered, dead, cancelled]
    sql.insertReplay.run(replayId, webhook, createdAtUs, status, ...counts, Number(isWalked), completedAtUs, position, record)
    return 'written'
  }

  function importDelivery(workspace: number, delivery: MovedDelivery): ImportOutcome {
    const { address, event, ownEvent, replayId, status, eventType, attemptCount, scheduleStart, attempts } = delivery
    const webhook = webhookOf(delivery.webhookId, workspace)
    if (address === null || webhook === undefined || (event === null && ownEvent === null)) return 'refused'
    const { seq, tail } = address
    const at = sql.deliveryAt.get(seq)
    const placed = at?.['tail'] === tail ? at : sql.deliveryAt.get(Number(sql.deliveryPlace.get(seq, tail)?.['seq'] ?? 0))
    if (placed !== undefined) return placed['webhook'] === webhook ? 'there' : 'refused'

    const place = firstFree(sql.deliveriesFrom, seq)
    const found = replayId === null ? undefined : sql.findReplay.get(replayId)
    const replay = found === undefined ? null : Number(found['id'])
    const lane = delivery.isInReplayLane ? (replay ?? 0) : 0
    const dueUs = status === PENDING ? (delivery.dueAtUs ?? seq) : seq
    const [eventSeq, eventTail] = ownEvent === null && event !== null ? [event.seq, event.tail] : [0, '']
    sql.insertDelivery.run(
      ...[place, place === seq ? tail : eventIdOf(seq, tail), workspace, webhook, lane, status, dueUs, attemptCount, scheduleStart],
      ...[delivery.completedAtUs ?? place, eventSeq, eventTail, replay, eventType, ownEvent],
    )
    if (place !== seq) sql.setDeliveryPlace.run(seq, tail, place)
    for (const [attempt, record] of attempts) sql.insertAttempt.run(place, attempt, record)
    clock.pass(place)
    return 'written'
  }

  return { importReplay, importDelivery }
}
