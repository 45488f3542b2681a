import { beforeAll, describe, expect, it } from 'vitest'
import { attemptAll, claim, claimedIds, failure, holdAll, outcome, read, replayed, statusesOf, stored } from './delivery-harness.ts'
import { createdIds, newAuditEntry, newEvent, newWorkspace, type StoreHarness, savedWebhook } from './harness.ts'

export function deliveryEndSuite(open: () => Promise<StoreHarness>): void {
  describe('the end of deliveries', () => {
    let harness: StoreHarness
    beforeAll(async () => {
      harness = await open()
    })

    const sweepAll = async (limit = 100): Promise<number> => {
      let calls = 1
      while (await harness.store.sweep(limit)) calls++
      return calls
    }

    it('comes for the open ones when their event is deleted; what was delivered or dead stays so', async () => {
      const { store } = harness
      const webhook = await savedWebhook(store)
      const { workspaceId } = webhook
      const ended = [...(await stored(harness, webhook, 1))]
      await attemptAll(harness, webhook, (claimed) => outcome(harness, claimed))
      ended.push(...(await stored(harness, webhook, 1)))
      await attemptAll(harness, webhook, (claimed) => failure(harness, claimed, { status: 'dead', dueAtUs: null }))
      const held = await stored(harness, webhook, 1)
      await holdAll(harness, webhook)
      const waiting = await stored(harness, webhook, 1)
      await attemptAll(harness, webhook, (claimed) => failure(harness, claimed))
      const kept = await stored(harness, webhook, 1)
      const gone = [...ended, ...held, ...waiting]
      await store.deleteEvents(
        workspaceId,
        gone.map(({ eventId }) => eventId),
      )
      expect(await statusesOf(harness, webhook, [...gone, ...kept])).toEqual(['delivered', 'dead', 'cancelled', 'cancelled', 'pending'])
      const cancelled = { nextAttemptAtUs: null, completedAtUs: expect.any(Number), attempts: [{ attempt: 1 }] }
      expect(await read(harness, webhook, waiting[0]?.deliveryId ?? '')).toMatchObject(cancelled)
      expect(claimedIds(await claim(harness, webhook))).toEqual([kept[0]?.deliveryId])
    })

    it('makes what was under way then be lost', async () => {
      const { store } = harness
      const webhook = await savedWebhook(store)
      const [delivery] = await stored(harness, webhook, 1)
      const { deliveries } = await claim(harness, webhook)
      await store.deleteEvents(webhook.workspaceId, [delivery?.eventId ?? ''])
      const results = await store.recordAttempts(deliveries.map((claimed) => outcome(harness, claimed)))
      expect(results).toEqual([{ outcome: 'lost' }])
      expect(await read(harness, webhook, delivery?.deliveryId ?? '')).toMatchObject({ status: 'cancelled', attempts: [] })
    })

    it('is counted by their replay, which then may be complete', async () => {
      const { store } = harness
      const webhook = await savedWebhook(store)
      const { replayId, deliveries } = await replayed(harness, webhook, 3)
      await attemptAll(harness, webhook, (claimed) => outcome(harness, claimed), { replayId, limit: 1 })
      const [, second, third] = deliveries.map(({ eventId }) => eventId)
      await store.deleteEvents(webhook.workspaceId, [second ?? ''])
      expect(await store.getReplay(replayId)).toMatchObject({ status: 'running', delivered: 1, cancelled: 1 })
      await store.deleteEvents(webhook.workspaceId, [third ?? ''])
      expect(await store.getReplay(replayId)).toMatchObject({ status: 'completed', delivered: 1, cancelled: 2 })
    })

    it('comes with the expiry of their event, before and after the sweep, and all is forgotten a day later', async () => {
      const { store, clock } = harness
      const webhook = await savedWebhook(store)
      const { replayId, deliveries } = await replayed(harness, webhook, 2)
      const ids = deliveries.map(({ deliveryId }) => deliveryId)
      await attemptAll(harness, webhook, (claimed) => failure(harness, claimed), { replayId, limit: 1 })
      await holdAll(harness, webhook)
      clock.advance({ days: 7, seconds: 1 })
      const expected = { status: 'cancelled', nextAttemptAtUs: null, completedAtUs: expect.any(Number) }
      const whole = await Promise.all(ids.map((id) => read(harness, webhook, id)))
      for (const delivery of whole) expect(delivery).toMatchObject(expected)
      expect(whole[0]?.completedAtUs).toBeGreaterThan((deliveries[0]?.createdAtUs ?? 0) + 6.99 * 86_400e6)
      expect(whole[0]?.completedAtUs).toBeLessThanOrEqual(clock.nowUs())
      for (const id of ids) {
        expect(await store.retryDelivery(webhook.workspaceId, id, clock.nowUs())).toEqual({ outcome: 'event_gone' })
      }
      await sweepAll()
      expect(await Promise.all(ids.map((id) => read(harness, webhook, id)))).toMatchObject([expected, expected])
      expect(await store.getReplay(replayId)).toMatchObject({ status: 'failed', cancelled: 2 })

      clock.advance({ days: 1 })
      const forgotten = async () => {
        expect(await Promise.all(ids.map((id) => read(harness, webhook, id)))).toEqual([undefined, undefined])
        const { workspaceId, webhookId } = webhook
        expect((await store.listDeliveries({ workspaceId, webhookId, limit: 9, maxBytes: 1e6 })).deliveries).toEqual([])
        expect(await store.retryDelivery(workspaceId, ids[0] ?? '', clock.nowUs())).toEqual({ outcome: 'not_found' })
      }
      await forgotten()
      await sweepAll()
      await forgotten()
    })

    it('comes for those whose event had expired before a claim, without an attempt', async () => {
      const { store, clock } = harness
      const webhook = await savedWebhook(store)
      const before = await stored(harness, webhook, 2)
      clock.advance({ days: 7, seconds: 1 })
      const after = await stored(harness, webhook, 1)
      const { deliveries } = await claim(harness, webhook)
      expect(claimedIds({ deliveries })).toEqual([after[0]?.deliveryId])
      expect(await statusesOf(harness, webhook, before)).toEqual(['cancelled', 'cancelled'])
      expect(await store.listDueLanes({ limit: 100 })).toMatchObject({
        lanes: expect.not.arrayContaining([{ webhookId: webhook.webhookId }]),
      })
    })

    it('is swept in pieces of the size that was told', async () => {
      const { store, clock, sweeps } = harness
      if (sweeps === false) return
      const webhook = await savedWebhook(store)
      clock.advance({ days: 9 })
      await sweepAll()
      await stored(harness, webhook, 25)
      await attemptAll(harness, webhook, (claimed) => outcome(harness, claimed))
      clock.advance({ days: 9 })
      expect(await sweepAll(10)).toBe(3)
      expect(await store.sweep(10)).toBe(false)
    })

    it('is counted by their replay also when they are swept before their event', async () => {
      const { store, clock } = harness
      const webhook = await savedWebhook(store)
      clock.advance({ days: 9 })
      await sweepAll()
      // Older than the replay's event, so that a small sweep comes to them first.
      await createdIds(store, newWorkspace(), [newEvent(), newEvent(), newEvent()])
      const { replayId } = await replayed(harness, webhook, 1)
      clock.advance({ days: 9 })
      await store.sweep(1)
      expect(await store.getReplay(replayId)).toMatchObject({ status: 'completed', cancelled: 1 })
      await sweepAll(1)
      expect(await store.getReplay(replayId)).toMatchObject({ cancelled: 1 })
    })

    it('outlives its webhook: those under way are cancelled, the others wait for the call that cancels them', async () => {
      const { store } = harness
      const webhook = await savedWebhook(store)
      await stored(harness, webhook, 3)
      const { deliveries } = await claim(harness, webhook, { limit: 2 })
      await store.deleteWebhook(webhook.webhookId, newAuditEntry(webhook.workspaceId))
      const [good, bad] = deliveries
      if (good === undefined || bad === undefined) throw new Error('Nothing was claimed.')
      await store.recordAttempts([outcome(harness, good), failure(harness, bad)])
      expect(await read(harness, webhook, bad.deliveryId)).toMatchObject({ status: 'cancelled', attempts: [{ attempt: 1 }] })
      expect(await claim(harness, webhook)).toEqual({ webhook: null, deliveries: [], nextAtUs: null })
      await store.moveDeliveries({ webhookId: webhook.webhookId, to: 'cancelled', limit: 9 })
      await harness.settle()
      const { workspaceId, webhookId } = webhook
      const left = await store.listDeliveries({ workspaceId, webhookId, limit: 9, maxBytes: 1e6 })
      expect(left.deliveries.map(({ status }) => status)).toEqual(['cancelled', 'cancelled', 'delivered'])
    })
  })
}
