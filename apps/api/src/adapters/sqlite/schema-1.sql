-- A database as the program of schema 1 has written it: one event acknowledged, one pending with an idempotency key, one of
-- another workspace, and the plain key that signs cursors. Never edited: files like it exist.
CREATE TABLE workspaces (id INTEGER PRIMARY KEY, workspace_id TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE commit_clock (id INTEGER PRIMARY KEY CHECK (id = 1), last_seq INTEGER NOT NULL) STRICT;
CREATE TABLE data_keys (name TEXT PRIMARY KEY, key BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE events (
  seq INTEGER PRIMARY KEY,
  tail TEXT NOT NULL,
  workspace INTEGER NOT NULL,
  status INTEGER NOT NULL,
  priority INTEGER NOT NULL,
  acknowledged_us INTEGER NOT NULL,
  source TEXT NOT NULL,
  event_type TEXT NOT NULL,
  metadata TEXT NOT NULL,
  payload TEXT NOT NULL
) STRICT;
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
INSERT INTO workspaces VALUES (1, 'default');
INSERT INTO workspaces VALUES (2, 'other');
INSERT INTO commit_clock VALUES (1, 1763712000000002);
INSERT INTO data_keys VALUES ('cursor', x'030a11181f262d343b424950575e656c737a81888f969da4abb2b9c0c7ced5dc');
INSERT INTO events VALUES (1763712000000000, '98ac-5a6889b9f2de', 1, 1, 1, 1763712001000000, 'shop', 'order.placed', '{"priority":"normal","region":"eu"}', '{"order":1}');
INSERT INTO events VALUES (1763712000000001, '82be-8b7f28c051d3', 1, 0, 1, 1763712000000001, 'shop', 'order.placed', '{"priority":"normal","idempotency_key":"order-2"}', '{"order":2}');
INSERT INTO events VALUES (1763712000000002, '8b26-7fb5bf03bc74', 2, 0, 1, 1763712000000002, 'shop', 'order.placed', '{"priority":"normal","region":"us"}', '{"order":3}');
INSERT INTO event_metadata VALUES (1, 'region', 'eu', 1, 1763712000000000);
INSERT INTO event_metadata VALUES (2, 'region', 'us', 0, 1763712000000002);
INSERT INTO idempotency VALUES (1763712000000001, '82be-8b7f28c051d3', 1, 'order-2', x'd4735e3a265e16eee03f59718b9b5d03019c07d8b6c51f90da3a666eec13ab35');
PRAGMA user_version = 1;
