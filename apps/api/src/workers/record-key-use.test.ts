import { randomBytes } from 'node:crypto'
import pino from 'pino'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createKeyRing } from '../domain/key-ring.ts'
import { openVault } from '../domain/vault.ts'
import { type Store, StoreUnavailableError } from '../ports.ts'
import { FakeClock } from '../testing/fake-clock.ts'
import { temporaryStore } from '../testing/temporary-store.ts'
import { startRecordKeyUse } from './record-key-use.ts'

const INTERVAL_MS = 5000

beforeEach(() => void vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] }))
afterEach(() => void vi.useRealTimers())

/** The worker on a store of its own, and a ring whose uses the test adds. */
async function setUp() {
  const clock = new FakeClock()
  const { store } = await temporaryStore(clock)
  const vault = await openVault(store, [{ id: 'test', key: randomBytes(32) }])
  const ring = createKeyRing({ store, vault, clock, defaultRateLimitPerMinute: 0, acceptDevelopmentKey: false })
  /** How many uses each write had, and how many were given back. */
  const [writes, returned]: [number[], number[]] = [[], []]
  /** What the next writes fail with. */
  const failures: (Error | undefined)[] = []
  const lines: string[] = []
  let lastWrite = Promise.resolve()
  const stop = startRecordKeyUse(
    {
      takeUses: ring.takeUses,
      returnUses: (uses) => {
        ring.returnUses(uses)
        returned.push(uses.length)
      },
    },
    {
      recordKeyUse: (uses) => {
        const failure = failures.shift()
        lastWrite = failure === undefined ? store.recordKeyUse(uses) : Promise.reject(failure)
        writes.push(uses.length)
        return lastWrite
      },
    },
    pino({}, { write: (line: string) => void lines.push(line) }),
  )
  return {
    store,
    writes,
    returned,
    failures,
    lines,
    stop,
    add: (keyId: string, usedAtUs: number) => ring.returnUses([{ keyId, usedAtUs }]),
    /** Lets 5 seconds pass, and what then is written be written. */
    passFiveSeconds: async () => {
      const before = writes.length
      vi.advanceTimersByTime(INTERVAL_MS)
      await expect.poll(() => writes.length).toBeGreaterThan(before)
      await lastWrite.catch(() => {})
    },
  }
}

/** Stores a key of that id. */
async function saveKey(store: Store, keyId: string): Promise<void> {
  const record = {
    keyId,
    workspaceId: 'acme',
    name: keyId,
    scopes: [],
    rateLimitPerMinute: null,
    allowedIps: [],
    requireSignature: false,
    signingSecrets: [],
    versions: [{ version: 1, hash: `hash of ${keyId}`, createdAtUs: 1, rotatedAtUs: null, expiresAtUs: null }],
    createdAtUs: 1,
    expiresAtUs: null,
    revokedAtUs: null,
    revision: 0,
  }
  expect(await store.saveApiKey(record, null)).toBe('saved')
}

const lastUseOf = async (store: Store, keyId: string) => (await store.getApiKey(keyId))?.lastUsedAtUs

describe('the last use of a key', () => {
  it('is written every 5 seconds', async () => {
    const { store, add, writes, stop, passFiveSeconds } = await setUp()
    await saveKey(store, 'key_1')
    for (const usedAtUs of [100, 200]) {
      add('key_1', usedAtUs)
      await passFiveSeconds()
      expect(await lastUseOf(store, 'key_1')).toBe(usedAtUs)
    }
    expect(writes).toEqual([1, 1])
    await stop()
  })

  it('is not written before', async () => {
    const { store, add, writes, stop } = await setUp()
    await saveKey(store, 'key_1')
    add('key_1', 100)
    vi.advanceTimersByTime(INTERVAL_MS - 1)
    expect(await lastUseOf(store, 'key_1')).toBe(null)
    expect(writes).toEqual([])
    await stop()
  })

  it('is written at the stop, and nothing after it', async () => {
    const { store, add, writes, stop } = await setUp()
    await saveKey(store, 'key_1')
    add('key_1', 100)
    await stop()
    expect(await lastUseOf(store, 'key_1')).toBe(100)
    add('key_1', 200)
    vi.advanceTimersByTime(10 * INTERVAL_MS)
    expect(await lastUseOf(store, 'key_1')).toBe(100)
    expect(writes).toEqual([1])
  })

  it('costs nothing while no key is used', async () => {
    const { writes, stop } = await setUp()
    vi.advanceTimersByTime(3 * INTERVAL_MS)
    await stop()
    expect(writes).toEqual([])
  })

  it('is written for many keys in several writes', async () => {
    const { store, add, writes, stop } = await setUp()
    await saveKey(store, 'key_1')
    for (let key = 0; key < 1000; key++) add(`key_other_${key}`, 1)
    add('key_1', 100)
    await stop()
    expect(writes).toEqual([500, 500, 1])
    expect(await lastUseOf(store, 'key_1')).toBe(100)
  })
})

describe('while the store is away', () => {
  it('uses are kept for the next time, and the log stays silent', async () => {
    const { store, add, writes, failures, lines, stop, passFiveSeconds } = await setUp()
    await saveKey(store, 'key_1')
    failures.push(new StoreUnavailableError('away'))
    add('key_1', 100)
    await passFiveSeconds()
    expect(await lastUseOf(store, 'key_1')).toBe(null)
    await passFiveSeconds()
    expect(await lastUseOf(store, 'key_1')).toBe(100)
    expect(writes).toEqual([1, 1])
    expect(lines).toEqual([])
    await stop()
  })

  it('only what is not written yet is kept', async () => {
    const { add, writes, returned, failures, stop } = await setUp()
    for (let key = 0; key < 1200; key++) add(`key_${key}`, 1)
    failures.push(undefined, new StoreUnavailableError('away'))
    await stop()
    expect(writes).toEqual([500, 500])
    expect(returned).toEqual([700])
  })
})

it('another failure is logged, and the worker goes on', async () => {
  const { store, add, failures, lines, stop, passFiveSeconds } = await setUp()
  await saveKey(store, 'key_1')
  failures.push(new Error('a bug'))
  add('key_1', 100)
  await passFiveSeconds()
  await stop()
  expect(lines).toHaveLength(1)
  expect(lines[0]).toContain('the uses of API keys could not be recorded')
  expect(lines[0]).toContain('a bug')
  expect(await lastUseOf(store, 'key_1')).toBe(100)
})
