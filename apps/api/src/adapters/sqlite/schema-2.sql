-- A database as the program of schema 2 has written it: what schema-1.sql has, the cursor key sealed meanwhile, and an API key with its audit
-- entry and a remembered signature. Never edited: files like it exist.
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
INSERT INTO workspaces VALUES (1, 'default');
INSERT INTO workspaces VALUES (2, 'other');
INSERT INTO commit_clock VALUES (1, 1763712000000002);
INSERT INTO data_keys VALUES ('cursor', x'01036f6c6400112233445566778899aabbc7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1');
INSERT INTO events VALUES (1763712000000000, '98ac-5a6889b9f2de', 1, 1, 1, 1763712001000000, 'shop', 'order.placed', '{"priority":"normal","region":"eu"}', '{"order":1}');
INSERT INTO events VALUES (1763712000000001, '82be-8b7f28c051d3', 1, 0, 1, 1763712000000001, 'shop', 'order.placed', '{"priority":"normal","idempotency_key":"order-2"}', '{"order":2}');
INSERT INTO events VALUES (1763712000000002, '8b26-7fb5bf03bc74', 2, 0, 1, 1763712000000002, 'shop', 'order.placed', '{"priority":"normal","region":"us"}', '{"order":3}');
INSERT INTO event_metadata VALUES (1, 'region', 'eu', 1, 1763712000000000);
INSERT INTO event_metadata VALUES (2, 'region', 'us', 0, 1763712000000002);
INSERT INTO idempotency VALUES (1763712000000001, '82be-8b7f28c051d3', 1, 'order-2', x'd4735e3a265e16eee03f59718b9b5d03019c07d8b6c51f90da3a666eec13ab35');
INSERT INTO api_keys VALUES ('key_2Yq8Zb3LkVn5', 1, 1763712003000000, 1, 1763712004000000, '{"keyId":"key_2Yq8Zb3LkVn5","workspaceId":"default","name":"shop","scopes":["events:write","events:read"],"rateLimitPerMinute":null,"allowedIps":["10.0.0.0/8"],"requireSignature":true,"signingSecrets":[{"sealed":"AQAAAAEsealed","expiresAtUs":null}],"versions":[{"version":1,"hash":"Zk0hF1mQhash","createdAtUs":1763712003000000,"rotatedAtUs":null,"expiresAtUs":null}],"createdAtUs":1763712003000000,"expiresAtUs":null,"revokedAtUs":null}');
INSERT INTO api_key_hashes VALUES ('Zk0hF1mQhash', 'key_2Yq8Zb3LkVn5');
INSERT INTO audit_log VALUES (1763712003000000, '9c1f-3a7d52e60b48', 1, 'api_key.created', '{"actor":{"type":"operator","keyId":null},"target":{"type":"api_key","id":"key_2Yq8Zb3LkVn5"},"changes":{"name":{"from":null,"to":"shop"}},"ip":null,"requestId":"r-1"}');
INSERT INTO signatures VALUES ('signature-1', 4102444800000000);
PRAGMA user_version = 2;
