import { ROW_COLUMNS } from './list-sql.ts'

export const OUTBOX_WRITES = {
  advance: 'UPDATE outbox SET mark_seq = ?2 WHERE mark_seq = ?1',
} as const

export const OUTBOX_READS = {
  state: 'SELECT mark_seq, webhooks_version FROM outbox',
  /** No column that lies behind the type: what is behind it is read for the few that interest. */
  walk: 'SELECT seq, workspace, event_type, tail FROM events WHERE seq BETWEEN ? AND ? ORDER BY seq LIMIT ?',
  event: `SELECT ${ROW_COLUMNS} FROM events e WHERE seq = ?`,
  newest: 'SELECT max(seq) FROM events',
} as const
