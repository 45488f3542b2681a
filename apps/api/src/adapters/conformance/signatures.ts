import { randomUUID } from 'node:crypto'
import { beforeAll, describe, expect, it } from 'vitest'
import { fiftyTimes, type StoreHarness } from './harness.ts'

export function signatureSuite(open: () => Promise<StoreHarness>): void {
  describe('remembered signatures', () => {
    let harness: StoreHarness
    beforeAll(async () => {
      harness = await open()
    })

    const tenMinutesFromNow = () => harness.clock.nowUs() + 600e6

    it('remembers one once, however many ask at once', async () => {
      const { store } = harness
      const [signature, another] = [randomUUID(), randomUUID()]
      const remembered = await fiftyTimes((n) => store.rememberSignature(signature, tenMinutesFromNow() + n))
      expect(remembered.filter((isNew) => isNew)).toHaveLength(1)
      expect(await store.rememberSignature(signature, tenMinutesFromNow())).toBe(false)
      expect(await store.rememberSignature(another, tenMinutesFromNow())).toBe(true)
    })

    it('forgets one at the time it was given, swept or not, and then remembers it again', async () => {
      const { store, clock } = harness
      const [swept, notSwept] = [randomUUID(), randomUUID()]
      const remember = (signature: string) => store.rememberSignature(signature, tenMinutesFromNow())
      await Promise.all([remember(swept), remember(notSwept)])
      clock.advance({ seconds: 600, us: -1 })
      while (await store.sweep(10)) {}
      expect([await remember(swept), await remember(notSwept)]).toEqual([false, false])
      clock.advance({ us: 1 })
      const again = await fiftyTimes(() => remember(notSwept))
      expect(again.filter((isNew) => isNew)).toHaveLength(1)
      while (await store.sweep(10)) {}
      expect([await remember(swept), await remember(swept)]).toEqual([true, false])
      expect(await remember(notSwept)).toBe(false)
    })

    it('sweeps many, a few at a time', async () => {
      const { store, clock, sweeps = true } = harness
      const signatures = Array.from({ length: 25 }, () => randomUUID())
      for (const signature of signatures) await store.rememberSignature(signature, tenMinutesFromNow())
      const kept = randomUUID()
      clock.advance({ seconds: 600 })
      await store.rememberSignature(kept, tenMinutesFromNow())
      if (sweeps) expect(await store.sweep(10)).toBe(true)
      while (await store.sweep(10)) {}
      expect(await store.rememberSignature(kept, tenMinutesFromNow())).toBe(false)
      const again = await Promise.all(signatures.map((signature) => store.rememberSignature(signature, tenMinutesFromNow())))
      expect(again).not.toContain(false)
    })

    it('remembers them for a second store object on the same data, too', async () => {
      const { store, reopen } = harness
      const [before, both] = [randomUUID(), randomUUID()]
      await store.rememberSignature(before, tenMinutesFromNow())
      const second = await reopen()
      expect(await second.rememberSignature(before, tenMinutesFromNow())).toBe(false)
      const remembered = await fiftyTimes((n) => (n % 2 === 0 ? store : second).rememberSignature(both, tenMinutesFromNow()))
      expect(remembered.filter((isNew) => isNew)).toHaveLength(1)
      await second.close()
    })
  })
}
