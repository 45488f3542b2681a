import { beforeAll, describe, expect, it } from 'vitest'
import type { ClaimQuery, StoredWebhook } from '../../webhook-ports.ts'
import { claim, claimQuery, stored } from './delivery-harness.ts'
import { anyUuid, fiftyTimes, type StoreHarness, savedWebhook } from './harness.ts'

const SECOND_US = 1_000_000
/** How late those who always ask may be. */
const LATEST_US = 40_000

export function paceSuite(open: () => Promise<StoreHarness>): void {
  describe('the paces of claims', () => {
    let harness: StoreHarness
    beforeAll(async () => {
      harness = await open()
    })

    const paced = (perSecond: number, name = anyUuid()): Pick<ClaimQuery, 'paces'> => ({ paces: [{ name, perSecond }] })
    /** When each was claimed, by one who asks again and again. */
    const claimedAtUs = async (
      webhook: StoredWebhook,
      fields: Partial<ClaimQuery>,
      seconds: number,
      waitUs: (nextAtUs: number) => number,
    ) => {
      const { clock } = harness
      const times: number[] = []
      const endUs = clock.nowUs() + seconds * SECOND_US
      while (clock.nowUs() < endUs) {
        const { deliveries, nextAtUs } = await claim(harness, webhook, fields)
        times.push(...deliveries.map(() => clock.nowUs()))
        clock.advance({ us: waitUs(nextAtUs ?? endUs) })
      }
      return times
    }
    /** The most in any second. */
    const mostInASecond = (times: readonly number[]): number =>
      Math.max(...times.map((start) => times.filter((time) => time >= start && time < start + SECOND_US).length))

    for (const [perSecond, seconds] of [
      [1, 8],
      [7, 4],
      [100, 2],
      [1000, 1],
    ] as const) {
      for (const [name, wait] of [
        ['comes when there is more', (nextAtUs: number, nowUs: number) => Math.max(1000, nextAtUs - nowUs)],
        ['comes a little late', (nextAtUs: number, nowUs: number) => Math.max(1000, nextAtUs - nowUs) + 9_000],
        ['comes as late as may be', () => LATEST_US],
      ] as const) {
        it(`never passes ${perSecond} in any second, and comes near it on average, for one who ${name}`, async () => {
          const webhook = await savedWebhook(harness.store)
          await stored(harness, webhook, perSecond * seconds + 1)
          const times = await claimedAtUs(webhook, { ...paced(perSecond), limit: 1000 }, seconds, (next) =>
            wait(next, harness.clock.nowUs()),
          )
          expect(mostInASecond(times)).toBeLessThanOrEqual(perSecond)
          // The last wait may reach beyond the end.
          expect(times.length).toBeGreaterThanOrEqual(0.95 * perSecond * (seconds - LATEST_US / SECOND_US))
        })
      }
    }

    it('saves up nothing while nobody asks, or nothing is due', async () => {
      const { clock } = harness
      const webhook = await savedWebhook(harness.store)
      const pace = paced(50)
      await stored(harness, webhook, 1)
      expect((await claim(harness, webhook, pace)).deliveries).toHaveLength(1)
      clock.advance({ hours: 1 })
      await claim(harness, webhook, pace)
      await stored(harness, webhook, 60)
      const times = await claimedAtUs(webhook, pace, 1, () => 5_000)
      expect(times.filter((time) => time === times[0]).length).toBeLessThanOrEqual(3)
      expect(mostInASecond(times)).toBeLessThanOrEqual(50)
    })

    it('binds all who claim together: the lanes of one name, and another store', async () => {
      const { store, reopen } = harness
      const [one, two] = [await savedWebhook(store), await savedWebhook(store)]
      await stored(harness, one, 20)
      await stored(harness, two, 20)
      const pace = paced(100)
      const again = await reopen()
      harness.clock.advance({ seconds: 5 })
      const claims = await fiftyTimes((n) => claim({ ...harness, store: n % 2 ? again : store }, n % 4 < 2 ? one : two, pace))
      expect(claims.flatMap(({ deliveries }) => deliveries)).toHaveLength(1)
      for (const { nextAtUs } of claims) expect(nextAtUs).toBeGreaterThan(harness.clock.nowUs())
      await again.close()
    })

    it('gives as many as the slowest of several paces allows, and uses no more of the others', async () => {
      const { clock } = harness
      const webhook = await savedWebhook(harness.store)
      await stored(harness, webhook, 300)
      const [slow, fast] = [
        { name: anyUuid(), perSecond: 5 },
        { name: anyUuid(), perSecond: 200 },
      ]
      const times = await claimedAtUs(webhook, { paces: [fast, slow] }, 4, () => 20_000)
      expect(mostInASecond(times)).toBeLessThanOrEqual(5)
      expect(times.length).toBeGreaterThanOrEqual(19)
      clock.advance({ us: -20_000 })
      expect((await claim(harness, webhook, { paces: [fast] })).deliveries).not.toEqual([])
    })

    it('uses a place for what it gives alone', async () => {
      const { clock, store } = harness
      const webhook = await savedWebhook(store)
      const pace = paced(1)
      expect(await claim(harness, webhook, pace)).toMatchObject({ deliveries: [], nextAtUs: null })
      const dueAtUs = clock.nowUs() + 3_600_000_000
      await stored(harness, webhook, 2, { dueAtUs })
      expect(await claim(harness, webhook, pace)).toMatchObject({ deliveries: [], nextAtUs: dueAtUs })
      clock.advance({ us: dueAtUs - clock.nowUs() })
      const first = await claim(harness, webhook, pace)
      expect(first.deliveries).toHaveLength(1)
      expect(first.nextAtUs).toBeGreaterThanOrEqual(clock.nowUs() + SECOND_US)
      expect(first.nextAtUs).toBeLessThanOrEqual(clock.nowUs() + 1.05 * SECOND_US)
      expect((await claim(harness, webhook)).deliveries).toHaveLength(1)
    })

    for (const hours of [-3, 3]) {
      it(`goes on when the clock leaps by ${hours} hours`, async () => {
        const { clock, store } = harness
        const webhook = await savedWebhook(store)
        const pace = paced(10)
        await stored(harness, webhook, 40, { dueAtUs: 0 })
        await claimedAtUs(webhook, pace, 1, () => 10_000)
        clock.advance({ hours })
        const times = await claimedAtUs(webhook, pace, 2, () => 10_000)
        expect(mostInASecond(times)).toBeLessThanOrEqual(10)
        expect(times.length).toBeGreaterThanOrEqual(19)
        clock.advance({ hours: -hours })
      })
    }

    it('is forgotten by the sweep when it is of no more use, and not before', async () => {
      const { clock, store } = harness
      const webhook = await savedWebhook(store)
      await stored(harness, webhook, 3)
      const query = { ...claimQuery(harness, webhook), ...paced(1) }
      expect((await store.claimDeliveries(query)).deliveries).toHaveLength(1)
      await store.sweep(10)
      expect((await store.claimDeliveries(query)).deliveries).toEqual([])
      clock.advance({ hours: 2 })
      await store.sweep(10)
      expect((await store.claimDeliveries({ ...query, heldUntilUs: clock.nowUs() + 1 })).deliveries).toHaveLength(1)
    })
  })
}
