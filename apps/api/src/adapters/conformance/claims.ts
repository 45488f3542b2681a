import { beforeAll, describe, expect, it } from 'vitest'
import { claim, claimedIds, failure, fanOutAll, idsOfDeliveries, outcome, read, replayed, statusesOf, stored } from './delivery-harness.ts'
import {
  createdIds,
  fiftyTimes,
  newAuditEntry,
  newDelivery,
  newEvent,
  newEventWith,
  newWebhook,
  newWorkspace,
  type StoreHarness,
  savedWebhook,
} from './harness.ts'

const HOLD_US = 30_000_000
const DAY_S = 86_400

export function claimSuite(open: () => Promise<StoreHarness>): void {
  describe('claims', () => {
    let harness: StoreHarness
    beforeAll(async () => {
      harness = await open()
    })

    it('gives what is due with its event, the longest due first, and when there is more', async () => {
      const { store, clock } = harness
      const webhook = await savedWebhook(store)
      const event = newEventWith({ region: 'eu' }, { payload: '{"a":"é 🚀"}', priority: 'high' })
      // By then all is stored, and settled: that may take its time.
      const now = clock.nowUs() + 3_600_000_000
      const due: Record<string, string> = {}
      for (const [name, dueAtUs] of [
        ['later', now - 1],
        ['first', now - 7],
        ['ahead', now + 9],
        ['now', now],
      ] as const) {
        const [delivery] = await stored(harness, webhook, 1, { dueAtUs, event })
        due[name] = delivery?.deliveryId ?? ''
      }
      clock.advance({ us: now - clock.nowUs() })
      const claimed = await claim(harness, webhook)
      expect(claimedIds(claimed)).toEqual([due['first'], due['later'], due['now']])
      expect(claimed.webhook).toEqual({ revision: 1, isActive: true, failingSinceUs: null, alarmedAtUs: null })
      expect(claimed.nextAtUs).toBe(now + 9)
      const [first] = claimed.deliveries
      const stands = await read(harness, webhook, due['first'] ?? '')
      expect(first).toEqual({
        deliveryId: due['first'],
        event: await store.getEvent(webhook.workspaceId, stands?.eventId ?? ''),
        replayId: null,
        createdAtUs: stands?.createdAtUs,
        attemptCount: 0,
        scheduleStart: 0,
      })
      expect(stands).toMatchObject({ status: 'pending', nextAttemptAtUs: null })
      clock.advance({ us: 9 })
      expect(claimedIds(await claim(harness, webhook))).toEqual([due['ahead']])
    })

    it('takes no more than it was told, and says at once that there is more', async () => {
      const webhook = await savedWebhook(harness.store)
      const deliveries = await stored(harness, webhook, 5)
      const first = await claim(harness, webhook, { limit: 2 })
      expect(first.nextAtUs).toBeLessThanOrEqual(harness.clock.nowUs())
      const rest = await claim(harness, webhook, { limit: 3 })
      expect([...claimedIds(first), ...claimedIds(rest)]).toEqual(idsOfDeliveries(deliveries))
      expect(rest.nextAtUs).toBe(harness.clock.nowUs() + HOLD_US)
    })

    it('stops before its events weigh too much, but never without one', async () => {
      const webhook = await savedWebhook(harness.store)
      const event = newEvent({ payload: `{"x":"${'x'.repeat(50_000)}"}` })
      await stored(harness, webhook, 4, { event })
      expect((await claim(harness, webhook, { maxBytes: 110_000 })).deliveries).toHaveLength(2)
      const small = await claim(harness, webhook, { maxBytes: 10 })
      expect(small.deliveries).toHaveLength(1)
      expect(small.nextAtUs).toBeLessThanOrEqual(harness.clock.nowUs())
    })

    it('gives each of many to one of fifty who claim at once, through two stores', async () => {
      const { store, reopen } = harness
      const webhook = await savedWebhook(store)
      const deliveries = await stored(harness, webhook, 100)
      const again = await reopen()
      const stores = [harness, { ...harness, store: again }]
      const claimed = await fiftyTimes((n) => claim(stores[n % 2] ?? harness, webhook, { limit: 3 }))
      const ids = claimed.flatMap(claimedIds)
      expect(ids).toHaveLength(100)
      expect(ids.sort()).toEqual(idsOfDeliveries(deliveries))
      await again.close()
    })

    it('keeps what it took from others, another store too, until the hold ends', async () => {
      const { store, clock, reopen } = harness
      const webhook = await savedWebhook(store)
      const [delivery] = await stored(harness, webhook, 1)
      const nothing = { deliveries: [], nextAtUs: clock.nowUs() + HOLD_US }
      await claim(harness, webhook)
      clock.advance({ us: HOLD_US - 1 })
      expect(await claim(harness, webhook)).toMatchObject(nothing)
      const again = await reopen()
      expect(await claim({ ...harness, store: again }, webhook)).toMatchObject(nothing)
      clock.advance({ us: 1 })
      expect(await read(harness, webhook, delivery?.deliveryId ?? '')).toMatchObject({ status: 'pending', nextAttemptAtUs: clock.nowUs() })
      expect(claimedIds(await claim({ ...harness, store: again }, webhook))).toEqual([delivery?.deliveryId])
      expect((await claim(harness, webhook)).deliveries).toEqual([])
      await again.close()
    })

    it('gives nothing of a webhook that is not active, deleted or unknown', async () => {
      const { store } = harness
      const webhook = await savedWebhook(store)
      const [delivery] = await stored(harness, webhook, 1)
      const inactive = await savedWebhook(store, { ...webhook, isActive: false })
      expect(await claim(harness, webhook)).toMatchObject({ webhook: { revision: 2, isActive: false }, deliveries: [] })
      await savedWebhook(store, { ...inactive, isActive: true })
      expect(claimedIds(await claim(harness, webhook))).toEqual([delivery?.deliveryId])
      await store.deleteWebhook(webhook.webhookId, newAuditEntry(webhook.workspaceId))
      const none = { webhook: null, deliveries: [], nextAtUs: null }
      expect(await claim(harness, webhook)).toEqual(none)
      expect(await claim(harness, { ...webhook, ...newWebhook() })).toEqual(none)
    })

    it('says that nothing is pending when all is done', async () => {
      const webhook = await savedWebhook(harness.store)
      expect(await claim(harness, webhook)).toMatchObject({ webhook: { isActive: true }, deliveries: [], nextAtUs: null })
      await stored(harness, webhook, 1)
      const { deliveries } = await claim(harness, webhook)
      await harness.store.recordAttempts(deliveries.map((claimed) => outcome(harness, claimed)))
      expect(await claim(harness, webhook)).toMatchObject({ deliveries: [], nextAtUs: null })
    })

    it('serves each lane on its own, and each webhook', async () => {
      const { store } = harness
      const webhook = await savedWebhook(store)
      const other = await savedWebhook(store, newWebhook({ workspaceId: webhook.workspaceId }))
      const { replayId, deliveries } = await replayed(harness, webhook, 2)
      const liveOnes = await stored(harness, webhook, 1)
      const theirs = await stored(harness, other, 1)
      const ofReplay = await claim(harness, webhook, { replayId })
      expect(claimedIds(ofReplay)).toEqual(idsOfDeliveries(deliveries))
      expect(ofReplay.deliveries).toMatchObject([{ replayId }, { replayId }])
      expect(claimedIds(await claim(harness, webhook))).toEqual(idsOfDeliveries(liveOnes))
      expect(claimedIds(await claim(harness, other))).toEqual(idsOfDeliveries(theirs))
      expect(await claim(harness, other, { replayId })).toMatchObject({ deliveries: [], nextAtUs: null })
      expect(await claim(harness, webhook, { replayId: webhook.webhookId })).toMatchObject({ deliveries: [], nextAtUs: null })
    })

    it('gives nothing of a replay that has ended, and cancels what it left', async () => {
      const { store } = harness
      const webhook = await savedWebhook(store)
      const { replayId, deliveries } = await replayed(harness, webhook, 3)
      await store.endReplay(replayId, 'cancelled', null)
      expect(await claim(harness, webhook, { replayId, limit: 2 })).toMatchObject({ deliveries: [], nextAtUs: expect.any(Number) })
      expect(await claim(harness, webhook, { replayId, limit: 2 })).toMatchObject({ deliveries: [], nextAtUs: null })
      expect(await statusesOf(harness, webhook, deliveries)).toEqual(['cancelled', 'cancelled', 'cancelled'])
      expect(await store.getReplay(replayId)).toMatchObject({ status: 'cancelled', cancelled: 3 })
    })

    it('cancels what it finds without its event, and goes on to the others', async () => {
      const { store, settle } = harness
      const webhook = await savedWebhook(store)
      const [gone = '', there = ''] = await createdIds(store, webhook.workspaceId, [newEvent(), newEvent()])
      // Deleted between its fan-out's reading and writing.
      await store.deleteEvents(webhook.workspaceId, [gone])
      await fanOutAll(harness, [newDelivery(webhook, { eventId: gone }), newDelivery(webhook, { eventId: there })])
      await settle()
      const { workspaceId } = webhook
      const [read] = (await store.listDeliveries({ workspaceId, eventId: gone, limit: 9, maxBytes: 1e6 })).deliveries
      expect(read).toMatchObject({ status: 'cancelled', nextAttemptAtUs: null, completedAtUs: expect.any(Number) })
      expect((await claim(harness, webhook)).deliveries).toMatchObject([{ event: { eventId: there } }])
      expect(await store.deliveryStatuses(webhook.webhookId, [gone])).toEqual([['cancelled']])
    })

    it('does not look into another workspace for an event', async () => {
      const { store } = harness
      const webhook = await savedWebhook(store)
      const [eventId = ''] = await createdIds(store, newWorkspace(), [newEvent()])
      await fanOutAll(harness, [newDelivery(webhook, { eventId })])
      expect((await claim(harness, webhook)).deliveries).toEqual([])
    })

    for (const back of [-2 * DAY_S, -400 * DAY_S]) {
      it(`goes on when the clock steps back by ${-back / DAY_S} days: what was held or waited is due`, async () => {
        const { store, clock } = harness
        const webhook = await savedWebhook(store)
        const [held, waiting] = await stored(harness, webhook, 2)
        const { deliveries } = await claim(harness, webhook)
        const late = deliveries.find(({ deliveryId }) => deliveryId === waiting?.deliveryId)
        if (late === undefined) throw new Error('It was not claimed.')
        await store.recordAttempts([failure(harness, late)])
        clock.advance({ seconds: back })
        const first = await claim(harness, webhook, { limit: 1 })
        expect(first.nextAtUs).toBeLessThanOrEqual(clock.nowUs())
        const rest = await claim(harness, webhook)
        expect([...claimedIds(first), ...claimedIds(rest)].sort()).toEqual([held?.deliveryId, waiting?.deliveryId])
        expect((await claim(harness, webhook)).deliveries).toEqual([])
        clock.advance({ seconds: -back })
      })
    }

    it('gives all that waited when the clock leaps ahead, and holds it from then on', async () => {
      const { clock } = harness
      const webhook = await savedWebhook(harness.store)
      const deliveries = await stored(harness, webhook, 2, { dueAtUs: clock.nowUs() + 3_600_000_000 })
      clock.advance({ days: 2 })
      expect(claimedIds(await claim(harness, webhook))).toEqual(idsOfDeliveries(deliveries))
      expect((await claim(harness, webhook)).deliveries).toEqual([])
    })
  })
}
