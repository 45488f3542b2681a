import { beforeAll, describe, expect, it } from 'vitest'
import { fiftyTimes, newWorkspace, type StoreHarness } from './harness.ts'

const keyOf = (byte: number, length = 32): Uint8Array => new Uint8Array(length).fill(byte)

export function dataKeySuite(open: () => Promise<StoreHarness>): void {
  describe('data keys', () => {
    let harness: StoreHarness
    const newName = newWorkspace
    beforeAll(async () => {
      harness = await open()
    })

    /** All of them, in hexadecimal, by name. */
    const listed = async (): Promise<Record<string, string>> => {
      const keys = await harness.store.listDataKeys()
      return Object.fromEntries(keys.map(({ name, key }) => [name, Buffer.from(key).toString('hex')]))
    }
    const hex = (key: Uint8Array) => Buffer.from(key).toString('hex')

    it('gives the first key of a name to everybody', async () => {
      const name = newName()
      const given = await fiftyTimes((n) => harness.store.dataKey(name, keyOf(n)))
      expect(new Set(given.map(hex)).size).toBe(1)
      expect(given.map(hex)).toContain(hex(keyOf(given[0]?.[0] ?? 255)))
      const again = await harness.reopen()
      expect(hex(await again.dataKey(name, keyOf(200)))).toBe(hex(given[0] ?? keyOf(0)))
      await again.close()
    })

    it('lists them all, of any length', async () => {
      const [short, long] = [newName(), newName()]
      await harness.store.dataKey(short, keyOf(1, 1))
      await harness.store.dataKey(long, keyOf(2, 200))
      expect(await listed()).toMatchObject({ [short]: hex(keyOf(1, 1)), [long]: hex(keyOf(2, 200)) })
    })

    it('replaces a key that is still the expected one, and no other', async () => {
      const { store } = harness
      const [name, other] = [newName(), newName()]
      await store.dataKey(name, keyOf(1))
      await store.dataKey(other, keyOf(1))
      for (const wrong of [keyOf(2), keyOf(1, 31), keyOf(1, 33), keyOf(0, 0)]) {
        expect(await store.replaceDataKey(name, wrong, keyOf(3))).toBe(false)
        expect(await store.replaceDataKey(name, wrong, null)).toBe(false)
      }
      expect(await store.replaceDataKey(newName(), keyOf(1), keyOf(3))).toBe(false)
      expect(await listed()).toMatchObject({ [name]: hex(keyOf(1)), [other]: hex(keyOf(1)) })
      expect(await store.replaceDataKey(name, keyOf(1), keyOf(3, 60))).toBe(true)
      expect(await listed()).toMatchObject({ [name]: hex(keyOf(3, 60)), [other]: hex(keyOf(1)) })
      expect(await store.replaceDataKey(name, keyOf(1), keyOf(4))).toBe(false)
      expect(hex(await store.dataKey(name, keyOf(5)))).toBe(hex(keyOf(3, 60)))
    })

    it('lets exactly one of fifty that replace it at once win', async () => {
      const { store } = harness
      const name = newName()
      await store.dataKey(name, keyOf(100))
      const replaced = await fiftyTimes((n) => store.replaceDataKey(name, keyOf(100), n % 2 === 0 ? keyOf(n) : null))
      expect(replaced.filter((won) => won)).toHaveLength(1)
      const winner = replaced.indexOf(true)
      expect((await listed())[name]).toBe(winner % 2 === 0 ? hex(keyOf(winner)) : undefined)
    })

    it('removes a key, whose name is then free', async () => {
      const { store } = harness
      const name = newName()
      await store.dataKey(name, keyOf(1))
      expect(await store.replaceDataKey(name, keyOf(1), null)).toBe(true)
      expect(await listed()).not.toHaveProperty(name)
      expect(await store.replaceDataKey(name, keyOf(1), null)).toBe(false)
      expect(hex(await store.dataKey(name, keyOf(2)))).toBe(hex(keyOf(2)))
    })

    it('shows a second store object on the same data each change', async () => {
      const { store, reopen } = harness
      const name = newName()
      await store.dataKey(name, keyOf(1))
      const second = await reopen()
      expect(await second.replaceDataKey(name, keyOf(1), keyOf(2))).toBe(true)
      expect((await listed())[name]).toBe(hex(keyOf(2)))
      expect(await store.replaceDataKey(name, keyOf(1), keyOf(3))).toBe(false)
      await second.close()
    })
  })
}
