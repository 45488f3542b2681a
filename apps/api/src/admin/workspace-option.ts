import { DEFAULT_WORKSPACE, isWorkspaceId, WORKSPACE_ID_RULE } from '../domain/workspaces.ts'
import type { AccessStore } from '../ports.ts'
import { UsageError } from './command.ts'

/** @throws UsageError for what can be no workspace's id */
export function checkWorkspaceId(text: string, place: string): string {
  if (isWorkspaceId(text)) return text
  throw new UsageError(`${place} ${WORKSPACE_ID_RULE}.`)
}

/** @throws Error in words for the operator when there is no such workspace: a misspelt one must not be made by the way */
export async function requireWorkspace(store: AccessStore, workspaceId: string): Promise<void> {
  if (workspaceId === DEFAULT_WORKSPACE || (await store.hasWorkspace(workspaceId))) return
  throw new Error(
    `There is no workspace ${workspaceId}. Make it with \`pnpm admin create-workspace ${workspaceId}\`, or see \`pnpm admin list-workspaces\`.`,
  )
}
