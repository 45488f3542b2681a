import { lockKeyFile, newMasterKey, readKeyFile, writeKeyFile } from '../adapters/key-file.ts'
import { changeMasterKey, type MasterKeyChange } from '../domain/change-master-key.ts'
import { parseMasterKeys } from '../domain/vault.ts'
import { type CommandContext, command } from './command.ts'

export const changeEncryptionKey = command({
  name: 'change-encryption-key',
  summary: 'Puts everything that is encrypted under a new master key. API keys and cursors stay as they are.',
  options: {},
  notes: [
    'With ENCRYPTION_KEY: put the new key in front of the old one (new:…,old:…), restart every server with both, run this with',
    'both, then restart the servers with the new one alone. Without it, the key is in the file encryption.key: this makes the new',
    'one itself, and keeps the old one in the file until all is done.',
    'Servers that know both keys may run meanwhile. Interrupted, it goes on when it is run again. Backups made before need the old',
    'key: keep it as long as them.',
  ],
  run: async (_, context) => {
    const { masterKeys } = context.config
    if (masterKeys === undefined) return changeKeyFile(context)
    const { store } = await context.open()
    const change = await changeMasterKey(store, masterKeys, context.by)
    const former = masterKeys.slice(1).map(({ id }) => id)
    const next =
      former.length === 0
        ? `To change it, put the new key in front of ${change.masterKeyId} in ENCRYPTION_KEY, restart the servers, and run this again.`
        : `Now take ${former.join(', ')} out of ENCRYPTION_KEY, and restart the servers. Backups made before need the old key.`
    print(context, change, next)
  },
})

/** The file has both keys from before the first write until after the last: whenever this ends, it has what is needed. */
async function changeKeyFile(context: CommandContext): Promise<void> {
  const { dataDirectory } = context.config
  if (readKeyFile(dataDirectory) === undefined) {
    throw new Error(`There is no encryption.key in ${dataDirectory}. Set DATA_DIR, or ENCRYPTION_KEY, as the server has them.`)
  }
  const unlock = lockKeyFile(dataDirectory)
  try {
    const found = readKeyFile(dataDirectory) ?? ''
    // Two keys: a former run was interrupted.
    const both = parseMasterKeys(found).length > 1 ? found : `${newMasterKey()},${found}`
    if (both !== found) writeKeyFile(dataDirectory, both)
    const { store } = await context.open()
    const change = await changeMasterKey(store, parseMasterKeys(both), context.by)
    const [newest = ''] = both.split(',')
    writeKeyFile(dataDirectory, newest)
    print(
      context,
      change,
      'A server that runs goes on with it. Put encryption.key into your backup; backups made before need the one that is in them.',
    )
  } finally {
    unlock()
  }
}

function print({ print }: CommandContext, change: MasterKeyChange, next: string): void {
  const { masterKeyId, changed, resealed, rewrapped, removed } = change
  print.one(
    {
      encryption_key_id: masterKeyId,
      changed,
      resealed_api_keys: resealed.apiKeys,
      resealed_webhooks: resealed.webhooks,
      rewrapped_data_keys: rewrapped,
      removed_data_keys: removed,
      next,
    },
    [
      changed
        ? `Everything is encrypted with the key ${masterKeyId}: ${resealed.apiKeys} API keys with signing secrets, ${resealed.webhooks} webhooks and ${rewrapped} data keys were changed.`
        : `Everything is encrypted with the key ${masterKeyId} already.`,
      next,
    ],
  )
}
