import { beforeAll, describe, expect, it } from 'vitest'
import type { ApiKeyRecord, KeyVersion, Store, StoredApiKey } from '../../ports.ts'
import {
  auditActions,
  fiftyTimes,
  newApiKey,
  newAuditEntry,
  newEvent,
  newHash,
  newVersion,
  newWorkspace,
  type StoreHarness,
} from './harness.ts'

const MINUTE_US = 60e6

export function apiKeySuite(open: () => Promise<StoreHarness>): void {
  describe('API keys', () => {
    let harness: StoreHarness
    beforeAll(async () => {
      harness = await open()
    })

    it('gives a key back as it was saved, by its id and by each of its hashes', async () => {
      const { store } = harness
      const versions = [
        newVersion({ version: 2 }),
        newVersion({ rotatedAtUs: 1_763_700_000_000_001, expiresAtUs: harness.clock.nowUs() + MINUTE_US }),
      ]
      const key = newApiKey({
        name: 'Zoë\'s "key" 🚀 \u0000',
        scopes: ['events:write', 'keys:manage'],
        rateLimitPerMinute: 0,
        allowedIps: ['10.0.0.0/8', '::1'],
        requireSignature: true,
        signingSecrets: [
          { sealed: 'sealed-2', expiresAtUs: null },
          { sealed: 'sealed-1', expiresAtUs: 1_763_700_000_000_002 },
        ],
        versions,
        createdAtUs: 1_763_700_000_000_003,
        expiresAtUs: 4_102_444_800_000_001,
        revokedAtUs: 1_763_700_000_000_004,
      })
      expect(await store.saveApiKey(key, null)).toBe('saved')
      const stored: StoredApiKey = { ...key, revision: 1, lastUsedAtUs: null }
      expect(await store.getApiKey(key.keyId)).toEqual(stored)
      for (const { hash } of versions) expect(await store.findApiKeyByHash(hash)).toEqual(stored)
    })

    it('does not find what is not there', async () => {
      const { store } = harness
      const key = await saved(store)
      expect(await store.getApiKey(`${key.keyId}0`)).toBeUndefined()
      expect(await store.getApiKey(hashOf(key))).toBeUndefined()
      expect(await store.findApiKeyByHash(newHash())).toBeUndefined()
      expect(await store.findApiKeyByHash(key.keyId)).toBeUndefined()
    })

    it('writes the audit entry with the key, and none without', async () => {
      const { store, settle } = harness
      const workspaceId = newWorkspace()
      await store.saveApiKey(newApiKey({ workspaceId }), newAuditEntry(workspaceId, { action: 'api_key.created' }))
      await store.saveApiKey(newApiKey({ workspaceId }), null)
      await settle()
      expect(await auditActions(store, workspaceId)).toEqual(['api_key.created'])
    })

    it('lets exactly one of fifty that make the same key at once win, and one of fifty that change it', async () => {
      const { store, settle } = harness
      const workspaceId = newWorkspace()
      const key = newApiKey({ workspaceId })
      for (const revision of [0, 1]) {
        const results = await fiftyTimes((n) =>
          store.saveApiKey({ ...key, name: `n${n}`, revision }, newAuditEntry(workspaceId, { action: `${revision}.${n}` })),
        )
        expect(results.filter((result) => result === 'saved')).toHaveLength(1)
        expect(results.filter((result) => result === 'changed')).toHaveLength(49)
        const winner = results.indexOf('saved')
        expect(await store.getApiKey(key.keyId)).toMatchObject({ name: `n${winner}`, revision: revision + 1 })
        await settle()
        const actions = await auditActions(store, workspaceId)
        expect(actions).toHaveLength(revision + 1)
        expect(actions[0]).toBe(`${revision}.${winner}`)
      }
    })

    it('refuses any revision but the stored one, and then writes nothing', async () => {
      const { store, settle } = harness
      const workspaceId = newWorkspace()
      const audit = newAuditEntry(workspaceId)
      expect(await store.saveApiKey(newApiKey({ workspaceId, revision: 1 }), audit)).toBe('changed')
      const key = await saved(store, { workspaceId })
      const changed = await change(store, key, { name: 'Changed' })
      const hash = newHash()
      for (const revision of [0, 1, 3]) {
        expect(await store.saveApiKey({ ...key, revision, name: 'Lost', versions: [newVersion({ hash })] }, audit)).toBe('changed')
      }
      expect(await store.getApiKey(key.keyId)).toEqual(changed)
      expect(await store.findApiKeyByHash(hash)).toBeUndefined()
      expect(await store.findApiKeyByHash(hashOf(key))).toEqual(changed)
      await settle()
      expect(await auditActions(store, workspaceId)).toEqual([])
    })

    it("refuses another key's hash, and then writes nothing, while its neighbours are written", async () => {
      const { store, settle } = harness
      const owner = await saved(store)
      const workspaceId = newWorkspace()
      const key = await saved(store, { workspaceId })
      const fresh = newVersion({ version: 2 })
      const audit = newAuditEntry(workspaceId)
      const taken = { ...key, versions: [fresh, newVersion({ hash: hashOf(owner) })] }
      const unknown = newApiKey({ workspaceId, versions: taken.versions })
      const results = await Promise.all([
        store.saveApiKey(taken, audit),
        store.createEvents(workspaceId, [newEvent()]),
        store.saveApiKey(unknown, audit),
        store.saveApiKey(newApiKey({ workspaceId }), null),
      ])
      expect(results).toMatchObject(['hash_taken', [{ outcome: 'created' }], 'hash_taken', 'saved'])
      expect(await store.getApiKey(key.keyId)).toEqual(key)
      expect(await store.getApiKey(unknown.keyId)).toBeUndefined()
      expect(await store.findApiKeyByHash(fresh.hash)).toBeUndefined()
      expect(await store.findApiKeyByHash(hashOf(key))).toEqual(key)
      expect(await store.findApiKeyByHash(hashOf(owner))).toEqual(owner)
      await settle()
      expect(await auditActions(store, workspaceId)).toEqual([])
      expect((await store.listApiKeys({ workspaceId, limit: 10 })).apiKeys).toHaveLength(2)
    })

    it('lets one of fifty keys that take the same hash at once win', async () => {
      const { store } = harness
      const version = newVersion()
      const keys = Array.from({ length: 50 }, () => newApiKey({ versions: [version] }))
      const results = await Promise.all(keys.map((key) => store.saveApiKey(key, null)))
      expect(results.filter((result) => result === 'saved')).toHaveLength(1)
      expect(results.filter((result) => result === 'hash_taken')).toHaveLength(49)
      expect((await store.findApiKeyByHash(version.hash))?.keyId).toBe(keys[results.indexOf('saved')]?.keyId)
    })

    it('finds a key by all its versions that had not expired when it was saved, and forgets the others', async () => {
      const { store, clock } = harness
      const first = newVersion()
      const second = newVersion({ version: 2 })
      const third = newVersion({ version: 3 })
      const key = await saved(store, { versions: [first] })
      const ending = { ...first, rotatedAtUs: clock.nowUs(), expiresAtUs: clock.nowUs() + MINUTE_US }
      const rotated = await change(store, key, { versions: [second, ending] })
      clock.advance({ seconds: 60, us: -1 })
      const again = await change(store, rotated, { name: 'Still both' })
      expect(await store.findApiKeyByHash(first.hash)).toEqual(again)
      expect(await store.findApiKeyByHash(second.hash)).toEqual(again)

      clock.advance({ us: 1 })
      // Not written since: the caller judges the version.
      expect(await store.findApiKeyByHash(first.hash)).toEqual(again)
      const after = await change(store, again, { versions: [third, { ...second, rotatedAtUs: clock.nowUs() }, ending] })
      expect(await store.findApiKeyByHash(first.hash)).toBeUndefined()
      expect(await store.findApiKeyByHash(second.hash)).toEqual(after)
      expect(await store.findApiKeyByHash(third.hash)).toEqual(after)
      expect(after.versions.map((version) => version.hash)).toEqual([third.hash, second.hash, first.hash])
    })

    it('frees the hash of an expired or vanished version for another key, without harm to the record that still names it', async () => {
      const { store, clock } = harness
      const [ended, vanished, live] = [newVersion({ expiresAtUs: clock.nowUs() }), newVersion(), newVersion({ version: 3 })]
      const key = await change(store, await saved(store, { versions: [vanished] }), { versions: [live, ended] })
      const owners = [
        await saved(store, { versions: [ended, { ...ended, expiresAtUs: null }] }),
        await saved(store, { versions: [vanished] }),
      ]
      expect(await store.saveApiKey({ ...key, name: 'Renamed' }, null)).toBe('saved')
      expect(await store.findApiKeyByHash(ended.hash)).toEqual(owners[0])
      expect(await store.findApiKeyByHash(vanished.hash)).toEqual(owners[1])
      expect((await store.findApiKeyByHash(live.hash))?.name).toBe('Renamed')
    })

    it('finds expired and revoked keys, too', async () => {
      const { store, clock } = harness
      const key = await saved(store, { expiresAtUs: clock.nowUs() - 1 })
      expect(await store.findApiKeyByHash(hashOf(key))).toEqual(key)
      const revoked = await change(store, key, { revokedAtUs: clock.nowUs() })
      expect(await store.findApiKeyByHash(hashOf(key))).toEqual(revoked)
    })

    it('moves the last use forward, never back, and leaves the revision alone', async () => {
      const { store } = harness
      const [one, other] = [await saved(store), await saved(store)]
      const use = (usedAtUs: number) => ({ keyId: one.keyId, usedAtUs })
      await store.recordKeyUse([use(2000), { keyId: 'key_unknown', usedAtUs: 9000 }, { keyId: other.keyId, usedAtUs: 7000 }, use(1000)])
      expect(await store.getApiKey(one.keyId)).toEqual({ ...one, lastUsedAtUs: 2000 })
      expect(await store.findApiKeyByHash(hashOf(other))).toEqual({ ...other, lastUsedAtUs: 7000 })
      expect(await store.getApiKey('key_unknown')).toBeUndefined()
      await store.recordKeyUse([use(3000)])
      await store.recordKeyUse([use(2500)])
      await store.recordKeyUse([])
      // Saved as it was read before its last use: that must not be taken back.
      const changed = await change(store, one, { name: 'Changed' })
      expect(changed).toEqual({ ...one, name: 'Changed', revision: 2, lastUsedAtUs: 3000 })
      await Promise.all(Array.from({ length: 20 }, (_, n) => store.recordKeyUse([use(4000 + ((n * 7) % 20))])))
      expect((await store.getApiKey(one.keyId))?.lastUsedAtUs).toBe(4019)
    })

    it('shows a second store object on the same data every change at once, and keeps the compare-and-set across both', async () => {
      const { store, reopen, settle } = harness
      const workspaceId = newWorkspace()
      const key = await saved(store, { workspaceId })
      const second = await reopen()
      expect(await second.findApiKeyByHash(hashOf(key))).toEqual(key)
      const revoked = await change(second, key, { revokedAtUs: 5000 })
      expect(await store.findApiKeyByHash(hashOf(key))).toEqual(revoked)
      await second.recordKeyUse([{ keyId: key.keyId, usedAtUs: 6000 }])
      expect((await store.getApiKey(key.keyId))?.lastUsedAtUs).toBe(6000)
      const results = await fiftyTimes((n) =>
        (n % 2 === 0 ? store : second).saveApiKey({ ...revoked, name: `n${n}` }, newAuditEntry(workspaceId, { action: `by.${n}` })),
      )
      expect(results.filter((result) => result === 'saved')).toHaveLength(1)
      expect(results.filter((result) => result === 'changed')).toHaveLength(49)
      const winner = results.indexOf('saved')
      await settle()
      for (const each of [store, second]) {
        expect(await each.getApiKey(key.keyId)).toMatchObject({ name: `n${winner}`, revision: 3, lastUsedAtUs: 6000 })
        expect(await auditActions(each, workspaceId)).toEqual([`by.${winner}`])
      }
      await second.close()
    })
  })
}

async function saved(store: Store, fields: Partial<ApiKeyRecord> = {}): Promise<StoredApiKey> {
  const key = newApiKey(fields)
  expect(await store.saveApiKey(key, null)).toBe('saved')
  return await existing(store, key.keyId)
}

async function change(store: Store, key: StoredApiKey, fields: Partial<ApiKeyRecord>): Promise<StoredApiKey> {
  expect(await store.saveApiKey({ ...key, ...fields }, null)).toBe('saved')
  return await existing(store, key.keyId)
}

async function existing(store: Store, keyId: string): Promise<StoredApiKey> {
  const key = await store.getApiKey(keyId)
  if (key === undefined) throw new Error(`The key ${keyId} is not there.`)
  return key
}

/** Of its newest version. */
function hashOf({ versions: [newest] }: { versions: readonly KeyVersion[] }): string {
  return newest?.hash ?? 'no version'
}
