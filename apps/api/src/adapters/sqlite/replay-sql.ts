import { DELIVERY_STATUSES, REPLAY_STATUSES } from '../../webhook-ports.ts'

const RUNNING = REPLAY_STATUSES.indexOf('running')
const COMPLETED = REPLAY_STATUSES.indexOf('completed')
const HELD_DELIVERY = DELIVERY_STATUSES.indexOf('held')

/** What a replay is read as: `replayOf` takes it. */
const REPLAY =
  'SELECT r.id, r.created_us, r.status, r.matched, r.enqueued, r.delivered, r.dead, r.cancelled, r.is_walked, r.completed_us, r.position, ' +
  'r.record FROM replays r'

/** The writer's statements on replays. */
export const REPLAY_WRITES = {
  webhook: 'SELECT id FROM webhooks WHERE webhook_id = ? AND deleted_us IS NULL',
  insertReplay:
    'INSERT INTO replays (replay_id, webhook, created_us, status, matched, enqueued, delivered, dead, cancelled, is_walked, record) ' +
    'VALUES (?1, ?2, max(?3, (SELECT coalesce(max(created_us), 0) + 1 FROM replays WHERE webhook = ?2)), ' +
    `${RUNNING}, 0, 0, 0, 0, 0, 0, ?4)`,
  savedReplay: `${REPLAY} WHERE r.replay_id = ?`,
  // Only what still runs, and only while its webhook can be sent to.
  findRunning:
    'SELECT r.id, r.webhook, r.position FROM replays r JOIN webhooks w ON w.id = r.webhook ' +
    `WHERE r.replay_id = ? AND r.status = ${RUNNING} AND w.is_active = 1 AND w.deleted_us IS NULL`,
  advance: 'UPDATE replays SET position = ?, matched = matched + ?, enqueued = enqueued + ?, is_walked = ? WHERE id = ?',
  heldDeliveries:
    'SELECT seq, lane FROM deliveries INDEXED BY deliveries_event ' +
    `WHERE event_seq = ? AND event_tail = ? AND webhook = ? AND status = ${HELD_DELIVERY}`,
  endReplay: `UPDATE replays SET status = ?, completed_us = max(created_us, ?) WHERE replay_id = ? AND status = ${RUNNING}`,
  endReplaysOfWebhook: `UPDATE replays SET status = ?, completed_us = max(created_us, ?) WHERE webhook = ? AND status = ${RUNNING}`,
} as const

export const COMPLETE_REPLAY =
  `UPDATE replays SET status = ${COMPLETED}, completed_us = max(created_us, ?) ` +
  `WHERE id = ? AND status = ${RUNNING} AND is_walked = 1 AND delivered + dead + cancelled >= enqueued`

/** The reader's statements on the same. */
export const REPLAY_READS = {
  replay: `${REPLAY} WHERE r.replay_id = ?`,
  replays: `${REPLAY} JOIN webhooks w ON w.id = r.webhook WHERE w.webhook_id = ? AND (r.created_us, r.id) < (?, ?) ORDER BY r.created_us DESC, r.id DESC LIMIT ?`,
  running: `SELECT id, replay_id FROM replays INDEXED BY replays_walking WHERE status = ${RUNNING} AND is_walked = 0 AND id > ? ORDER BY id LIMIT ?`,
} as const
