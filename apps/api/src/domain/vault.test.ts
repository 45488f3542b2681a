import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { StoreUnavailableError } from '../ports.ts'
import { temporaryStore } from '../testing/temporary-store.ts'
import { dataKeyOf, expectNoneOf, masterKey, messageOf } from '../testing/vault-keys.ts'
import { type MasterKey, openVault, parseMasterKeys, unwrapDataKey, wrapDataKey } from './vault.ts'

const K1 = masterKey('k1')
const K2 = masterKey('k2')
const text = (...keys: MasterKey[]) => keys.map(({ id, key }) => `${id}:${Buffer.from(key).toString('base64')}`).join(',')

describe('the master keys in ENCRYPTION_KEY', () => {
  it('are read in their order', () => {
    const keys = Array.from({ length: 5 }, (_, index) => masterKey(`key-${index}`))
    expect(parseMasterKeys(text(...keys)).map(({ id, key }) => [id, Buffer.from(key)])).toEqual(keys.map(({ id, key }) => [id, key]))
  })

  it('may have spaces between them, and no padding', () => {
    expect(parseMasterKeys(` ${text(K1).replace('=', '')} , ${text(K2)} `).map(({ id }) => id)).toEqual(['k1', 'k2'])
  })

  const canary = randomBytes(32)
  const base64 = canary.toString('base64')
  it.each([
    ['nothing', '', 'entry 1 must be'],
    ['a key without an id', base64, 'entry 1 must be'],
    ['a key without an id or padding', base64.slice(0, 43), 'entry 1 must be'],
    ['a key in hexadecimal', canary.toString('hex'), 'entry 1 must be'],
    ['an empty id', `:${base64}`, 'entry 1 must be'],
    ['the key before the id', `${base64.slice(0, 43)}:k1`, 'entry 1 must be'],
    ['an id with a space', `k 1:${base64}`, 'entry 1 must be'],
    ['an id of 33 characters', `${'k'.repeat(33)}:${base64}`, 'entry 1 must be'],
    ['a colon too many', `k1:${base64}:${base64}`, 'entry 1 must be'],
    ['a comma at the end', `k1:${base64},`, 'entry 2 must be'],
    ['an id alone', 'k1:', 'entry 1 must be'],
    ['16 bytes without an id', canary.toString('base64', 0, 16), 'entry 1 must be'],
    ['hexadecimal with an id', `k1:${canary.toString('hex')}`, 'named k1 is not the base64 of 32 bytes'],
    ['31 bytes', `k1:${canary.subarray(1).toString('base64')}`, 'named k1 is not the base64 of 32 bytes'],
    ['33 bytes', `k1:${Buffer.concat([canary, canary]).subarray(0, 33).toString('base64')}`, 'named k1 is not the base64 of 32 bytes'],
    ['other characters in the key', `k1:*${base64.slice(1)}`, 'named k1 is not the base64 of 32 bytes'],
    ['a second one that is wrong', `k1:${base64},k2:${base64.slice(2)}`, 'named k2 is not the base64 of 32 bytes'],
    ['an id twice', `k1:${base64},k1:${base64}`, 'two keys are named k1'],
  ])('are refused with %s, in words without the key', async (_, value, words) => {
    const message = await messageOf(() => parseMasterKeys(value))
    expect(message).toContain('ENCRYPTION_KEY')
    expect(message).toContain(words)
    expectNoneOf(message, canary, canary.subarray(2))
  })
})

describe('a wrapped data key', () => {
  const key = randomBytes(32)

  it('opens with its master key, wherever that stands', () => {
    const wrapped = wrapDataKey(K1, 'cursor', key)
    expect(Buffer.from(unwrapDataKey([K1], 'cursor', wrapped))).toEqual(key)
    expect(Buffer.from(unwrapDataKey([K2, K1], 'cursor', wrapped))).toEqual(key)
  })

  it('is another each time, and shows nothing of the key', () => {
    const wrapped = wrapDataKey(K1, 'cursor', key)
    expect(wrapped).not.toEqual(wrapDataKey(K1, 'cursor', key))
    expectNoneOf(Buffer.from(wrapped).toString('latin1'), key, K1.key)
  })

  it('names the master key that is missing', async () => {
    const message = await messageOf(() => unwrapDataKey([K2], 'cursor', wrapDataKey(K1, 'cursor', key)))
    expect(message).toContain('ENCRYPTION_KEY has no key named k1')
    expectNoneOf(message, key, K1.key, K2.key)
  })

  it('says that a master key of the right id is another one', async () => {
    const other = { ...K1, key: K2.key }
    const message = await messageOf(() => unwrapDataKey([other], 'cursor', wrapDataKey(K1, 'cursor', key)))
    expect(message).toContain('the key named k1 does not open the data key cursor')
    expectNoneOf(message, key, K1.key, K2.key)
  })

  it('does not open as a data key of another name', () => {
    expect(() => unwrapDataKey([K1], 'api-key-hash', wrapDataKey(K1, 'cursor', key))).toThrow('does not open')
  })

  it('does not open with any bit of it changed, nor cut off', () => {
    const wrapped = wrapDataKey(K1, 'cursor', key)
    for (let bit = 0; bit < wrapped.length * 8; bit++) {
      const changed = Uint8Array.from(wrapped)
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      expect(() => unwrapDataKey([K1], 'cursor', changed), `bit ${bit}`).toThrow()
    }
    for (let length = 0; length < wrapped.length; length++) {
      expect(() => unwrapDataKey([K1], 'cursor', wrapped.subarray(0, length)), `${length} bytes`).toThrow('is damaged')
    }
  })
})

describe('opening the vault', () => {
  it('makes every data key, and stores it wrapped', async () => {
    const { store } = await temporaryStore()
    const vault = await openVault(store, [K1])
    const stored = await store.listDataKeys()
    expect(stored.map(({ name }) => name).toSorted()).toEqual(['api-key-hash', 'cursor', 'secrets:1'])
    const plain = stored.map(({ name, key }) => unwrapDataKey([K1], name, key))
    expect(new Set(plain.map((key) => Buffer.from(key).toString('hex'))).size).toBe(3)
    expect(Buffer.from(vault.cursorKey)).toEqual(Buffer.from(unwrapDataKey([K1], 'cursor', await dataKeyOf(store, 'cursor'))))
  })

  it('finds the same data keys again, also under a further master key', async () => {
    const { store } = await temporaryStore()
    const first = await openVault(store, [K1])
    const sealed = await first.seal('a signing secret', 'key_1')
    const second = await openVault(store, [K2, K1])
    expect(second.cursorKey).toEqual(first.cursorKey)
    expect(second.hash('a secret')).toBe(first.hash('a secret'))
    expect(await second.open(sealed, 'key_1')).toBe('a signing secret')
  })

  it('gives processes that start together the same data keys', async () => {
    const { store, reopen } = await temporaryStore()
    const stores = [store, await reopen(), await reopen()]
    const vaults = await Promise.all(stores.map((each) => openVault(each, [K1])))
    expect(new Set(vaults.map((vault) => Buffer.from(vault.cursorKey).toString('hex'))).size).toBe(1)
    expect(new Set(vaults.map((vault) => vault.hash('a secret'))).size).toBe(1)
    for (const vault of vaults) {
      const sealed = await vault.seal('a signing secret', 'key_1')
      for (const other of vaults) expect(await other.open(sealed, 'key_1')).toBe('a signing secret')
    }
  })

  it('wraps the cursor key of a database that has it plain, and keeps it', async () => {
    const { store } = await temporaryStore()
    const plain = randomBytes(32)
    await store.dataKey('cursor', plain)
    expect(Buffer.from((await openVault(store, [K1])).cursorKey)).toEqual(plain)
    const stored = await dataKeyOf(store, 'cursor')
    expectNoneOf(Buffer.from(stored).toString('latin1'), plain)
    expect(Buffer.from(unwrapDataKey([K1], 'cursor', stored))).toEqual(plain)
    expect(Buffer.from((await openVault(store, [K1])).cursorKey)).toEqual(plain)
  })

  it('keeps the plain cursor key when another process wraps it at the same time', async () => {
    const { store } = await temporaryStore()
    const plain = randomBytes(32)
    await store.dataKey('cursor', plain)
    const vault = await openVault(
      {
        dataKey: (name, candidate) => store.dataKey(name, candidate),
        listDataKeys: () => store.listDataKeys(),
        replaceDataKey: async (name, expected, key) => {
          expect(await store.replaceDataKey('cursor', plain, wrapDataKey(K2, 'cursor', plain))).toBe(true)
          return store.replaceDataKey(name, expected, key)
        },
      },
      [K1, K2],
    )
    expect(Buffer.from(vault.cursorKey)).toEqual(plain)
    expect(Buffer.from(unwrapDataKey([K2], 'cursor', await dataKeyOf(store, 'cursor')))).toEqual(plain)
  })

  it('takes no other data key that is plain', async () => {
    const { store } = await temporaryStore()
    await store.dataKey('api-key-hash', randomBytes(32))
    await expect(openVault(store, [K1])).rejects.toThrow('The data key api-key-hash in the store is damaged')
  })

  it.each(['cursor', 'api-key-hash', 'secrets:1', 'secrets:7'])('is refused when the master key of %s is missing', async (name) => {
    const { store } = await temporaryStore()
    await store.dataKey(name, wrapDataKey(K1, name, randomBytes(32)))
    await expect(openVault(store, [K2])).rejects.toThrow(`ENCRYPTION_KEY has no key named k1, which the data key ${name} needs`)
  })

  it('is refused when a master key is another one', async () => {
    const { store } = await temporaryStore()
    await openVault(store, [K1])
    await expect(openVault(store, [{ ...K2, id: 'k1' }])).rejects.toThrow('the key named k1 does not open the data key cursor')
  })

  it('is refused without a master key', async () => {
    const { store } = await temporaryStore()
    await expect(openVault(store, [])).rejects.toThrow('ENCRYPTION_KEY is empty')
    expect(await store.listDataKeys()).toEqual([])
  })

  it('fails when the store is away', async () => {
    const away = () => Promise.reject(new StoreUnavailableError('away'))
    await expect(openVault({ dataKey: away, listDataKeys: away, replaceDataKey: away }, [K1])).rejects.toThrow(StoreUnavailableError)
  })
})
