import type { NewAuditEntry, Principal } from '../ports.ts'

/** Who asks for a change, and from where. */
export interface ChangedBy {
  /** Null: the operator. */
  principal: Principal | null
  ip: string | null
  requestId: string | null
}

type Change = Pick<NewAuditEntry, 'workspaceId' | 'action' | 'target' | 'changes'>

/** What the audit log is told of a change: by names of the wire, without secrets, hashes and sealed secrets. */
export function auditEntry(by: ChangedBy, change: Change): NewAuditEntry {
  const { principal, ip, requestId } = by
  return {
    workspaceId: change.workspaceId,
    action: change.action,
    actor: principal === null ? { type: 'operator', keyId: null } : { type: 'api_key', keyId: principal.keyId },
    target: change.target,
    changes: change.changes,
    ip,
    requestId,
  }
}

/** The same of what the server does by itself. */
export function serverEntry(change: Change): NewAuditEntry {
  return { ...change, actor: { type: 'server', keyId: null }, ip: null, requestId: null }
}

/** The fields that differ. What is new differs from nothing, in all that is set. */
export function differences(before: Readonly<Record<string, unknown>> | null, after: Readonly<Record<string, unknown>>) {
  return Object.fromEntries(
    Object.entries(after)
      .map(([field, to]) => [field, { from: before?.[field] ?? null, to }] as const)
      .filter(([, { from, to }]) => JSON.stringify(from) !== JSON.stringify(to)),
  )
}
