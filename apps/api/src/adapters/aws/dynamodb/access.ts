import type { AccessStore } from '../../../ports.ts'
import { createApiKeys } from './api-keys.ts'
import { auditWrite } from './audit.ts'
import { createAuditLog } from './audit-log.ts'
import type { AccessContext } from './context.ts'
import { createDataKeys } from './data-keys.ts'
import { createSignatures } from './signatures.ts'

/** The store's part in access: all of it in the table `keys`, read strongly consistent, without an index. */
export function createAccessStore(context: AccessContext): AccessStore {
  const { dynamo, commitClock, workspaces } = context
  return {
    async createWorkspace(workspaceId, audit) {
      if (await workspaces.exists(workspaceId)) return false
      const refusals = await dynamo.transact([workspaces.createWrite(workspaceId), auditWrite(audit, commitClock.next())])
      return refusals === undefined
    },
    hasWorkspace: workspaces.exists,
    listWorkspaces: workspaces.list,
    ...createApiKeys(context),
    ...createAuditLog(context),
    ...createSignatures(context),
    ...createDataKeys(context),
  }
}
