import { findApiKey, revokeApiKey } from '../domain/api-keys.ts'
import { presentApiKey } from '../routes/api-keys/schemas.ts'
import { command } from './command.ts'
import { checkKeyId, keyIdArgument } from './key-id.ts'

export const revokeKey = command({
  name: 'revoke-key',
  summary: 'Ends an API key, for good. One that is revoked stays so.',
  argument: keyIdArgument,
  options: {},
  notes: ['A server that runs beside this refuses the key within 5 seconds.'],
  run: async ({ argument }, { open, print, by }) => {
    const keyId = checkKeyId(argument)
    const deps = await open()
    await revokeApiKey(deps, by, null, keyId)
    print.one(presentApiKey(await findApiKey(deps, null, keyId), deps.config.rateLimitPerMinute), [
      `The key ${keyId} is revoked. A running server refuses it within 5 seconds.`,
    ])
  },
})
