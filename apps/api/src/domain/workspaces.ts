import type { AccessStore } from '../ports.ts'
import { auditEntry, type ChangedBy } from './audit.ts'

/** Every installation has it, whether anything is stored in it or not: the development key's, and that of keys imported without one. */
export const DEFAULT_WORKSPACE = 'default'

const WORKSPACE_ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/
export const WORKSPACE_ID_RULE = 'must have 1 to 64 characters of A-Z a-z 0-9 . _ -, the first a letter or digit'

export function isWorkspaceId(text: string): boolean {
  return WORKSPACE_ID.test(text)
}

/** Makes a workspace; false when it is there. */
export function createWorkspace(store: AccessStore, by: ChangedBy, workspaceId: string): Promise<boolean> {
  const target = { type: 'workspace', id: workspaceId }
  return store.createWorkspace(workspaceId, auditEntry(by, { workspaceId, action: 'workspace.created', target, changes: {} }))
}
