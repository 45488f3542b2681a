/** Every command of the operator, in the order of the help. */
import { changeEncryptionKey } from './change-encryption-key.ts'
import type { Command } from './command.ts'
import { createKey } from './create-key.ts'
import { createWorkspaceCommand } from './create-workspace.ts'
import { exportCommand } from './export.ts'
import { importCommand } from './import.ts'
import { importKeys } from './import-keys.ts'
import { listAuditLog } from './list-audit-log.ts'
import { listKeys } from './list-keys.ts'
import { listWorkspaces } from './list-workspaces.ts'
import { migrateCommand } from './migrate.ts'
import { revokeKey } from './revoke-key.ts'
import { rotateKey } from './rotate-key.ts'
import { rotateOldKeys } from './rotate-old-keys.ts'
import { setShards } from './set-shards.ts'

export const commands: readonly Command[] = [
  createWorkspaceCommand,
  listWorkspaces,
  createKey,
  listKeys,
  rotateKey,
  revokeKey,
  rotateOldKeys,
  importKeys,
  changeEncryptionKey,
  listAuditLog,
  exportCommand,
  importCommand,
  migrateCommand,
  setShards,
]
