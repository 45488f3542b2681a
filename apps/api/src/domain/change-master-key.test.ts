import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import type { ApiKeyRecord, Store } from '../ports.ts'
import { dyingStore } from '../testing/dying-store.ts'
import { temporaryStore } from '../testing/temporary-store.ts'
import { changeMasterKey } from './change-master-key.ts'
import { type MasterKey, openVault, type Vault } from './vault.ts'

const BY = { principal: null, ip: null, requestId: 'request-1' }
const OLD = masterKey('old')
const NEW = masterKey('new')

function masterKey(id: string): MasterKey {
  return { id, key: randomBytes(32) }
}

interface Saved {
  keyId: string
  hash: string
  secrets: readonly string[]
}

/** Keys of two workspaces: with no, one and two signing secrets, and a revoked one. */
function saveKeys(store: Store, vault: Vault): Promise<Saved[]> {
  const given = [
    { name: 'none', workspaceId: 'a', secrets: [] },
    { name: 'one', workspaceId: 'a', secrets: ['sign-one'] },
    { name: 'two', workspaceId: 'b', secrets: ['sign-new', 'sign-old'] },
    { name: 'revoked', workspaceId: 'b', secrets: ['sign-revoked'], revokedAtUs: 5 },
  ]
  return Promise.all(given.map((key) => saveKey(store, vault, key)))
}

async function saveKey(
  store: Store,
  vault: Vault,
  { name, workspaceId, secrets, revokedAtUs = null }: { name: string; workspaceId: string; secrets: string[]; revokedAtUs?: number | null },
  sealed?: string[],
): Promise<Saved> {
  const keyId = `key_${name}`
  const hash = vault.hash(`secret of ${name}`)
  const record: ApiKeyRecord = {
    keyId,
    workspaceId,
    name,
    scopes: ['events:write'],
    rateLimitPerMinute: null,
    allowedIps: [],
    requireSignature: false,
    signingSecrets: (sealed ?? (await Promise.all(secrets.map((secret) => vault.seal(secret, keyId))))).map((text, index) => ({
      sealed: text,
      expiresAtUs: index === 0 ? null : 9e15,
    })),
    versions: [{ version: 1, hash, createdAtUs: 1, rotatedAtUs: null, expiresAtUs: null }],
    createdAtUs: 1,
    expiresAtUs: null,
    revokedAtUs,
    revision: 0,
  }
  expect(await store.saveApiKey(record, null)).toBe('saved')
  return { keyId, hash, secrets }
}

/** Every key is found by the hash it had, and its secrets open, with these master keys alone. */
async function expectWhole(store: Store, masterKeys: readonly MasterKey[], keys: readonly Saved[]): Promise<void> {
  const vault = await openVault(store, masterKeys)
  for (const { keyId, hash, secrets } of keys) {
    const found = await store.findApiKeyByHash(hash)
    expect(found?.keyId).toBe(keyId)
    expect(vault.hash(`secret of ${found?.name}`)).toBe(hash)
    expect(await Promise.all((found?.signingSecrets ?? []).map(({ sealed }) => vault.open(sealed, keyId)))).toEqual(secrets)
  }
}

const auditIds = async (store: Store) =>
  (await store.listAuditEntries({ workspaceId: null, action: 'encryption_key.changed', limit: 100 })).entries.map(({ target }) => target.id)

describe('changing the master key', () => {
  it('leaves hashes and the cursor key as they are, and needs the new master key alone', async () => {
    const { store } = await temporaryStore()
    const before = await openVault(store, [OLD])
    const keys = await saveKeys(store, before)
    const result = await changeMasterKey(store, [NEW, OLD], BY)
    expect(result).toEqual({ masterKeyId: 'new', changed: true, resealed: { apiKeys: 3, webhooks: 0 }, rewrapped: 3, removed: 0 })
    await expectWhole(store, [NEW], keys)
    expect((await openVault(store, [NEW])).cursorKey).toEqual(before.cursorKey)
    await expect(openVault(store, [OLD])).rejects.toThrow('no key named new')
  })

  it('goes on after it was interrupted at any write, and says once in the audit log that it was done', async () => {
    const { store } = await temporaryStore()
    const keys = await saveKeys(store, await openVault(store, [OLD]))
    const used = [OLD]
    let interruptions = 0
    for (const when of ['before', 'after'] as const) {
      for (let writes = 1, died = true; died; writes++) {
        const [former = OLD] = used
        const next = masterKey(`m${used.length}`)
        died = await changeMasterKey(dyingStore(store, writes, when), [next, former], BY).then(
          () => false,
          (error: Error) => error.message === 'The process died.',
        )
        await expectWhole(store, [next, former], keys)
        if (died) interruptions++
        await changeMasterKey(store, [next, former], BY)
        await expectWhole(store, [next], keys)
        used.unshift(next)
        expect(await auditIds(store)).toEqual(used.slice(0, -1).map(({ id }) => id))
        const numbers = [used.length - 1, used.length].map((number) => `secrets:${number}`)
        expect((await store.listDataKeys()).map(({ name }) => name).sort()).toEqual(['api-key-hash', 'cursor', ...numbers].sort())
      }
    }
    // The new data key, three API keys, an older data key removed, three wrapped again, and the audit entry, at least.
    expect(interruptions).toBeGreaterThanOrEqual(2 * 9)
  })

  it('does nothing when it is repeated', async () => {
    const { store } = await temporaryStore()
    const keys = await saveKeys(store, await openVault(store, [OLD]))
    await changeMasterKey(store, [NEW, OLD], BY)
    const dataKeys = await store.listDataKeys()
    const apiKeys = await store.listApiKeys({ limit: 10 })
    for (const masterKeys of [[NEW, OLD], [NEW]]) {
      expect(await changeMasterKey(store, masterKeys, BY)).toMatchObject({
        changed: false,
        resealed: { apiKeys: 0, webhooks: 0 },
        rewrapped: 0,
        removed: 0,
      })
    }
    expect(await store.listDataKeys()).toEqual(dataKeys)
    expect(await store.listApiKeys({ limit: 10 })).toEqual(apiKeys)
    expect(await auditIds(store)).toEqual(['new'])
    await expectWhole(store, [NEW], keys)
  })

  it('does nothing, and says nothing, where there was never another key', async () => {
    const { store } = await temporaryStore()
    expect(await changeMasterKey(store, [NEW], BY)).toMatchObject({ changed: false })
    expect(await auditIds(store)).toEqual([])
  })

  it('keeps what a server was sealing under the former data key meanwhile, and removes that at the next change', async () => {
    const { store } = await temporaryStore()
    await openVault(store, [OLD])
    const server = await openVault(store, [NEW, OLD])
    const sealed = await server.seal('late', 'key_late')
    await changeMasterKey(store, [NEW, OLD], BY)
    const late = await saveKey(store, server, { name: 'late', workspaceId: 'a', secrets: ['late'] }, [sealed])
    await expectWhole(store, [NEW], [late])
    const third = masterKey('third')
    expect(await changeMasterKey(store, [third, NEW], BY)).toMatchObject({ changed: true, resealed: { apiKeys: 1 }, removed: 1 })
    expect((await store.listDataKeys()).map(({ name }) => name)).toEqual(['api-key-hash', 'cursor', 'secrets:2', 'secrets:3'])
    await expectWhole(store, [third], [late])
  })

  it('can be given up for another key, or for the old one, in the middle', async () => {
    for (const [next, masterKeys] of [
      [OLD, [OLD, NEW]],
      [masterKey('third'), undefined],
    ] as const) {
      const { store } = await temporaryStore()
      const keys = await saveKeys(store, await openVault(store, [OLD]))
      await expect(changeMasterKey(dyingStore(store, 6, 'after'), [NEW, OLD], BY)).rejects.toThrow('died')
      await changeMasterKey(store, masterKeys ?? [next, NEW, OLD], BY)
      await expectWhole(store, [next], keys)
    }
  })

  it('seals what somebody else changed meanwhile, and not what it had read', async () => {
    const { store } = await temporaryStore()
    const vault = await openVault(store, [OLD])
    const key = await saveKey(store, vault, { name: 'busy', workspaceId: 'a', secrets: ['first'] })
    let changes = 0
    const busy = new Proxy(store, {
      get: (target, name) => {
        const member: unknown = Reflect.get(target, name)
        if (typeof member !== 'function') return member
        return async (...values: unknown[]) => {
          if (name === 'saveApiKey' && changes++ < 3) {
            const stored = await store.getApiKey(key.keyId)
            if (stored === undefined) throw new Error('The key is gone.')
            const server = await openVault(store, [NEW, OLD])
            const sealed = await server.seal(`changed ${changes}`, key.keyId)
            await store.saveApiKey({ ...stored, signingSecrets: [{ sealed, expiresAtUs: null }] }, null)
          }
          return Reflect.apply(member, target, values)
        }
      },
    })
    expect(await changeMasterKey(busy, [NEW, OLD], BY)).toMatchObject({ resealed: { apiKeys: 1 } })
    await expectWhole(store, [NEW], [{ ...key, secrets: ['changed 3'] }])
  })

  it('reaches every key of a list of many pages', async () => {
    const { store } = await temporaryStore()
    const vault = await openVault(store, [OLD])
    const keys: Saved[] = []
    for (let index = 0; index < 230; index++) {
      keys.push(await saveKey(store, vault, { name: `k${index}`, workspaceId: `w${index % 3}`, secrets: [`sign-${index}`] }))
    }
    expect(await changeMasterKey(store, [NEW, OLD], BY)).toMatchObject({ resealed: { apiKeys: 230 } })
    await expectWhole(store, [NEW], keys)
  })

  it('names the master key that is missing, and changes nothing', async () => {
    const { store } = await temporaryStore()
    const keys = await saveKeys(store, await openVault(store, [OLD]))
    const dataKeys = await store.listDataKeys()
    await expect(changeMasterKey(store, [NEW], BY)).rejects.toThrow('no key named old')
    expect(await store.listDataKeys()).toEqual(dataKeys)
    await expectWhole(store, [OLD], keys)
  })
})
