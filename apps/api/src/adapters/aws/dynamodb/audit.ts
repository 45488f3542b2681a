import type { AuditEntry, NewAuditEntry } from '../../../ports.ts'
import { newUuid } from '../../../uuid.ts'
import { type Compressed, compressed, textOf } from './compressed.ts'
import { timeOf } from './ids.ts'
import type { Item, Write } from './notation.ts'

/** The partition of a workspace's audit log; null: of the whole installation. */
export const auditPartition = (workspaceId: string | null): string => `audit#${workspaceId ?? ''}`

/** Appends an entry, as part of a transaction. @param createdAtUs its place in the log: of the commit clock */
export function auditWrite(entry: NewAuditEntry, createdAtUs: number): Write {
  return { table: 'keys', put: auditItem({ ...entry, entryId: newUuid(createdAtUs) }) }
}

/** An entry as it is stored. Its time is that of its id. */
export function auditItem({
  entryId,
  workspaceId,
  action,
  actor,
  target,
  changes,
  ip,
  requestId,
}: NewAuditEntry & { entryId: string }): Item {
  const entry: AuditText = { actor, target, changes, ip, requestId }
  return { pk: auditPartition(workspaceId), sk: entryId, action, entry: compressed(JSON.stringify(entry)) }
}

export function auditEntryOf(workspaceId: string | null, item: Item): AuditEntry {
  const stored: Compressed = item['entry']
  const entry: AuditText = JSON.parse(textOf(stored))
  return { entryId: item.sk, createdAtUs: timeOf(item.sk) ?? 0, workspaceId, action: item['action'], ...entry }
}

type AuditText = Pick<AuditEntry, 'actor' | 'target' | 'changes' | 'ip' | 'requestId'>
