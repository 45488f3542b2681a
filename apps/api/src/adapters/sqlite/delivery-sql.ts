import { DELIVERY_STATUSES, REPLAY_STATUSES } from '../../webhook-ports.ts'
import { ROW_COLUMNS } from './list-sql.ts'

export const PENDING = DELIVERY_STATUSES.indexOf('pending')
export const HELD = DELIVERY_STATUSES.indexOf('held')
export const CANCELLED = DELIVERY_STATUSES.indexOf('cancelled')
export const RUNNING = REPLAY_STATUSES.indexOf('running')
export const REPLAY_CANCELLED = REPLAY_STATUSES.indexOf('cancelled')

/** In the order of a lane, from its index; statuses are written out, as SQLite else sees no use for a partial index. */
const OF_LANE = `FROM deliveries INDEXED BY deliveries_due WHERE status = ${PENDING} AND webhook = ? AND lane = ?`
/** What a claim reads. */
const DUE = `SELECT seq, tail, workspace, lane, attempt_count, schedule_start, event_seq, event_tail, replay, own_event ${OF_LANE}`
/** Whether the event of delivery `d` is there, at its time or another place, and has not expired. @param since the parameter with when those that have not begin */
const hasEvent = (since: string) =>
  `(EXISTS (SELECT 1 FROM events e WHERE e.seq = d.event_seq AND e.tail = d.event_tail AND e.seq >= ${since}) OR EXISTS ` +
  '(SELECT 1 FROM event_places p WHERE p.workspace = d.workspace AND p.created_us = d.event_seq AND p.tail = d.event_tail ' +
  `AND p.seq >= ${since}))`
/** Not in a worker's hands: its hold, `now` to `farthest`, has ended. */
const NOT_HELD_NOW = 'NOT (held = 1 AND due_us BETWEEN ? AND ?)'

/** The statements that insert deliveries. */
export const DELIVERY_INSERTS = {
  findActiveWebhook: 'SELECT id, workspace FROM webhooks WHERE webhook_id = ? AND is_active = 1 AND deleted_us IS NULL',
  findReplay: 'SELECT id FROM replays WHERE replay_id = ?',
  insert:
    'INSERT INTO deliveries (seq, tail, workspace, webhook, lane, status, due_us, held, attempt_count, schedule_start, completed_us, ' +
    `event_seq, event_tail, replay, event_type, own_event) VALUES (?1, ?2, ?3, ?4, ?5, ${PENDING}, ?6, 0, 0, 0, ?1, ?7, ?8, ?9, ?10, ?11)`,
} as const

/** The statements that end deliveries. */
export const DELIVERY_ENDS = {
  cancel: `UPDATE deliveries SET status = ${CANCELLED}, held = 0, completed_us = max(seq, ?) WHERE seq = ?`,
  hold: `UPDATE deliveries SET status = ${HELD}, held = 0 WHERE seq = ?`,
  openOfEvent:
    'SELECT seq, lane FROM deliveries INDEXED BY deliveries_event WHERE event_seq = ? AND event_tail = ? ' +
    `AND status IN (${PENDING}, ${HELD})`,
  countDelivered: 'UPDATE replays SET delivered = delivered + ? WHERE id = ?',
  countDead: 'UPDATE replays SET dead = dead + ? WHERE id = ?',
  countCancelled: 'UPDATE replays SET cancelled = cancelled + ? WHERE id = ?',
  expired: 'SELECT seq, tail, lane, status FROM deliveries WHERE seq < ? ORDER BY seq LIMIT ?',
  removeAttempts: 'DELETE FROM attempts WHERE delivery = ?',
  remove: 'DELETE FROM deliveries WHERE seq = ?',
  removePlace: 'DELETE FROM delivery_places WHERE created_us = ? AND tail = ?',
} as const

/** The statements of a claim. */
export const CLAIM = {
  webhook: 'SELECT id, revision, is_active, failing_since_us, alarmed_us FROM webhooks WHERE webhook_id = ? AND deleted_us IS NULL',
  replay: `SELECT id, status = ${RUNNING} AS is_running FROM replays WHERE replay_id = ?`,
  due: `${DUE} AND due_us <= ? ORDER BY due_us, seq LIMIT ?`,
  tooFarAhead: `${DUE} AND due_us > ? ORDER BY due_us, seq LIMIT ?`,
  replayName: 'SELECT replay_id FROM replays WHERE id = ?',
  event: `SELECT ${ROW_COLUMNS} FROM events e WHERE seq = ? AND tail = ? AND workspace = ? AND seq >= ?`,
  take: 'UPDATE deliveries SET held = 1, due_us = ? WHERE seq = ?',
  firstDue: `SELECT due_us ${OF_LANE} ORDER BY due_us LIMIT 1`,
  isTooFarAhead: `SELECT 1 ${OF_LANE} AND due_us > ? LIMIT 1`,
  pace: 'SELECT next_us FROM paces WHERE name = ?',
  setPace: 'INSERT INTO paces (name, next_us) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET next_us = ?2',
  // Every limited lane that was busy of late: few rows, gone through once a sweep.
  forgetPaces: 'DELETE FROM paces WHERE next_us NOT BETWEEN ? AND ?',
} as const

/** The statements that record an attempt. */
export const ATTEMPT_WRITES = {
  findHeld: `SELECT seq, webhook, lane FROM deliveries WHERE seq = ? AND tail = ? AND status = ${PENDING} AND held = 1 AND due_us = ?`,
  webhook: 'SELECT is_active, deleted_us, failing_since_us, alarmed_us FROM webhooks WHERE id = ?',
  setHealth: 'UPDATE webhooks SET failing_since_us = ?, alarmed_us = ? WHERE id = ?',
  replay: 'SELECT status FROM replays WHERE id = ?',
  insert: 'INSERT INTO attempts (delivery, attempt, record) VALUES (?, ?, ?)',
  forgetOldest: 'DELETE FROM attempts WHERE delivery = ? AND attempt <= ?',
  wait: 'UPDATE deliveries SET held = 0, due_us = ?, attempt_count = ? WHERE seq = ?',
  end: 'UPDATE deliveries SET status = ?, held = 0, attempt_count = ?, completed_us = max(seq, ?) WHERE seq = ?',
} as const

/** The statements that move deliveries, on a caller's word. */
export const DELIVERY_MOVES = {
  webhook: 'SELECT id, is_active FROM webhooks WHERE webhook_id = ?',
  replay: 'SELECT id FROM replays WHERE replay_id = ?',
  ofWebhook: `SELECT seq, lane FROM deliveries INDEXED BY deliveries_webhook WHERE webhook = ? AND status = ? AND ${NOT_HELD_NOW} LIMIT ?`,
  pendingOfLane: `SELECT seq, lane ${OF_LANE} AND ${NOT_HELD_NOW} LIMIT ?`,
  heldOfLane: `SELECT seq, lane FROM deliveries INDEXED BY deliveries_held WHERE status = ${HELD} AND webhook = ? AND lane = ? LIMIT ?`,
  forRetry:
    `SELECT d.seq, d.lane, d.status, w.webhook_id, w.is_active, d.own_event IS NOT NULL OR ${hasEvent('?4')} AS has_event ` +
    'FROM deliveries d JOIN webhooks w ON w.id = d.webhook WHERE d.seq = ?1 AND d.tail = ?2 AND d.workspace = ?3 AND d.seq >= ?5',
  retry:
    `UPDATE deliveries SET status = ${PENDING}, lane = 0, due_us = ?, held = 0, schedule_start = attempt_count, completed_us = seq ` +
    'WHERE seq = ?',
} as const

/** What a delivery is read as: `deliveryOf` takes it. Parameters: its seq, its workspace, and since when events and deliveries are kept. */
const DELIVERY =
  'SELECT d.seq, d.tail, w.webhook_id, d.status, d.due_us, d.held, d.attempt_count, d.completed_us, d.event_seq, d.event_tail, ' +
  `r.replay_id, d.event_type, d.own_event, d.status NOT IN (${PENDING}, ${HELD}) OR d.own_event IS NOT NULL OR ${hasEvent('?3')} AS has_event ` +
  'FROM deliveries d JOIN webhooks w ON w.id = d.webhook LEFT JOIN replays r ON r.id = d.replay ' +
  'WHERE d.seq = ?1 AND d.workspace = ?2 AND d.seq >= ?4'

const WALK = 'SELECT seq FROM deliveries INDEXED BY deliveries_webhook WHERE webhook = ?1 AND seq BETWEEN ?2 AND ?3'
const NEWEST_FIRST = 'ORDER BY seq DESC LIMIT ?4'

/** The reader's statements on deliveries. */
export const DELIVERY_READS = {
  delivery: DELIVERY,
  attempts: 'SELECT record FROM attempts WHERE delivery = ? ORDER BY attempt',
  webhook: 'SELECT id FROM webhooks WHERE webhook_id = ?',
  // The index has each status in a range of its own; SQLite merges them.
  ofWebhook: `${DELIVERY_STATUSES.map((_, status) => `${WALK} AND status = ${status}`).join(' UNION ALL ')} ${NEWEST_FIRST}`,
  ofWebhookWithStatus: `${WALK} AND status = ?5 ${NEWEST_FIRST}`,
  // Sorted: an event has few, and the index serves the question below.
  ofEvent: `SELECT seq FROM deliveries INDEXED BY deliveries_event WHERE event_seq = ?1 AND seq BETWEEN ?2 AND ?3 ${NEWEST_FIRST}`,
  statuses: 'SELECT status FROM deliveries INDEXED BY deliveries_event WHERE event_seq = ? AND webhook = ? AND event_tail = ? ORDER BY seq',
  // Without the third column SQLite would go through the whole lane that it begins behind.
  nextLane:
    'SELECT webhook, lane, due_us FROM deliveries INDEXED BY deliveries_due ' +
    `WHERE status = ${PENDING} AND (webhook, lane, due_us) > (?, ?, ${Number.MAX_SAFE_INTEGER}) ORDER BY webhook, lane, due_us LIMIT 1`,
  isTooFarAhead: CLAIM.isTooFarAhead,
  lane: 'SELECT w.webhook_id, r.replay_id FROM webhooks w LEFT JOIN replays r ON r.id = ?2 WHERE w.id = ?1',
} as const
