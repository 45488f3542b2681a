import type { ApiKeyRecord, AuditEntry, KeyVersion, NewAuditEntry, StoredApiKey } from '../../ports.ts'
import { eventIdOf, timeOf } from './event-id.ts'

/**
 * An API key on its way to the writer. Records cross to the thread as text: what cannot be put into it then fails the one
 * call that brought it, and not the batch.
 */
export interface ApiKeyRow {
  keyId: string
  workspaceId: string
  createdAtUs: number
  revision: number
  versions: readonly Pick<KeyVersion, 'hash' | 'expiresAtUs'>[]
  record: string
}

export function apiKeyRow(record: ApiKeyRecord): ApiKeyRow {
  const { keyId, workspaceId, createdAtUs, revision } = record
  const versions = record.versions.map(({ hash, expiresAtUs }) => ({ hash, expiresAtUs }))
  // Without the two that have columns of their own; a record that was read brings the latter along.
  const text = JSON.stringify({ ...record, revision: undefined, lastUsedAtUs: undefined })
  return { keyId, workspaceId, createdAtUs, revision, versions, record: text }
}

/** @param row as `ACCESS_READS` reads it */
export function storedApiKeyOf(row: Record<string, unknown>): StoredApiKey {
  const record: Omit<ApiKeyRecord, 'revision'> = JSON.parse(String(row['record']))
  const lastUsedUs = row['last_used_us']
  return { ...record, revision: Number(row['revision']), lastUsedAtUs: lastUsedUs === null ? null : Number(lastUsedUs) }
}

/** An audit entry on its way to the writer. */
export type AuditRow = [workspaceId: string | null, action: string, entry: string]

type AuditText = Pick<AuditEntry, 'actor' | 'target' | 'changes' | 'ip' | 'requestId'>

export function auditRow({ workspaceId, action, actor, target, changes, ip, requestId }: NewAuditEntry): AuditRow {
  const text: AuditText = { actor, target, changes, ip, requestId }
  return [workspaceId, action, JSON.stringify(text)]
}

/** @param row as `ACCESS_READS` reads it */
export function auditEntryOf(workspaceId: string | null, row: Record<string, unknown>): AuditEntry {
  const seq = Number(row['seq'])
  const text: AuditText = JSON.parse(String(row['entry']))
  const tail = String(row['tail'])
  return { entryId: eventIdOf(seq, tail), createdAtUs: timeOf(seq, tail), workspaceId, action: String(row['action']), ...text }
}
