import { eachOf, PAGE } from '../domain/pages.ts'
import { formatTime } from '../domain/time.ts'
import type { StoredApiKey } from '../ports.ts'
import { presentApiKey } from '../routes/api-keys/schemas.ts'
import { command } from './command.ts'
import { checkWorkspaceId, requireWorkspace } from './workspace-option.ts'

export const listKeys = command({
  name: 'list-keys',
  summary: 'Lists the API keys, the newest first, revoked ones too. It knows no secrets.',
  options: { workspace: { value: 'ID', help: 'Only those of this workspace.' } },
  run: async (input, { open, print }) => {
    const given = input.text('workspace')
    const workspaceId = given === undefined ? undefined : checkWorkspaceId(given, '--workspace')
    const { store, config, clock } = await open()
    if (workspaceId !== undefined) await requireWorkspace(store, workspaceId)
    const apiKeys = eachOf(async (after) => {
      const { apiKeys, next } = await store.listApiKeys({ workspaceId, limit: PAGE, after })
      return { items: apiKeys, next }
    })
    await print.list('api_keys', apiKeys, {
      document: (apiKey) => presentApiKey(apiKey, config.rateLimitPerMinute),
      lines: (apiKey) => [lineOf(apiKey, clock.nowUs())],
      closing: (count) => (count === 0 ? ['There is no API key yet. `pnpm admin create-key` makes one.'] : []),
    })
  },
})

function lineOf(apiKey: StoredApiKey, nowUs: number): string {
  const { keyId, workspaceId, name, lastUsedAtUs } = apiKey
  const lastUse = lastUsedAtUs === null ? 'never used' : `last used ${formatTime(lastUsedAtUs)}`
  return [keyId, stateOf(apiKey, nowUs), workspaceId, name, lastUse].join('  ')
}

function stateOf({ revokedAtUs, expiresAtUs }: StoredApiKey, nowUs: number): string {
  if (revokedAtUs !== null) return 'revoked'
  return expiresAtUs !== null && expiresAtUs <= nowUs ? 'expired' : 'active '
}
