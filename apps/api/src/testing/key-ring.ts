import { randomBytes } from 'node:crypto'
import { expect } from 'vitest'
import { newKeyId } from '../domain/api-key-secret.ts'
import { createKeyRing } from '../domain/key-ring.ts'
import { openVault } from '../domain/vault.ts'
import { type ApiKeyRecord, type Authentication, type KeyVersion, type Principal, SCOPES, StoreUnavailableError } from '../ports.ts'
import { FakeClock } from './fake-clock.ts'
import { temporaryStore } from './temporary-store.ts'

/** A key ring on a store of its own. `reads` counts what it asks the store, which can be away, or hold its answers back. */
export async function keyRingOnStore(options: { acceptDevelopmentKey?: boolean; maxEntries?: number } = {}) {
  const clock = new FakeClock()
  const { store } = await temporaryStore(clock)
  const vault = await openVault(store, [{ id: 'test', key: randomBytes(32) }])
  const watched = { reads: 0, isAway: false, beforeAnswer: async () => {} }
  const open = () =>
    createKeyRing({
      store: {
        findApiKeyByHash: async (hash) => {
          watched.reads++
          if (watched.isAway) throw new StoreUnavailableError('away')
          const record = await store.findApiKeyByHash(hash)
          await watched.beforeAnswer()
          return record
        },
      },
      vault,
      clock,
      defaultRateLimitPerMinute: 1000,
      acceptDevelopmentKey: false,
      ...options,
    })

  function version(secret: string, fields: Partial<KeyVersion> = {}): KeyVersion {
    return { version: 1, hash: vault.hash(secret), createdAtUs: clock.nowUs(), rotatedAtUs: null, expiresAtUs: null, ...fields }
  }

  /** Stores the fields that are given; a new key has one secret, and nothing binds it. */
  async function save(secret: string, fields: Partial<ApiKeyRecord> = {}): Promise<ApiKeyRecord> {
    const record: ApiKeyRecord = {
      keyId: newKeyId(clock.nowUs()),
      workspaceId: 'acme',
      name: 'A key',
      scopes: SCOPES,
      rateLimitPerMinute: null,
      allowedIps: [],
      requireSignature: false,
      signingSecrets: [],
      versions: [version(secret)],
      createdAtUs: clock.nowUs(),
      expiresAtUs: null,
      revokedAtUs: null,
      revision: 0,
      ...fields,
    }
    expect(await store.saveApiKey(record, null)).toBe('saved')
    return { ...record, revision: record.revision + 1 }
  }

  return { clock, vault, watched, ring: open(), open, version, save }
}

export function principalOf(answer: Authentication): Principal {
  return answer.outcome === 'known' ? answer.principal : expect.fail(`the key is ${answer.outcome}`)
}

/** The answer that is there at once; fails when the store is asked. */
export function atOnce(answer: Authentication | Promise<Authentication>): Authentication {
  return answer instanceof Promise ? expect.fail('the answer is not there at once') : answer
}
