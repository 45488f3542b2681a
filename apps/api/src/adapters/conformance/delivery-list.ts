import { beforeAll, describe, expect, it } from 'vitest'
import { DELIVERY_STATUSES, type DeliveryRecord, type DeliveryStatus, type Lane, type StoredWebhook } from '../../webhook-ports.ts'
import { attemptAll, claim, failure, fanOutAll, holdAll, idsOfDeliveries, live, outcome, replayed, stored } from './delivery-harness.ts'
import {
  anyUuid,
  createdIds,
  newAuditEntry,
  newDelivery,
  newEvent,
  newWebhook,
  newWorkspace,
  pagesOf,
  type StoreHarness,
  savedWebhook,
} from './harness.ts'

export function deliveryListSuite(open: () => Promise<StoreHarness>): void {
  describe('listing deliveries', () => {
    let harness: StoreHarness
    let webhook: StoredWebhook
    /** Of the webhook, the newest first. */
    let all: DeliveryRecord[]
    beforeAll(async () => {
      harness = await open()
      const { store } = harness
      webhook = await savedWebhook(store)
      const [others, elsewhere] = [await savedWebhook(store, newWebhook({ workspaceId: webhook.workspaceId })), await savedWebhook(store)]
      // Every status in turn, so that none is in one piece, and deliveries of others between.
      for (let n = 0; n < 4; n++) {
        const { webhookId } = webhook
        const { replayId } = await replayed(harness, webhook, 1)
        await store.moveDeliveries({ webhookId, replayId, to: 'cancelled', limit: 9 })
        await stored(harness, webhook, 1)
        await holdAll(harness, webhook)
        await stored(harness, webhook, 1)
        await attemptAll(harness, webhook, (claimed) => failure(harness, claimed, { status: 'dead', dueAtUs: null }))
        await stored(harness, webhook, 2)
        await attemptAll(harness, webhook, (claimed) => outcome(harness, claimed))
        await stored(harness, others, 1)
        await stored(harness, elsewhere, 1)
      }
      await stored(harness, webhook, 3)
      await harness.settle()
      all = await list({ webhookId: webhook.webhookId }, 100)
    })

    const list = async (
      by: { webhookId?: string; eventId?: string; status?: DeliveryStatus },
      limit: number,
      maxBytes = 5_000_000,
      workspaceId = webhook.workspaceId,
    ): Promise<DeliveryRecord[]> => {
      const pages = await pagesOf((after) => harness.store.listDeliveries({ workspaceId, ...by, limit, maxBytes, after }))
      return pages.flatMap((page) => page.deliveries)
    }

    it('gives them with their attempts, the newest first, of one webhook alone, as they are read one by one', async () => {
      expect(all).toHaveLength(23)
      const times = all.map(({ createdAtUs }) => createdAtUs)
      expect(times).toEqual([...times].sort((a, b) => b - a))
      expect(new Set(all.map(({ webhookId }) => webhookId))).toEqual(new Set([webhook.webhookId]))
      const counts = DELIVERY_STATUSES.map((status) => all.filter((delivery) => delivery.status === status).length)
      expect(counts).toEqual([3, 8, 4, 4, 4])
      for (const delivery of all) expect(await harness.store.getDelivery(webhook.workspaceId, delivery.deliveryId)).toEqual(delivery)
      expect(all.filter(({ replayId }) => replayId !== null)).toHaveLength(4)
      expect(all.filter(({ attempts }) => attempts.length === 1)).toHaveLength(12)
    })

    for (const limit of [1, 2, 3, 7, 22, 23, 24]) {
      it(`gives each once, page by page, under every filter: ${limit} a page`, async () => {
        const { webhookId } = webhook
        expect(await list({ webhookId }, limit)).toEqual(all)
        for (const status of DELIVERY_STATUSES) {
          expect(await list({ webhookId, status }, limit)).toEqual(all.filter((delivery) => delivery.status === status))
        }
      })
    }

    it('ends without a cursor exactly when there is no more', async () => {
      const { webhookId, workspaceId } = webhook
      const page = (limit: number, status?: DeliveryStatus) =>
        harness.store.listDeliveries({ workspaceId, webhookId, status, limit, maxBytes: 1e6 })
      expect((await page(23)).next).toBeNull()
      expect((await page(22)).next).not.toBeNull()
      expect((await page(8, 'delivered')).next).toBeNull()
      expect((await page(7, 'delivered')).next).not.toBeNull()
    })

    it('is empty for another workspace, and for ids that are not there', async () => {
      const { webhookId, workspaceId } = webhook
      const eventId = all[0]?.eventId ?? ''
      for (const by of [{ webhookId }, { eventId }]) {
        expect(await list(by, 10, 1e6, newWorkspace())).toEqual([])
        expect(await list(by, 10, 1e6, (await savedWebhook(harness.store)).workspaceId)).toEqual([])
      }
      for (const by of [{ webhookId: anyUuid() }, { eventId: anyUuid() }, { eventId: webhookId }]) {
        expect(await list(by, 10, 1e6, workspaceId)).toEqual([])
      }
    })

    it('gives those of an event to every webhook, in every status', async () => {
      const { store, settle } = harness
      const workspaceId = newWorkspace()
      const [one, two, gone] = [
        await savedWebhook(store, newWebhook({ workspaceId })),
        await savedWebhook(store, newWebhook({ workspaceId })),
        await savedWebhook(store, newWebhook({ workspaceId })),
      ]
      const [eventId = '', other = ''] = await createdIds(store, workspaceId, [newEvent(), newEvent()])
      await fanOutAll(harness, [newDelivery(two, { eventId }), newDelivery(one, { eventId: other })])
      for (const webhook of [one, gone]) {
        await createdIds(store, newWorkspace(), [newEvent()])
        await fanOutAll(harness, [newDelivery(webhook, { eventId })])
      }
      await attemptAll(harness, one, (claimed) => outcome(harness, claimed))
      await store.deleteWebhook(gone.webhookId, newAuditEntry(workspaceId))
      await settle()
      for (const limit of [1, 2, 3, 4]) {
        const listed = await list({ eventId }, limit, 1e6, workspaceId)
        expect(listed.map(({ webhookId }) => webhookId)).toEqual([gone.webhookId, one.webhookId, two.webhookId])
        expect(listed.map(({ status }) => status)).toEqual(['pending', 'delivered', 'pending'])
      }
      expect((await list({ eventId, status: 'pending' }, 1, 1e6, workspaceId)).map(({ webhookId }) => webhookId)).toEqual([
        gone.webhookId,
        two.webhookId,
      ])
    })

    it('ends a page before it weighs too much, but never without one', async () => {
      const { store } = harness
      const heavy = await savedWebhook(store)
      const deliveries = await stored(harness, heavy, 5)
      await attemptAll(harness, heavy, (claimed) => outcome(harness, claimed, { attempt: { responseBody: 'x'.repeat(4096) } }))
      const { workspaceId, webhookId } = heavy
      const pages = await pagesOf((after) => store.listDeliveries({ workspaceId, webhookId, limit: 50, maxBytes: 11_000, after }))
      expect(pages.map((page) => page.deliveries.length)).toEqual([2, 2, 1])
      expect(idsOfDeliveries(pages.flatMap((page) => page.deliveries)).reverse()).toEqual(idsOfDeliveries(deliveries))
      const single = await pagesOf((after) => store.listDeliveries({ workspaceId, webhookId, limit: 50, maxBytes: 1, after }))
      expect(single.map((page) => page.deliveries.length)).toEqual([1, 1, 1, 1, 1])
    })

    it('shows each that was there once, while others are made, attempted and moved', async () => {
      const { store, settle } = harness
      const busy = await savedWebhook(store)
      const there = idsOfDeliveries(await stored(harness, busy, 12))
      const { workspaceId, webhookId } = busy
      const pages = await pagesOf(
        (after) => store.listDeliveries({ workspaceId, webhookId, limit: 2, maxBytes: 1e6, after }),
        async () => {
          await stored(harness, busy, 1)
          await attemptAll(harness, busy, (claimed) => outcome(harness, claimed), { limit: 1 })
          await holdAll(harness, busy)
          await settle()
        },
      )
      const ids = idsOfDeliveries(pages.flatMap((page) => page.deliveries))
      expect(ids).toEqual([...there].reverse())
    })

    it('leaves out of the open ones those whose event has expired', async () => {
      const own = await open()
      const old = await savedWebhook(own.store)
      await stored(own, old, 3)
      own.clock.advance({ days: 7, seconds: 1 })
      const [fresh] = await stored(own, old, 1)
      const { workspaceId, webhookId } = old
      for (const limit of [1, 2, 10]) {
        const pages = await pagesOf((after) =>
          own.store.listDeliveries({ workspaceId, webhookId, status: 'pending', limit, maxBytes: 1e6, after }),
        )
        expect(idsOfDeliveries(pages.flatMap((page) => page.deliveries))).toEqual([fresh?.deliveryId])
      }
    })

    describe('the lanes with something due', () => {
      it('are each given once, page by page, whatever state their webhook is in; others are not', async () => {
        const own = await open()
        const { store, clock } = own
        const hourUs = 3_600_000_000
        const expected: Lane[] = []
        for (let n = 0; n < 6; n++) {
          const due = await savedWebhook(store)
          await stored(own, due, 3)
          const { replayId } = await replayed(own, due, 2)
          expected.push(live(due), { webhookId: due.webhookId, replayId })
          if (n === 1) await savedWebhook(store, { ...due, isActive: false })
          if (n === 2) await store.deleteWebhook(due.webhookId, newAuditEntry(due.workspaceId))
          const [waiting, held, done] = [await savedWebhook(store), await savedWebhook(store), await savedWebhook(store)]
          await stored(own, waiting, 2, { dueAtUs: clock.nowUs() + hourUs })
          await stored(own, held, 1)
          await claim(own, held, { heldUntilUs: clock.nowUs() + hourUs })
          await stored(own, done, 1)
          await attemptAll(own, done, (claimed) => outcome(own, claimed))
        }
        await own.settle()
        for (const limit of [1, 2, 5, 11, 12, 13]) {
          const pages = await pagesOf((after) => store.listDueLanes({ limit, after }))
          const lanes = pages.flatMap((page) => page.lanes)
          expect(lanes).toHaveLength(12)
          expect(lanes).toEqual(expect.arrayContaining(expected))
          for (const page of pages) expect(page.lanes.length).toBeLessThanOrEqual(limit)
        }
      })

      it('has those whose wait seems too long: the clock went back', async () => {
        const own = await open()
        const lane = await savedWebhook(own.store)
        await stored(own, lane, 2, { dueAtUs: own.clock.nowUs() + 3_600_000_000 })
        expect(await own.store.listDueLanes({ limit: 9 })).toEqual({ lanes: [], next: null })
        own.clock.advance({ days: -2 })
        await own.settle()
        expect(await own.store.listDueLanes({ limit: 9 })).toEqual({ lanes: [live(lane)], next: null })
      })
    })
  })
}
