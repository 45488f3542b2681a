import { eachOf, PAGE } from '../domain/pages.ts'
import { command } from './command.ts'

export const listWorkspaces = command({
  name: 'list-workspaces',
  summary: 'Lists the workspaces, by their ids.',
  options: {},
  run: async (_, { open, print }) => {
    const { store } = await open()
    const workspaceIds = eachOf(async (after) => {
      const { workspaceIds, next } = await store.listWorkspaces({ limit: PAGE, after })
      return { items: workspaceIds, next }
    })
    await print.list('workspaces', workspaceIds, {
      document: (workspaceId) => ({ workspace_id: workspaceId }),
      lines: (workspaceId) => [workspaceId],
      closing: (count) => (count === 0 ? ['There is no workspace yet; `default` is made with its first key or event.'] : []),
    })
  },
})
