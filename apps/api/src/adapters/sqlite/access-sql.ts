/** What an API key is read as: `storedApiKeyOf` takes it. */
const API_KEY = 'SELECT k.key_id, k.created_us, k.revision, k.last_used_us, k.record FROM api_keys k'
/** What an audit entry is read as: `auditEntryOf` takes it. */
const AUDIT_ENTRY = 'SELECT seq, tail, action, entry FROM audit_log'

/** The writer's statements on workspaces, API keys, the audit log, signatures and data keys. */
export const ACCESS_WRITES = {
  findKey: 'SELECT revision FROM api_keys WHERE key_id = ?',
  ownerOfHash: 'SELECT key_id FROM api_key_hashes WHERE hash = ?',
  saveKey:
    'INSERT INTO api_keys (key_id, workspace, created_us, revision, record) VALUES (?, ?, ?, ?, ?) ON CONFLICT (key_id) DO UPDATE ' +
    'SET workspace = excluded.workspace, created_us = excluded.created_us, revision = excluded.revision, record = excluded.record',
  forgetHashes: 'DELETE FROM api_key_hashes WHERE key_id = ?',
  insertHash: 'INSERT INTO api_key_hashes (hash, key_id) VALUES (?, ?)',
  recordUse: 'UPDATE api_keys SET last_used_us = ?1 WHERE key_id = ?2 AND (last_used_us IS NULL OR last_used_us < ?1)',
  appendEntry:
    'INSERT INTO audit_log (seq, tail, workspace, action, entry) ' +
    'VALUES (max(?, (SELECT coalesce(max(seq), 0) + 1 FROM audit_log)), ?, ?, ?, ?)',
  rememberSignature:
    'INSERT INTO signatures (signature, expires_us) VALUES (?1, ?2) ' +
    'ON CONFLICT (signature) DO UPDATE SET expires_us = ?2 WHERE expires_us <= ?3',
  sweepSignatures:
    'DELETE FROM signatures WHERE signature IN (SELECT signature FROM signatures WHERE expires_us <= ? ORDER BY expires_us LIMIT ?)',
  findDataKey: 'SELECT key FROM data_keys WHERE name = ?',
  insertDataKey: 'INSERT INTO data_keys (name, key) VALUES (?, ?) ON CONFLICT DO NOTHING',
  replaceDataKey: 'UPDATE data_keys SET key = ? WHERE name = ? AND key = ?',
  removeDataKey: 'DELETE FROM data_keys WHERE name = ? AND key = ?',
} as const

/** The reader's statements on the same. */
export const ACCESS_READS = {
  workspaces: 'SELECT workspace_id FROM workspaces WHERE workspace_id > ? ORDER BY workspace_id LIMIT ?',
  key: `${API_KEY} WHERE k.key_id = ?`,
  keyByHash: `${API_KEY} JOIN api_key_hashes h ON h.key_id = k.key_id WHERE h.hash = ?`,
  keys: `${API_KEY} WHERE (created_us, key_id) < (?, ?) ORDER BY created_us DESC, key_id DESC LIMIT ?`,
  keysOfWorkspace: `${API_KEY} WHERE workspace = ? AND (created_us, key_id) < (?, ?) ORDER BY created_us DESC, key_id DESC LIMIT ?`,
  entries: `${AUDIT_ENTRY} WHERE workspace IS ? AND seq BETWEEN ? AND ? ORDER BY seq DESC LIMIT ?`,
  entriesOfAction: `${AUDIT_ENTRY} WHERE workspace IS ? AND action = ? AND seq BETWEEN ? AND ? ORDER BY seq DESC LIMIT ?`,
  dataKeys: 'SELECT name, key FROM data_keys ORDER BY name',
} as const
