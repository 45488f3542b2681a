import { DELIVERY_STATUSES } from '../../webhook-ports.ts'

/** The writer's statements on events that come in. */
export const MOVE_EVENTS = {
  mark: 'SELECT mark_seq FROM outbox',
  moveMark: 'UPDATE outbox SET mark_seq = ?',
  newest: 'SELECT max(seq) AS seq FROM events',
  at: 'SELECT workspace, tail FROM events WHERE seq = ?',
  place: 'SELECT 1 FROM event_places WHERE workspace = ? AND created_us = ? AND tail = ?',
  placeBefore:
    'SELECT seq FROM event_places WHERE workspace = ? AND (created_us, tail) < (?, ?) ORDER BY created_us DESC, tail DESC LIMIT 1',
  from: 'SELECT seq, workspace FROM events WHERE seq >= ? ORDER BY seq LIMIT ?',
  insert:
    'INSERT INTO events (seq, tail, workspace, status, priority, acknowledged_us, source, event_type, metadata, payload) ' +
    'VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
  insertTerm: 'INSERT INTO event_metadata (workspace, key, value, status, seq) VALUES (?, ?, ?, ?, ?)',
  setPlace:
    'INSERT INTO event_places (workspace, created_us, tail, seq) VALUES (?, ?, ?, ?) ' +
    'ON CONFLICT (workspace, created_us, tail) DO UPDATE SET seq = excluded.seq',
  toMove: 'SELECT tail, status, metadata FROM events WHERE seq = ?',
  move: 'UPDATE events SET seq = ?, tail = ? WHERE seq = ?',
  moveTerm: 'UPDATE event_metadata SET seq = ? WHERE workspace = ? AND key = ? AND value = ? AND status = ? AND seq = ?',
} as const

/** The same on all else. */
export const MOVE_WRITES = {
  findIdempotencyKey: 'SELECT seq FROM idempotency WHERE workspace = ? AND key = ?',
  forgetIdempotencyKey: 'DELETE FROM idempotency WHERE seq = ?',
  idempotencyFrom: 'SELECT seq FROM idempotency WHERE seq >= ? ORDER BY seq LIMIT ?',
  insertIdempotencyKey: 'INSERT INTO idempotency (seq, tail, workspace, key, fingerprint) VALUES (?, ?, ?, ?, ?)',
  findApiKey: 'SELECT workspace FROM api_keys WHERE key_id = ?',
  ownerOfHash: 'SELECT key_id FROM api_key_hashes WHERE hash = ?',
  insertApiKey: 'INSERT INTO api_keys (key_id, workspace, created_us, revision, last_used_us, record) VALUES (?, ?, ?, ?, ?, ?)',
  insertHash: 'INSERT INTO api_key_hashes (hash, key_id) VALUES (?, ?)',
  findWebhook: 'SELECT id, workspace FROM webhooks WHERE webhook_id = ?',
  insertWebhook:
    'INSERT INTO webhooks (webhook_id, workspace, created_us, is_active, revision, failing_since_us, alarmed_us, record) ' +
    'VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
  countChange: 'UPDATE outbox SET webhooks_version = webhooks_version + 1',
  findReplay: 'SELECT id, webhook FROM replays WHERE replay_id = ?',
  insertReplay:
    'INSERT INTO replays (replay_id, webhook, created_us, status, matched, enqueued, delivered, dead, cancelled, is_walked, completed_us, ' +
    'position, record) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
  deliveryAt: 'SELECT webhook, tail FROM deliveries WHERE seq = ?',
  deliveryPlace: 'SELECT seq FROM delivery_places WHERE created_us = ? AND tail = ?',
  deliveriesFrom: 'SELECT seq FROM deliveries WHERE seq >= ? ORDER BY seq LIMIT ?',
  insertDelivery:
    'INSERT INTO deliveries (seq, tail, workspace, webhook, lane, status, due_us, held, attempt_count, schedule_start, completed_us, ' +
    'event_seq, event_tail, replay, event_type, own_event) VALUES (?, ?, ?, ?, ?, ?, ?, 0, ?, ?, ?, ?, ?, ?, ?, ?)',
  setDeliveryPlace: 'INSERT INTO delivery_places (created_us, tail, seq) VALUES (?, ?, ?)',
  insertAttempt: 'INSERT INTO attempts (delivery, attempt, record) VALUES (?, ?, ?)',
  entryAt: 'SELECT tail, workspace FROM audit_log WHERE seq = ?',
  insertEntry: 'INSERT INTO audit_log (seq, tail, workspace, action, entry) VALUES (?, ?, ?, ?, ?)',
} as const

const WALK = 'SELECT seq FROM deliveries INDEXED BY deliveries_webhook WHERE webhook = ?1 AND seq > ?2'

/** The reader's statements. */
export const MOVE_READS = {
  webhook: 'SELECT id FROM webhooks WHERE webhook_id = ? AND workspace = ?',
  // The index has each status in a range of its own; SQLite merges them.
  deliveries: `${DELIVERY_STATUSES.map((_, status) => `${WALK} AND status = ${status}`).join(' UNION ALL ')} ORDER BY seq LIMIT ?3`,
  lane: 'SELECT lane, schedule_start FROM deliveries WHERE seq = ?',
  idempotency: 'SELECT seq, tail, workspace, key, fingerprint FROM idempotency WHERE seq > ? ORDER BY seq LIMIT ?',
  eventAt: 'SELECT tail FROM events WHERE seq = ? AND workspace = ?',
  placeUpTo:
    'SELECT seq FROM event_places WHERE workspace = ? AND (created_us, tail) <= (?, ?) ORDER BY created_us DESC, tail DESC LIMIT 1',
} as const
