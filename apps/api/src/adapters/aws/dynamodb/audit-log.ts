import type { AccessStore, AuditEntry } from '../../../ports.ts'
import { newUuid } from '../../../uuid.ts'
import { auditEntryOf, auditItem, auditPartition } from './audit.ts'
import type { AccessContext } from './context.ts'
import { lowestId } from './ids.ts'

/** Behind every id. */
const BEHIND_ALL = 'g'

/** The audit log: a partition for each workspace, by the ids of the entries. Nothing in it is ever removed. */
export function createAuditLog({
  dynamo,
  commitClock,
  workspaces,
}: AccessContext): Pick<AccessStore, 'listAuditEntries' | 'appendAuditEntry'> {
  return {
    /** One more read unit for each 4 KB that is walked through, those of other actions too. */
    async listAuditEntries({ workspaceId, action, createdAfterUs = 0, createdBeforeUs, limit, after }) {
      const low = lowestId(createdAfterUs)
      const before = createdBeforeUs === undefined ? BEHIND_ALL : lowestId(createdBeforeUs + 1)
      const high = after !== undefined && after < before ? after : before
      const entries: AuditEntry[] = []
      if (low >= high) return { entries, next: null }
      const found = dynamo.queryAll({
        table: 'keys',
        where: 'pk = :pk AND sk BETWEEN :low AND :high',
        ...(action !== undefined && { filter: '#action = :action', names: { action: 'action' } }),
        values: { pk: auditPartition(workspaceId), low, high, ...(action !== undefined && { action }) },
        order: 'desc',
        // With the one where the last page ended, and one more to know whether there is any.
        ...(action === undefined && { limit: limit + 2 }),
      })
      for await (const item of found) {
        if (item.sk === high) continue
        if (entries.length === limit) return { entries, next: entries.at(-1)?.entryId ?? null }
        entries.push(auditEntryOf(workspaceId, item))
      }
      return { entries, next: null }
    },

    async appendAuditEntry(entry) {
      if (entry.workspaceId !== null) await workspaces.findOrMake(entry.workspaceId)
      await dynamo.put('keys', auditItem({ ...entry, entryId: newUuid(commitClock.next()) }))
    },
  }
}
