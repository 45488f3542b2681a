import { type NewReplay, REPLAY_STATUSES, type ReplayRecord } from '../../webhook-ports.ts'

/** A replay on its way to the writer, as text for the reason that `WebhookRow` gives. */
export interface ReplayRow {
  replayId: string
  webhookId: string
  record: string
}

export function replayRow(replay: NewReplay): ReplayRow {
  return { replayId: replay.replayId, webhookId: replay.webhookId, record: JSON.stringify(replay) }
}

/** @param row as `REPLAY_READS` reads it */
export function replayOf(row: Record<string, unknown>): ReplayRecord {
  const replay: NewReplay = JSON.parse(String(row['record']))
  const { position, completed_us: completedUs } = row
  return {
    ...replay,
    status: REPLAY_STATUSES[Number(row['status'])] ?? 'running',
    matched: Number(row['matched']),
    enqueued: Number(row['enqueued']),
    delivered: Number(row['delivered']),
    dead: Number(row['dead']),
    cancelled: Number(row['cancelled']),
    position: position === null ? null : String(position),
    isWalked: row['is_walked'] === 1,
    createdAtUs: Number(row['created_us']),
    completedAtUs: completedUs === null ? null : Number(completedUs),
  }
}
