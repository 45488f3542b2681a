import { beforeAll, describe, expect, it } from 'vitest'
import type { AttemptRecord, ClaimedDelivery, StoredWebhook } from '../../webhook-ports.ts'
import { attemptAll, claim, claimedIds, failure, newOwnEvent, outcome, read, replayed, stored } from './delivery-harness.ts'
import { newDelivery, newWebhook, type StoreHarness, savedWebhook } from './harness.ts'

export function attemptSuite(open: () => Promise<StoreHarness>): void {
  describe('attempts', () => {
    let harness: StoreHarness
    beforeAll(async () => {
      harness = await open()
    })

    const claimedOne = async (webhook: StoredWebhook): Promise<ClaimedDelivery> => {
      await stored(harness, webhook, 1)
      const [claimed] = (await claim(harness, webhook)).deliveries
      if (claimed === undefined) throw new Error('Nothing was claimed.')
      return claimed
    }

    it('are read as they were recorded, oldest first; the last one ends the delivery', async () => {
      const { store, clock } = harness
      const webhook = await savedWebhook(store)
      const first = await claimedOne(webhook)
      const attempts: AttemptRecord[] = [
        {
          attempt: 1,
          startedAtUs: clock.nowUs() - 7,
          durationMs: 20_000,
          statusCode: null,
          error: 'timeout',
          responseBody: '',
          responseTruncated: false,
          retryReason: 'timeout',
        },
        {
          attempt: 2,
          startedAtUs: clock.nowUs() + 5_000_000,
          durationMs: 3,
          statusCode: 200,
          error: null,
          responseBody: `"Zoë" 🚀 \u0000 ${'x'.repeat(4000)}`,
          responseTruncated: true,
          retryReason: null,
        },
      ]
      const [failed, succeeded] = attempts
      const results = await store.recordAttempts([failure(harness, first, { ...(failed && { attempt: failed }) })])
      expect(results).toEqual([{ outcome: 'recorded', failingSinceUs: clock.nowUs() - 7 }])
      const waits = { status: 'pending', attemptCount: 1, nextAttemptAtUs: clock.nowUs() + 5_000_000, completedAtUs: null }
      expect(await read(harness, webhook, first.deliveryId)).toMatchObject({ ...waits, attempts: [failed] })
      expect(await claim(harness, webhook)).toMatchObject({ deliveries: [], nextAtUs: clock.nowUs() + 5_000_000 })

      clock.advance({ seconds: 5 })
      const { deliveries } = await claim(harness, webhook)
      expect(deliveries).toMatchObject([{ deliveryId: first.deliveryId, attemptCount: 1, scheduleStart: 0 }])
      await store.recordAttempts(deliveries.map((again) => outcome(harness, again, { ...(succeeded && { attempt: succeeded }) })))
      const ended = await read(harness, webhook, first.deliveryId)
      expect(ended).toMatchObject({ status: 'delivered', attemptCount: 2, nextAttemptAtUs: null, attempts })
      expect(ended?.completedAtUs).toBeGreaterThanOrEqual(clock.nowUs())
      expect(ended?.attempts).toEqual(attempts)
      expect(await claim(harness, webhook)).toMatchObject({ deliveries: [], nextAtUs: null })
    })

    it('are recorded one by one, each in its place in the answer', async () => {
      const { store } = harness
      const webhook = await savedWebhook(store)
      await stored(harness, webhook, 3)
      const { deliveries } = await claim(harness, webhook)
      const [a, b, c] = deliveries.map((claimed) => outcome(harness, claimed))
      if (a === undefined || b === undefined || c === undefined) throw new Error('Too few were claimed.')
      const unknown = { ...b, deliveryId: webhook.webhookId }
      const otherHold = { ...b, heldUntilUs: b.heldUntilUs + 1 }
      const results = await store.recordAttempts([a, unknown, otherHold, b, b, { ...c, status: 'dead', succeeded: false }])
      expect(results.map((result) => result.outcome)).toEqual(['recorded', 'lost', 'lost', 'recorded', 'lost', 'recorded'])
      const records = await Promise.all([a, b, c].map(({ deliveryId }) => read(harness, webhook, deliveryId)))
      expect(records.map((record) => record?.status)).toEqual(['delivered', 'delivered', 'dead'])
      expect(records.map((record) => record?.attempts.length)).toEqual([1, 1, 1])
      expect(await store.recordAttempts([])).toEqual([])
    })

    it('of a hold that ended are lost once another has the delivery, through another store too', async () => {
      const { store, clock, reopen } = harness
      const webhook = await savedWebhook(store)
      const claimed = await claimedOne(webhook)
      const late = outcome(harness, claimed)
      clock.advance({ seconds: 30 })
      const again = await reopen()
      const own = { ...harness, store: again }
      const [second] = (await claim(own, webhook)).deliveries
      expect(second?.deliveryId).toBe(claimed.deliveryId)
      expect(await store.recordAttempts([late])).toEqual([{ outcome: 'lost' }])
      expect(await read(harness, webhook, claimed.deliveryId)).toMatchObject({ status: 'pending', attemptCount: 0, attempts: [] })
      const results = await again.recordAttempts(second === undefined ? [] : [failure(own, second)])
      expect(results).toMatchObject([{ outcome: 'recorded' }])
      expect(await store.recordAttempts([late])).toEqual([{ outcome: 'lost' }])
      expect(await read(harness, webhook, claimed.deliveryId)).toMatchObject({ status: 'pending', attemptCount: 1 })
      await again.close()
    })

    it('of a hold that ended still count while nobody else has the delivery', async () => {
      const { store, clock } = harness
      const webhook = await savedWebhook(store)
      const claimed = await claimedOne(webhook)
      const late = outcome(harness, claimed)
      clock.advance({ hours: 1 })
      expect(await store.recordAttempts([late])).toMatchObject([{ outcome: 'recorded' }])
      expect(await read(harness, webhook, claimed.deliveryId)).toMatchObject({ status: 'delivered' })
    })

    it('are kept to the newest hundred', async () => {
      const { store } = harness
      const webhook = await savedWebhook(store)
      const { deliveryId } = await claimedOne(webhook)
      for (let attemptCount = 0; attemptCount < 102; attemptCount++) {
        if (attemptCount > 0) await claim(harness, webhook)
        await store.recordAttempts([outcome(harness, { deliveryId, attemptCount }, { status: 'pending', dueAtUs: 0 })])
      }
      const record = await read(harness, webhook, deliveryId)
      expect(record?.attemptCount).toBe(102)
      expect(record?.attempts.map(({ attempt }) => attempt)).toEqual(Array.from({ length: 100 }, (_, n) => n + 3))
    })

    describe('and the health of their webhook', () => {
      const health = async (webhook: StoredWebhook) => {
        const { webhook: found } = await claim(harness, webhook, { limit: 1 })
        return found && { failingSinceUs: found.failingSinceUs, alarmedAtUs: found.alarmedAtUs }
      }

      it('is failing since the first failure after the last success', async () => {
        const { store, clock } = harness
        const webhook = await savedWebhook(store)
        const startedAtUs = clock.nowUs() - 3_000_000
        const first = await claimedOne(webhook)
        expect(await store.recordAttempts([failure(harness, first, { attempt: { startedAtUs } })])).toMatchObject([
          { failingSinceUs: startedAtUs },
        ])
        clock.advance({ days: 1 })
        expect(await store.recordAttempts([failure(harness, await claimedOne(webhook))])).toMatchObject([{ failingSinceUs: startedAtUs }])
        expect(await health(webhook)).toEqual({ failingSinceUs: startedAtUs, alarmedAtUs: null })
        expect(await store.getWebhook(webhook.webhookId)).toMatchObject({ failingSinceUs: startedAtUs, revision: 1 })
        clock.advance({ seconds: 60 })
        expect(await store.recordAttempts([outcome(harness, await claimedOne(webhook))])).toMatchObject([{ failingSinceUs: null }])
        expect(await health(webhook)).toEqual({ failingSinceUs: null, alarmedAtUs: null })
        const again = await claimedOne(webhook)
        expect(await store.recordAttempts([failure(harness, again)])).toMatchObject([{ failingSinceUs: clock.nowUs() }])
      })

      it('remembers that its owner was told, until a success; then, and then alone, it stores that all is well', async () => {
        const { store, clock } = harness
        const webhook = await savedWebhook(store)
        const listener = await savedWebhook(store, newWebhook({ workspaceId: webhook.workspaceId }))
        const own = (eventType: string) => {
          const ownEvent = { ...newOwnEvent(clock.nowUs()), eventType }
          return newDelivery(listener, { eventId: ownEvent.eventId, eventType, ownEvent })
        }
        const told = async () => {
          // Each is told once: the hold is longer than the test.
          const { deliveries } = await claim(harness, listener, { heldUntilUs: clock.nowUs() + 3_600_000_000 })
          return deliveries.map(({ event }) => event.eventType)
        }
        const succeed = async () => {
          const recoveredDeliveries = [own('triggers.webhook.recovered')]
          await store.recordAttempts([outcome(harness, await claimedOne(webhook), { recoveredDeliveries })])
        }
        await succeed()
        await store.recordAttempts([failure(harness, await claimedOne(webhook))])
        await succeed()
        expect(await told()).toEqual([])

        const dies = { status: 'dead', dueAtUs: null, alarms: true, ownDeliveries: [own('triggers.delivery.dead')] } as const
        const recoveredDeliveries = [own('triggers.webhook.recovered')]
        await store.recordAttempts([failure(harness, await claimedOne(webhook), { ...dies, recoveredDeliveries })])
        expect(await told()).toEqual(['triggers.delivery.dead'])
        const since = await health(webhook)
        expect(since).toMatchObject({ failingSinceUs: expect.any(Number), alarmedAtUs: expect.any(Number) })
        await store.recordAttempts([failure(harness, await claimedOne(webhook))])
        expect(await health(webhook)).toEqual(since)
        await succeed()
        expect(await told()).toEqual(['triggers.webhook.recovered'])
        expect(await health(webhook)).toEqual({ failingSinceUs: null, alarmedAtUs: null })
        await succeed()
        expect(await told()).toEqual([])
      })

      it('is untouched, and nothing of our own is stored, by what is lost', async () => {
        const { store, clock } = harness
        const webhook = await savedWebhook(store)
        const ownEvent = newOwnEvent(clock.nowUs())
        const ownDeliveries = [newDelivery(webhook, { eventId: ownEvent.eventId, ownEvent })]
        const claimed = await claimedOne(webhook)
        const lost = failure(harness, claimed, { heldUntilUs: 1, alarms: true, ownDeliveries })
        expect(await store.recordAttempts([lost])).toEqual([{ outcome: 'lost' }])
        expect(await health(webhook)).toEqual({ failingSinceUs: null, alarmedAtUs: null })
        expect((await claim(harness, webhook)).deliveries).toEqual([])
      })
    })

    it('of a webhook that is no longer active leave the delivery held; what ends it ends it', async () => {
      const { store } = harness
      const webhook = await savedWebhook(store)
      await stored(harness, webhook, 3)
      const [a, b, c] = (await claim(harness, webhook)).deliveries
      if (a === undefined || b === undefined || c === undefined) throw new Error('Too few were claimed.')
      await savedWebhook(store, { ...webhook, isActive: false })
      const dead = failure(harness, c, { status: 'dead', dueAtUs: null })
      expect(await store.recordAttempts([failure(harness, a), outcome(harness, b), dead])).toMatchObject(
        Array(3).fill({ outcome: 'recorded' }),
      )
      const expected = [
        [a, { status: 'held', attempts: [{ attempt: 1 }], nextAttemptAtUs: null, completedAtUs: null }],
        [b, { status: 'delivered', completedAtUs: expect.any(Number) }],
        [c, { status: 'dead', completedAtUs: expect.any(Number) }],
      ] as const
      for (const [{ deliveryId }, record] of expected) expect(await read(harness, webhook, deliveryId)).toMatchObject(record)
    })

    it('can leave the delivery held themselves', async () => {
      const { store } = harness
      const webhook = await savedWebhook(store)
      const claimed = await claimedOne(webhook)
      await store.recordAttempts([failure(harness, claimed, { status: 'held', dueAtUs: null })])
      expect(await read(harness, webhook, claimed.deliveryId)).toMatchObject({
        status: 'held',
        completedAtUs: null,
        attempts: [{ attempt: 1 }],
      })
    })

    describe('in a replay', () => {
      it('are counted by what became of their delivery; the last one completes it', async () => {
        const { store } = harness
        const webhook = await savedWebhook(store)
        const { replayId } = await replayed(harness, webhook, 3)
        await attemptAll(harness, webhook, (claimed) => outcome(harness, claimed), { replayId, limit: 1 })
        await attemptAll(harness, webhook, (claimed) => failure(harness, claimed, { dueAtUs: 0 }), { replayId, limit: 1 })
        expect(await store.getReplay(replayId)).toMatchObject({ status: 'running', enqueued: 3, delivered: 1, dead: 0, cancelled: 0 })
        await attemptAll(harness, webhook, (claimed) => failure(harness, claimed, { status: 'dead', dueAtUs: null }), {
          replayId,
          limit: 1,
        })
        expect(await store.getReplay(replayId)).toMatchObject({ status: 'running', delivered: 1, dead: 1 })
        await attemptAll(harness, webhook, (claimed) => outcome(harness, claimed), { replayId })
        expect(await store.getReplay(replayId)).toMatchObject({ status: 'completed', delivered: 2, dead: 1, cancelled: 0 })
      })

      it('that was cancelled are not followed by another', async () => {
        const { store } = harness
        const webhook = await savedWebhook(store)
        const { replayId } = await replayed(harness, webhook, 2)
        const [a, b] = (await claim(harness, webhook, { replayId })).deliveries
        if (a === undefined || b === undefined) throw new Error('Too few were claimed.')
        await store.endReplay(replayId, 'cancelled', null)
        await store.moveDeliveries({ webhookId: webhook.webhookId, replayId, to: 'cancelled', limit: 9 })
        await store.recordAttempts([failure(harness, a), outcome(harness, b)])
        expect(await read(harness, webhook, a.deliveryId)).toMatchObject({ status: 'cancelled', attempts: [{ attempt: 1 }] })
        expect(await read(harness, webhook, b.deliveryId)).toMatchObject({ status: 'delivered' })
        expect(await store.getReplay(replayId)).toMatchObject({ status: 'cancelled', delivered: 1, cancelled: 1 })
        expect(claimedIds(await claim(harness, webhook, { replayId }))).toEqual([])
      })
    })
  })
}
