import { readFileSync } from 'node:fs'
import { importApiKeys } from '../domain/import-api-keys.ts'
import { parseImportedApiKeys } from '../domain/imported-api-keys.ts'
import { command } from './command.ts'

export const importKeys = command({
  name: 'import-keys',
  summary: 'Takes over API keys that people have already, from a JSON file.',
  argument: { name: 'FILE', help: 'The file; - reads standard input.' },
  options: {},
  notes: [
    'The file: [{"api_key": "…", "name": "…", "workspace_id": "…", "scopes": ["events:write"], "rate_limit_per_minute": 100,',
    '"allowed_ips": ["10.0.0.0/8"], "expires_at": "2027-01-31T08:00:00Z", "signing_secret": "…"}]. Only api_key is needed: 8 to 512',
    'visible ASCII characters. Without workspace_id a key belongs to `default`; without scopes it gets all; without allowed_ips it',
    'works from everywhere. Workspaces are made where they are missing.',
    'Everything is checked before anything is written. Keys that are there are skipped, so the import can be repeated. Delete the',
    'file afterwards: the server stores no key, only keyed hashes of them.',
  ],
  run: async ({ argument }, { open, print, by, readStdin }) => {
    const keys = parseImportedApiKeys(argument === '-' ? await readStdin() : readFile(argument))
    const results = await importApiKeys(await open(), by, keys)
    const imported = results.filter(({ outcome }) => outcome === 'imported').length
    const skipped = results.length - imported
    const api_keys = results.map(({ outcome, keyId, workspaceId, name }) => ({ key_id: keyId, workspace_id: workspaceId, name, outcome }))
    print.one({ imported, skipped, api_keys }, [
      ...results.map(({ outcome, keyId, workspaceId, name }) => `${outcome}  ${keyId}  ${workspaceId}  ${name}`),
      `${imported} imported, ${skipped} skipped as they are there already. Delete the file: it holds the keys in the clear.`,
    ])
  },
})

function readFile(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new Error(`The file of keys cannot be read (${error instanceof Error ? error.message : error}).`)
  }
}
