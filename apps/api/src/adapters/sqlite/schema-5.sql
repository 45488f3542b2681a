-- A database as the program of schema 5 has written it: what schema-4.sql has, and an event whose metadata waits for its index. Never edited: files
-- like it exist.
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
CREATE TABLE outbox (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  mark_seq INTEGER NOT NULL,
  webhooks_version INTEGER NOT NULL
) STRICT;
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
CREATE TABLE jobs (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  visible_us INTEGER NOT NULL,
  receive_count INTEGER NOT NULL,
  dead_us INTEGER,
  job TEXT NOT NULL
) STRICT;
CREATE INDEX jobs_visible ON jobs (visible_us) WHERE dead_us IS NULL;
CREATE INDEX jobs_dead ON jobs (dead_us) WHERE dead_us IS NOT NULL;
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
CREATE TABLE event_metadata_new (
  seq INTEGER NOT NULL,
  key TEXT NOT NULL,
  workspace INTEGER NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (seq, key)
) STRICT, WITHOUT ROWID;
INSERT INTO workspaces VALUES (1, 'default');
INSERT INTO workspaces VALUES (2, 'other');
INSERT INTO commit_clock VALUES (1, 1763712000500001);
INSERT INTO data_keys VALUES ('cursor', x'01036f6c6400112233445566778899aabbc7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1');
INSERT INTO events VALUES (1763712000000000, '98ac-5a6889b9f2de', 1, 1, 1, 1763712001000000, 'shop', 'order.placed', '{"priority":"normal","region":"eu"}', '{"order":1}');
INSERT INTO events VALUES (1763712000000001, '82be-8b7f28c051d3', 1, 0, 1, 1763712000000001, 'shop', 'order.placed', '{"priority":"normal","idempotency_key":"order-2"}', '{"order":2}');
INSERT INTO events VALUES (1763712000000002, '8b26-7fb5bf03bc74', 2, 0, 1, 1763712000000002, 'shop', 'order.placed', '{"priority":"normal","region":"us"}', '{"order":3}');
INSERT INTO events VALUES (1763712000000003, '019aa56d-6000-7004-a0f3-77d15c2b9e64', 1, 0, 1, 1763712000000003, 'shop', 'order.placed', '{"priority":"normal","region":"eu"}', '{"order":4}');
INSERT INTO event_places VALUES (1, 1763712000000001, 'a0f3-77d15c2b9e64', 1763712000000003);
INSERT INTO event_metadata_new VALUES (1763712000000003, 'region', 1, 'eu');
INSERT INTO event_metadata VALUES (1, 'region', 'eu', 1, 1763712000000000);
INSERT INTO event_metadata VALUES (2, 'region', 'us', 0, 1763712000000002);
INSERT INTO idempotency VALUES (1763712000000001, '82be-8b7f28c051d3', 1, 'order-2', x'd4735e3a265e16eee03f59718b9b5d03019c07d8b6c51f90da3a666eec13ab35');
INSERT INTO api_keys VALUES ('key_2Yq8Zb3LkVn5', 1, 1763712003000000, 1, 1763712004000000, '{"keyId":"key_2Yq8Zb3LkVn5","workspaceId":"default","name":"shop","scopes":["events:write","events:read"],"rateLimitPerMinute":null,"allowedIps":["10.0.0.0/8"],"requireSignature":true,"signingSecrets":[{"sealed":"AQAAAAEsealed","expiresAtUs":null}],"versions":[{"version":1,"hash":"Zk0hF1mQhash","createdAtUs":1763712003000000,"rotatedAtUs":null,"expiresAtUs":null}],"createdAtUs":1763712003000000,"expiresAtUs":null,"revokedAtUs":null}');
INSERT INTO api_key_hashes VALUES ('Zk0hF1mQhash', 'key_2Yq8Zb3LkVn5');
INSERT INTO audit_log VALUES (1763712003000000, '9c1f-3a7d52e60b48', 1, 'api_key.created', '{"actor":{"type":"operator","keyId":null},"target":{"type":"api_key","id":"key_2Yq8Zb3LkVn5"},"changes":{"name":{"from":null,"to":"shop"}},"ip":null,"requestId":"r-1"}');
INSERT INTO signatures VALUES ('signature-1', 4102444800000000);
INSERT INTO webhooks VALUES (1, '019aa56d-5c18-7000-9f3e-7d1c0a5b2e44', 1, 1763711999000000, 1, 2, NULL, NULL, NULL, '{"webhookId":"019aa56d-5c18-7000-9f3e-7d1c0a5b2e44","workspaceId":"default","url":"https://example.com/hook","events":["*"],"description":null,"filter":null,"headers":null,"rateLimit":null,"retry":"standard","payloadFormat":"event","secrets":[{"sealed":"AQAAAAEsealed","expiresAtUs":null}],"isActive":true,"disabledAtUs":null,"disabledReason":null,"updatedAtUs":1763711999000000}');
INSERT INTO outbox VALUES (1, 1763712000000003, 2);
INSERT INTO deliveries VALUES (1763712000500000, '8d41-6a0c93e7f215', 1, 1, 0, 1, 1763712030500000, 0, 2, 0, 1763712000700000, 1763712000000000, '98ac-5a6889b9f2de', NULL, 'order.placed', NULL);
INSERT INTO deliveries VALUES (1763712000500001, 'b6f0-2c19e4d8a730', 1, 1, 1, 0, 1763712060000000, 0, 0, 0, 1763712000500001, 1763712000000001, '82be-8b7f28c051d3', 1, 'order.placed', NULL);
INSERT INTO attempts VALUES (1763712000500000, 1, '{"attempt":1,"startedAtUs":1763712000510000,"durationMs":12,"statusCode":500,"error":null,"responseBody":"broken","responseTruncated":false,"retryReason":"status_500"}');
INSERT INTO attempts VALUES (1763712000500000, 2, '{"attempt":2,"startedAtUs":1763712000690000,"durationMs":9,"statusCode":200,"error":null,"responseBody":"ok","responseTruncated":false,"retryReason":null}');
INSERT INTO paces VALUES ('replay:019aa56d-6768-7000-a1b2-c3d4e5f60718', 1763712000520000);
INSERT INTO replays VALUES (1, '019aa56d-6768-7000-a1b2-c3d4e5f60718', 1, 1763712001900000, 0, 1, 1, 0, 0, 0, 1, NULL, '{"phase":"walked","after":null}', '{"replayId":"019aa56d-6768-7000-a1b2-c3d4e5f60718","webhookId":"019aa56d-5c18-7000-9f3e-7d1c0a5b2e44","workspaceId":"default","sinceUs":1763700000000000,"untilUs":1763800000000000,"filter":null,"selection":null,"rate":50}');
INSERT INTO jobs VALUES (1, 1763712001900000, 0, NULL, '{"type":"replay","replayId":"019aa56d-6768-7000-a1b2-c3d4e5f60718"}');
PRAGMA user_version = 5;
