import { createWorkspace } from '../domain/workspaces.ts'
import { command } from './command.ts'
import { checkWorkspaceId } from './workspace-option.ts'

export const createWorkspaceCommand = command({
  name: 'create-workspace',
  summary: 'Makes a workspace. One that is there stays as it is.',
  argument: { name: 'WORKSPACE_ID', help: 'Its id: 1 to 64 characters of A-Z a-z 0-9 . _ -' },
  options: {},
  run: async ({ argument }, { open, print, by }) => {
    const workspaceId = checkWorkspaceId(argument, 'WORKSPACE_ID')
    const { store } = await open()
    const created = await createWorkspace(store, by, workspaceId)
    print.one({ workspace_id: workspaceId, created }, [
      created ? `The workspace ${workspaceId} is made.` : `The workspace ${workspaceId} is there already.`,
    ])
  },
})
