import { describe, expect, it } from 'vitest'
import { frozenIndex, openDeliveries } from '../../../testing/delivery-session.ts'
import { failsWith, hangs, lostAnswer, statementsFail } from '../../../testing/dynamodb-faults.ts'
import { dynamodbUrl } from '../../../testing/dynamodb-local.ts'
import { testTables } from '../../../testing/dynamodb-tables.ts'
import { attempt } from '../../../testing/faulty-store.ts'
import {
  claim,
  claimedIds,
  claimQuery,
  failure,
  idsOfDeliveries,
  newOwnEvent,
  outcome,
  read,
  replayed,
  statusesOf,
  stored,
} from '../../conformance/delivery-harness.ts'
import { newDelivery, newEvent, newWebhook, savedWebhook } from '../../conformance/harness.ts'

deliveryTests(dynamodbUrl())

/** On a machine that is busy. */
const PATIENT = { timeout: 20_000 }
const DUE_INDEX = /"IndexName":"due"/

function deliveryTests(endpointUrl: string): void {
  const tables = testTables(endpointUrl)
  const open = () => openDeliveries(tables, endpointUrl)

  describe('a claim', () => {
    it('goes on to others when somebody has taken what it was about to take', async () => {
      const { store, other, proxy, suite } = await open()
      const webhook = await savedWebhook(other)
      const deliveries = await stored(suite, webhook, 10)
      const { fault, waiting, release } = hangs()
      proxy.rule({ operation: /^BatchExecuteStatement$/, times: 1, fault })
      const slow = store.claimDeliveries(claimQuery(suite, webhook, { limit: 4 }))
      await expect.poll(waiting, PATIENT).toBe(1)
      const fast = await claim(suite, webhook, { limit: 6 })
      await release('carried out')
      const rest = await slow
      expect(fast.deliveries).toHaveLength(6)
      expect([...claimedIds(fast), ...claimedIds(rest)].toSorted()).toEqual(idsOfDeliveries(deliveries))
    })

    it('is not misled by an index that is late', async () => {
      const { store, other, proxy, suite, clock } = await open()
      const webhook = await savedWebhook(other)
      const deliveries = await stored(suite, webhook, 5)
      proxy.rule({ operation: /^Query$/, when: ({ body }) => DUE_INDEX.test(body.toString()), fault: frozenIndex() })
      const claims = []
      for (const limit of [9, 9, 2, 2, 2]) claims.push(await store.claimDeliveries(claimQuery(suite, webhook, { limit })))
      expect(claims.map(claimedIds)).toEqual([idsOfDeliveries(deliveries), [], [], [], []])
      // Nothing is to be done before the holds end.
      for (const { nextAtUs } of claims.slice(0, 2)) expect(nextAtUs).toBe(clock.nowUs() + 30_000_000)
    })

    it('costs eight requests, however many it gives, and four while it knows from the one before what is next', async () => {
      const { store, other, proxy, suite, clock } = await open()
      const webhook = await savedWebhook(other)
      await stored(suite, webhook, 40)
      await store.claimDeliveries(claimQuery(suite, webhook, { limit: 1 }))
      for (const [limit, given, queries, laterUs] of [
        [20, 20, 0, 0],
        [10, 10, 0, 299_999],
        [5, 5, 4, 300_000],
        [3, 3, 0, 0],
        [25, 1, 4, 0],
      ] as const) {
        clock.advance({ us: laterUs })
        proxy.reset()
        expect((await store.claimDeliveries(claimQuery(suite, webhook, { limit }))).deliveries).toHaveLength(given)
        expect(proxy.counts().requests).toEqual({ ...(queries > 0 && { Query: queries }), BatchGetItem: 3, BatchExecuteStatement: 1 })
      }
    })

    it('goes through a long backlog in order, each once, however much it takes at a time', async () => {
      const { store, other, suite } = await open()
      const webhook = await savedWebhook(other)
      const deliveries = await stored(suite, webhook, 150)
      const ids: string[] = []
      for (let n = 0; ids.length < deliveries.length && n < 50; n++) {
        const { deliveries: some, nextAtUs } = await store.claimDeliveries(claimQuery(suite, webhook, { limit: 1 + ((n * 7) % 20) }))
        ids.push(...some.map(({ deliveryId }) => deliveryId))
        if (ids.length < deliveries.length) expect(nextAtUs).toBeLessThanOrEqual(suite.clock.nowUs())
      }
      expect(ids).toEqual(idsOfDeliveries(deliveries))
      const { nextAtUs } = await store.claimDeliveries(claimQuery(suite, webhook))
      expect(nextAtUs).toBeGreaterThan(suite.clock.nowUs())
    })

    it('passes over nothing that it looked at and left, for what it weighs', async () => {
      const { store, other, suite } = await open()
      const webhook = await savedWebhook(other)
      const event = newEvent({ payload: `{"x":"${'x'.repeat(50_000)}"}` })
      const deliveries = await stored(suite, webhook, 30, { event })
      const ids: string[] = []
      for (const maxBytes of [110_000, 10, 110_000, 10])
        ids.push(...claimedIds(await store.claimDeliveries(claimQuery(suite, webhook, { limit: 8, maxBytes }))))
      expect(ids).toEqual(idsOfDeliveries(deliveries).slice(0, 6))
    })

    it('finds what others have taken of what it knew to be next', async () => {
      const { store, other, suite } = await open()
      const webhook = await savedWebhook(other)
      const deliveries = await stored(suite, webhook, 30)
      const ids = claimedIds(await store.claimDeliveries(claimQuery(suite, webhook, { limit: 2 })))
      ids.push(...claimedIds(await claim(suite, webhook, { limit: 20 })))
      for (let n = 0; n < 3; n++) ids.push(...claimedIds(await store.claimDeliveries(claimQuery(suite, webhook, { limit: 4 }))))
      expect(ids.toSorted()).toEqual(idsOfDeliveries(deliveries).toSorted())
    })
  })

  describe('a record', () => {
    it('looks at the webhook, and writes the row that was claimed here unread, while all goes well', async () => {
      const { store, other, proxy, suite } = await open()
      const webhook = await savedWebhook(other)
      await stored(suite, webhook, 2)
      const [here] = (await store.claimDeliveries(claimQuery(suite, webhook, { limit: 1 }))).deliveries
      const [elsewhere] = (await claim(suite, webhook)).deliveries
      const requests = { BatchGetItem: 1, BatchExecuteStatement: 1 }
      for (const [claimed, expected] of [
        [here, requests],
        [elsewhere, { ...requests, GetItem: 1 }],
      ] as const) {
        proxy.reset()
        expect(await store.recordAttempts(claimed === undefined ? [] : [outcome(suite, claimed)])).toMatchObject([{ outcome: 'recorded' }])
        expect(proxy.counts().requests).toEqual(expected)
      }
    })

    it('shares its requests with others that come at once, of whatever webhooks', async () => {
      const { store, other, proxy, suite } = await open()
      const outcomes = []
      for (let webhooks = 0; webhooks < 3; webhooks++) {
        const webhook = await savedWebhook(other)
        await stored(suite, webhook, 8)
        const { deliveries } = await store.claimDeliveries(claimQuery(suite, webhook, { limit: 8 }))
        outcomes.push(...deliveries.map((claimed) => outcome(suite, claimed)))
      }
      proxy.reset()
      const results = await Promise.all(outcomes.map((one) => store.recordAttempts([one])))
      expect(results.flat()).toEqual(outcomes.map(() => ({ outcome: 'recorded', failingSinceUs: null })))
      expect(proxy.counts().requests).toEqual({ BatchGetItem: 1, BatchExecuteStatement: 1 })
    })

    it('waits alone when it is throttled', async () => {
      const { store, other, proxy, suite } = await open()
      const webhook = await savedWebhook(other)
      await stored(suite, webhook, 5)
      const outcomes = (await store.claimDeliveries(claimQuery(suite, webhook))).deliveries.map((claimed) => outcome(suite, claimed))
      const slow = outcomes[0]?.deliveryId ?? ''
      const throttled = statementsFail('ThrottlingError', (index) => index === 0)
      proxy.rule({ operation: /^BatchExecuteStatement$/, when: ({ body }) => body.includes(slow), times: 4, fault: throttled })
      const ended: string[] = []
      await Promise.all(
        outcomes.map(async (one) => {
          expect(await store.recordAttempts([one])).toMatchObject([{ outcome: 'recorded' }])
          ended.push(one.deliveryId)
        }),
      )
      expect(ended).toHaveLength(5)
      expect(ended.at(-1)).toBe(slow)
    })

    it("finds out that the row which it claimed is somebody else's by now", async () => {
      const { store, other, suite, clock } = await open()
      const webhook = await savedWebhook(other)
      const [delivery] = await stored(suite, webhook, 1)
      const made = (await store.claimDeliveries(claimQuery(suite, webhook))).deliveries.map((claimed) => outcome(suite, claimed))
      clock.advance({ seconds: 31 })
      const [again] = (await claim(suite, webhook)).deliveries
      expect(again?.deliveryId).toBe(delivery?.deliveryId)
      expect(await store.recordAttempts(made)).toEqual([{ outcome: 'lost' }])
      expect(await read(suite, webhook, delivery?.deliveryId ?? '')).toMatchObject({ status: 'pending', attemptCount: 0 })
    })

    it('is known again when its answer was lost, and no other is taken for it', async () => {
      const { store, other, proxy, suite } = await open()
      const webhook = await savedWebhook(other)
      const [delivery] = await stored(suite, webhook, 1)
      const made = (await claim(suite, webhook)).deliveries.map((claimed) => failure(suite, claimed, { status: 'dead', dueAtUs: null }))
      const before = await other.getWebhook(webhook.webhookId)
      proxy.rule({ operation: /^(UpdateItem|TransactWriteItems)$/, fault: lostAnswer })
      expect(await attempt(() => store.recordAttempts(made))).toBe('unavailable')
      proxy.removeRules()
      const failingSinceUs = made[0]?.attempt.startedAtUs
      expect(before?.failingSinceUs).toBeNull()
      expect(await store.recordAttempts(made)).toEqual([{ outcome: 'recorded', failingSinceUs }])
      const strange = made.map((one) => ({ ...one, heldUntilUs: one.heldUntilUs + 1 }))
      expect(await store.recordAttempts(strange)).toEqual([{ outcome: 'lost' }])
      expect(await read(suite, webhook, delivery?.deliveryId ?? '')).toMatchObject({ status: 'dead', attempts: [{ attempt: 1 }] })
    })

    it('stores more deliveries of our own than a transaction takes, those that it broke off at, too', async () => {
      const { store, other, proxy, suite, clock } = await open()
      const webhook = await savedWebhook(other)
      const listener = await savedWebhook(other, newWebhook({ workspaceId: webhook.workspaceId }))
      await stored(suite, webhook, 1)
      const ownDeliveries = Array.from({ length: 130 }, () => {
        const ownEvent = newOwnEvent(clock.nowUs())
        return newDelivery(listener, { eventId: ownEvent.eventId, ownEvent })
      })
      const { deliveries } = await claim(suite, webhook)
      const made = deliveries.map((claimed) => failure(suite, claimed, { status: 'dead', dueAtUs: null, alarms: true, ownDeliveries }))
      const broken = proxy.rule({ operation: /^BatchExecuteStatement$/, fault: failsWith('ValidationException') })
      expect(await attempt(() => store.recordAttempts(made))).toBe('unavailable')
      expect(broken.hits()).toBeGreaterThan(0)
      proxy.removeRules()
      expect(await store.recordAttempts(made)).toMatchObject([{ outcome: 'recorded' }])
      const told = await claim(suite, listener, { limit: 1000 })
      expect(told.deliveries.map(({ event }) => event.eventId).toSorted()).toEqual(ownDeliveries.map(({ eventId }) => eventId).toSorted())
      expect(await other.getWebhook(webhook.webhookId)).toMatchObject({ alarmedAtUs: clock.nowUs() })
    })

    it('shares its transaction with others of its replay that come at once', async () => {
      const { store, other, proxy, suite } = await open()
      const webhook = await savedWebhook(other)
      const { replayId } = await replayed(suite, webhook, 60)
      const { deliveries } = await claim(suite, webhook, { replayId })
      proxy.reset()
      const results = await Promise.all(deliveries.map((claimed) => store.recordAttempts([outcome(suite, claimed)])))
      expect(new Set(results.flat().map((result) => result.outcome))).toEqual(new Set(['recorded']))
      expect(await other.getReplay(replayId)).toMatchObject({ status: 'completed', delivered: 60, cancelled: 0 })
      expect(proxy.counts().requests['TransactWriteItems']).toBeLessThan(20)
    })

    it('tells all of many failures at once the same beginning, through two stores', async () => {
      const { store, twin, other, suite, clock } = await open()
      const webhook = await savedWebhook(other)
      await stored(suite, webhook, 24)
      const { deliveries } = await claim(suite, webhook)
      const results = await Promise.all(
        deliveries.map((claimed, index) => {
          const made = failure(suite, claimed, { attempt: { startedAtUs: clock.nowUs() - index } })
          return (index % 2 === 0 ? store : twin).recordAttempts([made])
        }),
      )
      const since = (await other.getWebhook(webhook.webhookId))?.failingSinceUs
      expect(since).toEqual(expect.any(Number))
      expect(results.flat()).toEqual(Array(24).fill({ outcome: 'recorded', failingSinceUs: since }))
    })
  })

  describe('the end of deliveries', () => {
    it('does not hold one of a webhook that is switched on at the last moment', async () => {
      const { store, other, proxy, suite } = await open()
      const webhook = await savedWebhook(other)
      const deliveries = await stored(suite, webhook, 5)
      const off = await savedWebhook(other, { ...webhook, isActive: false })
      const { fault, waiting, release } = hangs()
      proxy.rule({ operation: /^TransactWriteItems$/, times: 1, fault })
      const moving = store.moveDeliveries({ webhookId: webhook.webhookId, to: 'held', limit: 9 })
      await expect.poll(waiting, PATIENT).toBe(1)
      await savedWebhook(other, { ...off, isActive: true })
      await release('carried out')
      expect(await moving).toBe(false)
      expect(await statusesOf(suite, webhook, deliveries)).toEqual(Array(5).fill('pending'))
    })

    it('does not come by who names the event of another workspace', async () => {
      const { store, other, suite } = await open()
      const [webhook, stranger] = [await savedWebhook(other), await savedWebhook(other)]
      const deliveries = await stored(suite, webhook, 1)
      await stored(suite, stranger, 1)
      await store.deleteEvents(
        stranger.workspaceId,
        deliveries.map(({ eventId }) => eventId),
      )
      expect(await statusesOf(suite, webhook, deliveries)).toEqual(['pending'])
      expect(claimedIds(await claim(suite, webhook))).toEqual(idsOfDeliveries(deliveries))
    })

    it('comes with that of their event for those that change in the same moment', async () => {
      const { store, other, proxy, suite } = await open()
      const webhook = await savedWebhook(other)
      const [delivery] = await stored(suite, webhook, 1)
      const { fault, waiting, release } = hangs()
      proxy.rule({ operation: /^BatchExecuteStatement$/, table: '-deliveries', times: 1, fault })
      const { deliveries } = await claim(suite, webhook)
      const deleting = store.deleteEvents(webhook.workspaceId, [delivery?.eventId ?? ''])
      await expect.poll(waiting, PATIENT).toBe(1)
      expect(await other.recordAttempts(deliveries.map((claimed) => failure(suite, claimed)))).toMatchObject([{ outcome: 'recorded' }])
      await release('carried out')
      await deleting
      expect(
        await statusesOf(
          suite,
          webhook,
          [delivery].flatMap((one) => one ?? []),
        ),
      ).toEqual(['cancelled'])
      expect(await claim(suite, webhook)).toMatchObject({ deliveries: [], nextAtUs: null })
    })
  })
}
