import { createHmac, randomBytes } from 'node:crypto'
import { inspect } from 'node:util'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { StoreUnavailableError } from '../ports.ts'
import { temporaryStore } from '../testing/temporary-store.ts'
import { dataKeyOf, expectNoneOf, masterKey, messageOf } from '../testing/vault-keys.ts'
import { openVault, unwrapDataKey, wrapDataKey } from './vault.ts'

const K1 = masterKey('k1')
const K2 = masterKey('k2')

const BASE64URL = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

/** The text with one of the six bits of one of its characters changed. */
function withBitChanged(sealed: string, at: number, bit: number): string {
  return sealed.slice(0, at) + BASE64URL.charAt(BASE64URL.indexOf(sealed.charAt(at)) ^ (1 << bit)) + sealed.slice(at + 1)
}

describe('a sealed secret', () => {
  it('opens for its owner, whatever it is, and shows nothing of it', async () => {
    const { store } = await temporaryStore()
    const vault = await openVault(store, [K1])
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'binary' }), fc.string(), async (plain, owner) => {
        const sealed = await vault.seal(plain, owner)
        expect(sealed).toMatch(/^[A-Za-z0-9_-]+$/)
        expect(await vault.open(sealed, owner)).toBe(plain)
      }),
    )
    const sealed = await vault.seal('canary-canary-canary', 'key_1')
    expect(Buffer.from(sealed, 'base64url').toString('latin1')).not.toContain('canary')
  })

  it('is another each time', async () => {
    const { store } = await temporaryStore()
    const vault = await openVault(store, [K1])
    expect(await vault.seal('a signing secret', 'key_1')).not.toBe(await vault.seal('a signing secret', 'key_1'))
  })

  it('does not open for another owner', async () => {
    const { store } = await temporaryStore()
    const vault = await openVault(store, [K1])
    await fc.assert(
      fc.asyncProperty(fc.string(), fc.string(), fc.string(), async (plain, owner, other) => {
        fc.pre(owner !== other)
        await expect(vault.open(await vault.seal(plain, owner), other)).rejects.toThrow('belongs to something else')
      }),
    )
  })

  it('does not open with any bit of it changed', async () => {
    const { store } = await temporaryStore()
    const vault = await openVault(store, [K1])
    // Two data keys, so that the number of one can become the other's.
    await store.dataKey('secrets:3', wrapDataKey(K1, 'secrets:3', randomBytes(32)))
    const sealed = await vault.seal('a signing secret', 'key_1')
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: sealed.length - 1 }), fc.nat({ max: 5 }), async (at, bit) => {
        await expect(vault.open(withBitChanged(sealed, at, bit), 'key_1')).rejects.toThrow('A sealed secret of key_1 is damaged')
      }),
      { numRuns: sealed.length * 6, examples: Array.from({ length: sealed.length * 6 }, (_, bit) => [Math.floor(bit / 6), bit % 6]) },
    )
  })

  it('does not open cut off, with something appended, or spelled in another way', async () => {
    const { store } = await temporaryStore()
    const vault = await openVault(store, [K1])
    const sealed = await vault.seal('a signing secret', 'key_1')
    for (let length = 0; length < sealed.length; length++) {
      await expect(vault.open(sealed.slice(0, length), 'key_1'), `${length} characters`).rejects.toThrow('damaged')
    }
    for (const changed of [`${sealed}A`, `${sealed}=`, ` ${sealed}`, `${sealed}\n`, '', 'AA', 'ä']) {
      await expect(vault.open(changed, 'key_1'), changed).rejects.toThrow('damaged')
    }
  })

  it('does not open in another store', async () => {
    const [one, two] = [await temporaryStore(), await temporaryStore()]
    const sealed = await (await openVault(one.store, [K1])).seal('a signing secret', 'key_1')
    await expect((await openVault(two.store, [K1])).open(sealed, 'key_1')).rejects.toThrow('A sealed secret of key_1 is damaged')
  })

  it('is under the newest data key, which another process may just have made', async () => {
    const { store } = await temporaryStore()
    const vault = await openVault(store, [K1])
    const before = await vault.seal('before', 'key_1')
    // The tenth comes after the second, whatever the order of their names.
    for (const number of [2, 10]) await store.dataKey(`secrets:${number}`, wrapDataKey(K1, `secrets:${number}`, randomBytes(32)))
    const after = await vault.seal('after', 'key_1')
    expect(await vault.open(before, 'key_1')).toBe('before')
    expect(await vault.open(after, 'key_1')).toBe('after')

    for (const number of [1, 2]) {
      await store.replaceDataKey(`secrets:${number}`, await dataKeyOf(store, `secrets:${number}`), null)
    }
    const later = await openVault(store, [K1])
    expect(await later.open(after, 'key_1')).toBe('after')
    await expect(later.open(before, 'key_1')).rejects.toThrow('its data key secrets:1 is gone')
  })

  it('opens when its data key was made after the vault was opened', async () => {
    const { store } = await temporaryStore()
    const earlier = await openVault(store, [K1, K2])
    await store.dataKey('secrets:2', wrapDataKey(K2, 'secrets:2', randomBytes(32)))
    const sealed = await (await openVault(store, [K2, K1])).seal('a signing secret', 'key_1')
    expect(await earlier.open(sealed, 'key_1')).toBe('a signing secret')
  })

  it('cannot be made, nor opened under an unknown data key, while the store is away; it opens under a known one', async () => {
    const { store } = await temporaryStore()
    let isAway = false
    const vault = await openVault(
      {
        dataKey: (name, candidate) => store.dataKey(name, candidate),
        listDataKeys: () => (isAway ? Promise.reject(new StoreUnavailableError('away')) : store.listDataKeys()),
        replaceDataKey: (name, expected, key) => store.replaceDataKey(name, expected, key),
      },
      [K1],
    )
    const known = await vault.seal('known', 'key_1')
    await store.dataKey('secrets:2', wrapDataKey(K1, 'secrets:2', randomBytes(32)))
    const unknown = await (await openVault(store, [K1])).seal('unknown', 'key_1')
    isAway = true
    await expect(vault.seal('a signing secret', 'key_1')).rejects.toThrow(StoreUnavailableError)
    await expect(vault.open(unknown, 'key_1')).rejects.toThrow(StoreUnavailableError)
    expect(await vault.open(known, 'key_1')).toBe('known')
    isAway = false
    expect(await vault.open(unknown, 'key_1')).toBe('unknown')
  })
})

describe('the vault', () => {
  it('hashes with HMAC-SHA256 under its data key', async () => {
    const { store } = await temporaryStore()
    const vault = await openVault(store, [K1])
    const key = unwrapDataKey([K1], 'api-key-hash', await dataKeyOf(store, 'api-key-hash'))
    for (const secret of ['', 'test', 'ä'.repeat(500)]) {
      expect(vault.hash(secret)).toBe(createHmac('sha256', key).update(secret, 'utf8').digest('base64url'))
    }
  })

  it('shows no key when it is printed, nor in what it throws', async () => {
    const { store } = await temporaryStore()
    const vault = await openVault(store, [K1])
    const keys = (await store.listDataKeys()).map(({ name, key }) => unwrapDataKey([K1], name, key))
    const sealed = await vault.seal('canary-canary-canary', 'key_1')
    const shown = [
      inspect(vault, { depth: Infinity, showHidden: true, maxArrayLength: null }),
      JSON.stringify(vault),
      JSON.stringify({ ...vault }),
      String(vault),
      await messageOf(() => vault.open(sealed, 'key_2')),
      await messageOf(() => vault.open(withBitChanged(sealed, 40, 0), 'key_1')),
      await messageOf(() => vault.open('canary-canary-canary', 'key_1')),
    ].join('\n')
    expectNoneOf(shown, K1.key, ...keys)
    expect(shown).not.toContain('canary')
  })
})
