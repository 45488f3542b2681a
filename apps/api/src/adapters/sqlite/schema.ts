import type { DatabaseSync } from 'node:sqlite'

/**
 * The migrations, oldest first; `user_version` counts those applied. A released one is never edited.
 *
 * `seq` is `created_at` in microseconds, unique and rising in commit order across the whole file: the row's key, the
 * cursor's position and, through the id's codec, the way from an event id to its row. Of rows that came from another store it may be a place
 * near that time: see `places.ts`.
 */
const MIGRATIONS = [
  `
  CREATE TABLE workspaces (id INTEGER PRIMARY KEY, workspace_id TEXT NOT NULL UNIQUE) STRICT;
  -- The last seq ever given, so that none is given again when the clock steps back or the newest event is deleted.
  CREATE TABLE commit_clock (id INTEGER PRIMARY KEY CHECK (id = 1), last_seq INTEGER NOT NULL) STRICT;
  INSERT INTO commit_clock VALUES (1, 0);
  CREATE TABLE data_keys (name TEXT PRIMARY KEY, key BLOB NOT NULL) STRICT, WITHOUT ROWID;

  CREATE TABLE events (
    seq INTEGER PRIMARY KEY,
    tail TEXT NOT NULL,
    workspace INTEGER NOT NULL,
    status INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    -- Equal to seq while pending: an ack then keeps the row's length, and SQLite overwrites it in place.
    acknowledged_us INTEGER NOT NULL,
    source TEXT NOT NULL,
    event_type TEXT NOT NULL,
    metadata TEXT NOT NULL,
    payload TEXT NOT NULL
  ) STRICT;
  -- Each ends with seq, the rowid. The inbox without filters merges the three priorities' ranges.
  CREATE INDEX events_pending ON events (workspace, priority) WHERE status = 0;
  CREATE INDEX events_acknowledged ON events (workspace, priority) WHERE status = 1;
  CREATE INDEX events_source ON events (workspace, source, status);
  CREATE INDEX events_type ON events (workspace, event_type, status);
  CREATE TABLE event_metadata (
    workspace INTEGER NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    status INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (workspace, key, value, status, seq)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE idempotency (
    seq INTEGER PRIMARY KEY,
    tail TEXT NOT NULL,
    workspace INTEGER NOT NULL,
    key TEXT NOT NULL,
    fingerprint BLOB NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX idempotency_key ON idempotency (workspace, key);
  `,
  `
  CREATE TABLE api_keys (
    key_id TEXT NOT NULL UNIQUE,
    workspace INTEGER NOT NULL,
    created_us INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    last_used_us INTEGER,
    record TEXT NOT NULL
  ) STRICT;
  CREATE INDEX api_keys_workspace ON api_keys (workspace, created_us, key_id);
  CREATE INDEX api_keys_created ON api_keys (created_us, key_id);
  CREATE TABLE api_key_hashes (hash TEXT PRIMARY KEY, key_id TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE INDEX api_key_hashes_key ON api_key_hashes (key_id);

  -- seq is the entry's time in microseconds, unique and rising; the workspace is null for the whole installation.
  CREATE TABLE audit_log (
    seq INTEGER PRIMARY KEY,
    tail TEXT NOT NULL,
    workspace INTEGER,
    action TEXT NOT NULL,
    entry TEXT NOT NULL
  ) STRICT;
  CREATE INDEX audit_log_workspace ON audit_log (workspace);
  CREATE INDEX audit_log_action ON audit_log (workspace, action);

  CREATE TABLE signatures (signature TEXT PRIMARY KEY, expires_us INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  CREATE INDEX signatures_expiry ON signatures (expires_us);
  `,
  `
  -- created_us is a place in the commit order of events: a webhook gets those behind it. Deleted ones stay until their deliveries are gone.
  CREATE TABLE webhooks (
    id INTEGER PRIMARY KEY,
    webhook_id TEXT NOT NULL UNIQUE,
    workspace INTEGER NOT NULL,
    created_us INTEGER NOT NULL,
    is_active INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    failing_since_us INTEGER,
    alarmed_us INTEGER,
    deleted_us INTEGER,
    record TEXT NOT NULL
  ) STRICT;
  CREATE INDEX webhooks_workspace ON webhooks (workspace, created_us) WHERE deleted_us IS NULL;
  CREATE INDEX webhooks_created ON webhooks (created_us) WHERE deleted_us IS NULL;
  CREATE INDEX webhooks_deleted ON webhooks (deleted_us) WHERE deleted_us IS NOT NULL;

  -- How far events have been fanned out, and a count of the writes of webhooks.
  CREATE TABLE outbox (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    mark_seq INTEGER NOT NULL,
    webhooks_version INTEGER NOT NULL
  ) STRICT;
  INSERT INTO outbox SELECT 1, last_seq, 0 FROM commit_clock;

  -- seq and tail make the id, as an event's do. lane is 0, or the id of a replay. due_us is when a pending one is due; while a worker has it
  -- (held = 1), when its hold ends. completed_us is seq while it is open: ending it then keeps the row's length. event_seq is 0 for an event
  -- of our own, which is own_event.
  CREATE TABLE deliveries (
    seq INTEGER PRIMARY KEY,
    tail TEXT NOT NULL,
    workspace INTEGER NOT NULL,
    webhook INTEGER NOT NULL,
    lane INTEGER NOT NULL,
    status INTEGER NOT NULL,
    due_us INTEGER NOT NULL,
    held INTEGER NOT NULL,
    attempt_count INTEGER NOT NULL,
    schedule_start INTEGER NOT NULL,
    completed_us INTEGER NOT NULL,
    event_seq INTEGER NOT NULL,
    event_tail TEXT NOT NULL,
    replay INTEGER,
    event_type TEXT NOT NULL,
    own_event TEXT
  ) STRICT;
  CREATE INDEX deliveries_due ON deliveries (webhook, lane, due_us) WHERE status = 0;
  CREATE INDEX deliveries_webhook ON deliveries (webhook, status);
  CREATE INDEX deliveries_held ON deliveries (webhook, lane) WHERE status = 3;
  CREATE INDEX deliveries_event ON deliveries (event_seq, webhook);
  CREATE TABLE attempts (
    delivery INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    record TEXT NOT NULL,
    PRIMARY KEY (delivery, attempt)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE paces (name TEXT PRIMARY KEY, next_us INTEGER NOT NULL) STRICT, WITHOUT ROWID;

  CREATE TABLE replays (
    id INTEGER PRIMARY KEY,
    replay_id TEXT NOT NULL UNIQUE,
    webhook INTEGER NOT NULL,
    created_us INTEGER NOT NULL,
    status INTEGER NOT NULL,
    matched INTEGER NOT NULL,
    enqueued INTEGER NOT NULL,
    delivered INTEGER NOT NULL,
    dead INTEGER NOT NULL,
    cancelled INTEGER NOT NULL,
    is_walked INTEGER NOT NULL,
    completed_us INTEGER,
    position TEXT,
    record TEXT NOT NULL
  ) STRICT;
  CREATE INDEX replays_webhook ON replays (webhook, created_us);
  CREATE INDEX replays_walking ON replays (id) WHERE status = 0 AND is_walked = 0;

  -- dead_us: when it was given up.
  CREATE TABLE jobs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    visible_us INTEGER NOT NULL,
    receive_count INTEGER NOT NULL,
    dead_us INTEGER,
    job TEXT NOT NULL
  ) STRICT;
  CREATE INDEX jobs_visible ON jobs (visible_us) WHERE dead_us IS NULL;
  CREATE INDEX jobs_dead ON jobs (dead_us) WHERE dead_us IS NOT NULL;
  `,
  `
  -- The places of rows that came from another store and do not stand at their time: their tail is their whole id; here it is split as an address.
  CREATE TABLE event_places (
    workspace INTEGER NOT NULL,
    created_us INTEGER NOT NULL,
    tail TEXT NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (workspace, created_us, tail)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE delivery_places (
    created_us INTEGER NOT NULL,
    tail TEXT NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (created_us, tail)
  ) STRICT, WITHOUT ROWID;
  `,
  `
  -- Metadata of new events that event_metadata does not have yet, in the order in which they came: see metadata-index.ts.
  CREATE TABLE event_metadata_new (
    seq INTEGER NOT NULL,
    key TEXT NOT NULL,
    workspace INTEGER NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (seq, key)
  ) STRICT, WITHOUT ROWID;
  `,
  `
  -- 0 while these two indexes do not have the event yet; nothing up to indexed_seq is: see field-indexes.ts.
  ALTER TABLE events ADD COLUMN is_indexed INTEGER NOT NULL DEFAULT 1;
  ALTER TABLE commit_clock ADD COLUMN indexed_seq INTEGER NOT NULL DEFAULT 0;
  UPDATE commit_clock SET indexed_seq = last_seq;
  DROP INDEX events_source;
  DROP INDEX events_type;
  CREATE INDEX events_source ON events (workspace, source, status) WHERE is_indexed = 1;
  CREATE INDEX events_type ON events (workspace, event_type, status) WHERE is_indexed = 1;
  `,
]

/**
 * Brings the file to this program's schema, each migration in a transaction of its own.
 * @throws Error, with the file untouched, when a newer program has written it
 */
export function migrate(db: DatabaseSync): void {
  for (;;) {
    if (schemaVersion(db) === MIGRATIONS.length) return
    db.exec('BEGIN EXCLUSIVE')
    try {
      const version = schemaVersion(db)
      if (version > MIGRATIONS.length) {
        throw new Error(
          `The data was written by a newer version of Triggers (schema ${version}; this program knows ${MIGRATIONS.length}). ` +
            'Start that version or a later one, or set DATA_DIR to another directory.',
        )
      }
      const next = MIGRATIONS[version]
      if (next !== undefined) db.exec(`${next}; PRAGMA user_version = ${version + 1}`)
      db.exec('COMMIT')
    } catch (error) {
      if (db.isTransaction) db.exec('ROLLBACK')
      throw error
    }
  }
}

function schemaVersion(db: DatabaseSync): number {
  return Number(db.prepare('PRAGMA user_version').get()?.['user_version'])
}
