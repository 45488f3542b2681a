import { beforeAll, describe, expect, it } from 'vitest'
import type { DeliveryRecord, StoredWebhook } from '../../webhook-ports.ts'
import {
  attemptAll,
  claim,
  claimedIds,
  failure,
  fanOutAll,
  holdAll,
  idsOfDeliveries,
  live,
  newOwnEvent,
  outcome,
  read,
  replayed,
  statusesOf,
  stored,
} from './delivery-harness.ts'
import {
  anyUuid,
  createdIds,
  fiftyTimes,
  newAuditEntry,
  newDelivery,
  newEvent,
  newWebhook,
  newWorkspace,
  type StoreHarness,
  savedWebhook,
} from './harness.ts'

export function deliverySuite(open: () => Promise<StoreHarness>): void {
  describe('deliveries', () => {
    let harness: StoreHarness
    beforeAll(async () => {
      harness = await open()
    })

    const one = async (webhook: StoredWebhook): Promise<DeliveryRecord> => {
      const [delivery] = await stored(harness, webhook, 1)
      if (delivery === undefined) throw new Error('No delivery was stored.')
      return delivery
    }
    const dead = async (webhook: StoredWebhook): Promise<DeliveryRecord> => {
      const delivery = await one(webhook)
      await attemptAll(harness, webhook, (claimed) => failure(harness, claimed, { status: 'dead', dueAtUs: null }))
      return delivery
    }
    const retry = ({ workspaceId }: StoredWebhook, { deliveryId }: DeliveryRecord) =>
      harness.store.retryDelivery(workspaceId, deliveryId, harness.clock.nowUs())
    const moveAll = async (webhook: StoredWebhook, to: 'held' | 'cancelled', replayId?: string, limit = 100): Promise<number> => {
      let calls = 1
      while (await harness.store.moveDeliveries({ webhookId: webhook.webhookId, replayId, to, limit })) calls++
      return calls
    }

    it('begins pending, due when it was said, in the order of commits, and is read by its own workspace alone', async () => {
      const { store, clock } = harness
      const webhook = await savedWebhook(store)
      const dueAtUs = clock.nowUs() + 5_000_001
      const [first, second] = await stored(harness, webhook, 2, {
        dueAtUs,
        event: newEvent({ eventType: 'user.created' }),
        eventType: 'user.created',
      })
      const begun = {
        webhookId: webhook.webhookId,
        eventType: 'user.created',
        status: 'pending',
        attemptCount: 0,
        nextAttemptAtUs: dueAtUs,
      }
      const fresh = { completedAtUs: null, replayId: null, attempts: [], createdAtUs: expect.any(Number), deliveryId: expect.any(String) }
      expect(first).toEqual({ ...begun, ...fresh, eventId: expect.any(String) })
      expect(first?.deliveryId).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
      expect(Math.abs((first?.createdAtUs ?? 0) - clock.nowUs())).toBeLessThan(60e6)
      expect((second?.deliveryId ?? '') > (first?.deliveryId ?? '')).toBe(true)
      const id = first?.deliveryId ?? ''
      expect(await read(harness, webhook, id)).toEqual(first)
      expect(await store.getDelivery(newWorkspace(), id)).toBeUndefined()
      const other = await savedWebhook(store)
      expect(await store.getDelivery(other.workspaceId, id)).toBeUndefined()
      for (const unknown of [anyUuid(), `${id.slice(0, -4)}0000`, first?.eventId ?? '']) {
        expect(await store.getDelivery(webhook.workspaceId, unknown)).toBeUndefined()
      }
    })

    it('is there, and goes on, when the store is opened again', async () => {
      const { store, reopen } = harness
      const webhook = await savedWebhook(store)
      const delivery = await one(webhook)
      const again = await reopen()
      expect(await again.getDelivery(webhook.workspaceId, delivery.deliveryId)).toEqual(delivery)
      const own = { ...harness, store: again }
      await attemptAll(own, webhook, (claimed) => outcome(own, claimed))
      await again.close()
      expect(await read(harness, webhook, delivery.deliveryId)).toMatchObject({ status: 'delivered', attempts: [{ attempt: 1 }] })
    })

    it('tells the statuses of each event to that webhook alone, oldest first', async () => {
      const { store, settle } = harness
      const webhook = await savedWebhook(store)
      const other = await savedWebhook(store, newWebhook({ workspaceId: webhook.workspaceId }))
      const [twice = '', once = '', none = ''] = await createdIds(store, webhook.workspaceId, [newEvent(), newEvent(), newEvent()])
      await fanOutAll(harness, [newDelivery(webhook, { eventId: twice }), newDelivery(other, { eventId: once })])
      await attemptAll(harness, webhook, (claimed) => outcome(harness, claimed))
      await createdIds(store, newWorkspace(), [newEvent()])
      await fanOutAll(harness, [newDelivery(webhook, { eventId: twice }), newDelivery(webhook, { eventId: once })])
      await settle()
      const asked = [once, none, twice, anyUuid(), once]
      const known = [['pending'], [], ['delivered', 'pending'], [], ['pending']]
      expect(await store.deliveryStatuses(webhook.webhookId, asked)).toEqual(known)
      expect(await store.deliveryStatuses(anyUuid(), [once])).toEqual([[]])
      expect(await store.deliveryStatuses(webhook.webhookId, [])).toEqual([])
    })

    describe('retried by hand', () => {
      it('is pending, due then, its schedule begun anew and its attempts kept', async () => {
        const { store, clock } = harness
        const webhook = await savedWebhook(store)
        const delivery = await dead(webhook)
        const dueAtUs = clock.nowUs() + 1
        expect(await store.retryDelivery(webhook.workspaceId, delivery.deliveryId, dueAtUs)).toEqual({
          outcome: 'retried',
          lane: live(webhook),
        })
        const open = { status: 'pending', nextAttemptAtUs: dueAtUs, completedAtUs: null, attemptCount: 1, attempts: [{ attempt: 1 }] }
        expect(await read(harness, webhook, delivery.deliveryId)).toMatchObject(open)
        clock.advance({ us: 1 })
        const { deliveries } = await claim(harness, webhook)
        expect(deliveries).toMatchObject([{ deliveryId: delivery.deliveryId, attemptCount: 1, scheduleStart: 1 }])
        await store.recordAttempts(deliveries.map((claimed) => outcome(harness, claimed)))
        const done = { status: 'delivered', attemptCount: 2, attempts: [{ attempt: 1 }, { attempt: 2 }] }
        expect(await read(harness, webhook, delivery.deliveryId)).toMatchObject(done)
      })

      for (const status of ['delivered', 'held', 'cancelled'] as const) {
        it(`is possible when it is ${status}`, async () => {
          const { store } = harness
          const webhook = await savedWebhook(store)
          const delivery = await one(webhook)
          if (status === 'delivered') await attemptAll(harness, webhook, (claimed) => outcome(harness, claimed))
          else if (status === 'held') await holdAll(harness, webhook)
          else await moveAll(webhook, status)
          expect(await statusesOf(harness, webhook, [delivery])).toEqual([status])
          expect(await retry(webhook, delivery)).toMatchObject({ outcome: 'retried' })
          expect(claimedIds(await claim(harness, webhook))).toEqual([delivery.deliveryId])
        })
      }

      it('is refused while pending, by another workspace, without its event, and without an active webhook', async () => {
        const { store } = harness
        const webhook = await savedWebhook(store)
        const [open, ended, gone] = [await dead(webhook), await dead(webhook), await dead(webhook)]
        await store.deleteEvents(webhook.workspaceId, [gone.eventId])
        expect(await retry(webhook, open)).toMatchObject({ outcome: 'retried' })
        expect(await retry(webhook, open)).toEqual({ outcome: 'pending' })
        expect(await retry(await savedWebhook(store), ended)).toEqual({ outcome: 'not_found' })
        expect(await retry(webhook, { ...ended, deliveryId: anyUuid() })).toEqual({ outcome: 'not_found' })
        expect(await retry(webhook, gone)).toEqual({ outcome: 'event_gone' })
        const inactive = await savedWebhook(store, { ...webhook, isActive: false })
        expect(await retry(webhook, ended)).toEqual({ outcome: 'inactive' })
        await savedWebhook(store, { ...inactive, isActive: true })
        expect(await retry(webhook, ended)).toMatchObject({ outcome: 'retried' })
        const another = await dead(webhook)
        await store.deleteWebhook(webhook.webhookId, newAuditEntry(webhook.workspaceId))
        expect(await retry(webhook, another)).toEqual({ outcome: 'inactive' })
      })

      it('happens once when it is asked fifty times', async () => {
        const webhook = await savedWebhook(harness.store)
        const delivery = await dead(webhook)
        const results = await fiftyTimes(() => retry(webhook, delivery))
        expect(results.filter((result) => result.outcome === 'retried')).toHaveLength(1)
        expect(results.filter((result) => result.outcome === 'pending')).toHaveLength(49)
      })

      it('takes it from its replay into the live lane; the replay does without it', async () => {
        const { store } = harness
        const webhook = await savedWebhook(store)
        const { replayId, deliveries } = await replayed(harness, webhook, 2)
        await holdAll(harness, webhook, replayId)
        const [first, second] = deliveries
        for (const delivery of deliveries) expect(await retry(webhook, delivery)).toEqual({ outcome: 'retried', lane: live(webhook) })
        expect(await store.getReplay(replayId)).toMatchObject({ status: 'failed', enqueued: 2, delivered: 0, cancelled: 2 })
        const claimed = await claim(harness, webhook)
        expect(claimedIds(claimed)).toEqual([first?.deliveryId, second?.deliveryId])
        expect(claimed.deliveries).toMatchObject([{ replayId }, { replayId }])
        await store.recordAttempts(claimed.deliveries.map((delivery) => outcome(harness, delivery)))
        expect(await store.getReplay(replayId)).toMatchObject({ delivered: 0, cancelled: 2 })
      })

      it('is possible for an event of our own', async () => {
        const { store, clock } = harness
        const webhook = await savedWebhook(store)
        const ownEvent = newOwnEvent(clock.nowUs())
        await createdIds(store, newWorkspace(), [newEvent()])
        await fanOutAll(harness, [newDelivery(webhook, { eventId: ownEvent.eventId, ownEvent })])
        const { deliveries } = await claim(harness, webhook)
        await store.recordAttempts(deliveries.map((claimed) => outcome(harness, claimed)))
        for (const { deliveryId } of deliveries) {
          expect(await store.retryDelivery(webhook.workspaceId, deliveryId, clock.nowUs())).toMatchObject({ outcome: 'retried' })
        }
        expect((await claim(harness, webhook)).deliveries).toMatchObject([{ event: ownEvent, attemptCount: 1 }])
      })
    })

    describe('moved', () => {
      it('are held or cancelled, at most as many as was told at once, all lanes and that webhook alone', async () => {
        const { store } = harness
        const [webhook, other] = [await savedWebhook(store), await savedWebhook(store)]
        const [mine, theirs] = [await stored(harness, webhook, 5), await stored(harness, other, 1)]
        const { deliveries: ofReplay } = await replayed(harness, webhook, 2)
        const off = await savedWebhook(store, { ...webhook, isActive: false })
        expect(await moveAll(webhook, 'held', undefined, 3)).toBe(3)
        await savedWebhook(store, { ...off, isActive: true })
        expect(await statusesOf(harness, webhook, [...mine, ...ofReplay])).toEqual(Array(7).fill('held'))
        expect(await statusesOf(harness, other, theirs)).toEqual(['pending'])
        expect(await read(harness, webhook, mine[0]?.deliveryId ?? '')).toMatchObject({ nextAttemptAtUs: null, completedAtUs: null })
        const [late] = await stored(harness, webhook, 1)
        expect(await moveAll(webhook, 'cancelled', undefined, 3)).toBe(3)
        expect(await statusesOf(harness, webhook, [...mine, ...ofReplay])).toEqual(Array(7).fill('cancelled'))
        expect(await read(harness, webhook, late?.deliveryId ?? '')).toMatchObject({
          status: 'cancelled',
          completedAtUs: expect.any(Number),
        })
        expect((await claim(harness, webhook)).deliveries).toEqual([])
      })

      it('are those of one replay, held ones too when they are cancelled, and it counts them', async () => {
        const { store } = harness
        const webhook = await savedWebhook(store)
        const liveOnes = await stored(harness, webhook, 2)
        const [one, two] = [await replayed(harness, webhook, 3), await replayed(harness, webhook, 2)]
        await holdAll(harness, webhook, one.replayId)
        expect(await store.getReplay(one.replayId)).toMatchObject({ status: 'failed', cancelled: 0 })
        expect(await statusesOf(harness, webhook, [...liveOnes, ...one.deliveries, ...two.deliveries])).toEqual([
          ...['pending', 'pending'],
          ...['held', 'held', 'held'],
          ...['pending', 'pending'],
        ])
        await moveAll(webhook, 'cancelled', one.replayId, 2)
        await moveAll(webhook, 'cancelled', two.replayId)
        for (const { replayId, deliveries } of [one, two]) {
          expect(await statusesOf(harness, webhook, deliveries)).toEqual(deliveries.map(() => 'cancelled'))
          expect(await store.getReplay(replayId)).toMatchObject({ status: 'failed', cancelled: deliveries.length })
        }
        expect(claimedIds(await claim(harness, webhook))).toEqual(idsOfDeliveries(liveOnes))
      })

      it('are not those under way: what comes of them is recorded, and they are not tried again', async () => {
        const { store, clock } = harness
        const webhook = await savedWebhook(store)
        await stored(harness, webhook, 3)
        const { deliveries } = await claim(harness, webhook)
        await savedWebhook(store, { ...webhook, isActive: false })
        await moveAll(webhook, 'held')
        const [good, bad] = deliveries
        if (good === undefined || bad === undefined) throw new Error('Nothing was claimed.')
        const results = await store.recordAttempts([outcome(harness, good), failure(harness, bad)])
        expect(results).toMatchObject([{ outcome: 'recorded' }, { outcome: 'recorded' }])
        const now = async () =>
          await Promise.all(deliveries.map(async ({ deliveryId }) => (await read(harness, webhook, deliveryId))?.status))
        expect(await now()).toEqual(['delivered', 'held', 'pending'])
        clock.advance({ seconds: 31 })
        await moveAll(webhook, 'held')
        expect(await now()).toEqual(['delivered', 'held', 'held'])
      })

      it('are not held while the webhook is active, whoever asked before it was switched on again', async () => {
        const { store } = harness
        const webhook = await savedWebhook(store)
        const off = await savedWebhook(store, { ...webhook, isActive: false })
        await savedWebhook(store, { ...off, isActive: true })
        const deliveries = await stored(harness, webhook, 3)
        expect(await store.moveDeliveries({ webhookId: webhook.webhookId, to: 'held', limit: 3 })).toBe(false)
        expect(await statusesOf(harness, webhook, deliveries)).toEqual(['pending', 'pending', 'pending'])
      })

      it('are none of a webhook or replay that there never was', async () => {
        const webhook = await savedWebhook(harness.store)
        const delivery = await one(webhook)
        expect(await harness.store.moveDeliveries({ webhookId: anyUuid(), to: 'cancelled', limit: 9 })).toBe(false)
        const replayId = anyUuid()
        expect(await harness.store.moveDeliveries({ webhookId: webhook.webhookId, replayId, to: 'cancelled', limit: 9 })).toBe(false)
        expect(await statusesOf(harness, webhook, [delivery])).toEqual(['pending'])
      })
    })
  })
}
