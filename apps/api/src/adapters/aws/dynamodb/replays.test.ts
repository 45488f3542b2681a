import { describe, expect, it } from 'vitest'
import type { Store } from '../../../ports.ts'
import { failsWith, hangs, lostAnswer } from '../../../testing/dynamodb-faults.ts'
import { dynamodbUrl } from '../../../testing/dynamodb-local.ts'
import { testTables } from '../../../testing/dynamodb-tables.ts'
import { openFaultyStore } from '../../../testing/faulty-store.ts'
import { newUuid } from '../../../uuid.ts'
import type { NewDelivery, NewReplay, ReplayStore, StoredWebhook } from '../../../webhook-ports.ts'
import { anyUuid, auditActions, newAuditEntry, newDelivery, newReplay, savedWebhook } from '../../conformance/harness.ts'
import { runningReplayKey } from './replay-counts.ts'
import { webhookKey } from './webhook-item.ts'

replayTests(dynamodbUrl())

/** More than two transactions take. */
const MANY = 250

function replayTests(endpointUrl: string): void {
  const tables = testTables(endpointUrl)

  /** Two stores on the same tables, and a webhook with a replay. */
  async function opened() {
    const session = await openFaultyStore(tables, endpointUrl)
    const { other, tablePrefix } = session
    const webhook = await savedWebhook(other)
    const replay = newReplay(webhook)
    await other.createReplay(replay, newAuditEntry(null))
    return { ...session, dynamo: tables.dynamoOf(tablePrefix), webhook, replay }
  }

  const deliveriesOf = (webhook: StoredWebhook, { replayId }: NewReplay, count: number): NewDelivery[] =>
    Array.from({ length: count }, () => newDelivery(webhook, { replayId, eventId: newUuid(webhook.createdAtUs) }))

  const step = (
    { replayId }: NewReplay,
    deliveries: readonly NewDelivery[],
    fields: Partial<Parameters<ReplayStore['advanceReplay']>[0]> = {},
  ) => ({ replayId, from: null, to: 'a', matched: deliveries.length, deliveries, isWalked: false, ...fields })

  async function eventIdsOf(store: Store, { workspaceId, webhookId }: StoredWebhook): Promise<string[]> {
    const { deliveries } = await store.listDeliveries({ workspaceId, webhookId, limit: 1000, maxBytes: 1e7 })
    return deliveries.map(({ eventId }) => eventId).sort()
  }

  const idsOf = (deliveries: readonly NewDelivery[]) => deliveries.map(({ eventId }) => eventId).sort()

  /** The transactions of a step, but for the first so many. */
  const stepsBehind = (first: number) => {
    let seen = 0
    return { operation: /^TransactWriteItems$/, table: '-deliveries', when: () => seen++ >= first }
  }

  describe('a replay in DynamoDB', () => {
    it('moves on by more deliveries than a transaction takes, for one of several who walk from the same place', async () => {
      const { store, other, webhook, replay } = await opened()
      const deliveries = deliveriesOf(webhook, replay, MANY)
      const results = await Promise.all([store, other, store, other].map((each) => each.advanceReplay(step(replay, deliveries))))
      const moved = results.filter((result) => result !== undefined)
      expect(moved).toMatchObject([{ position: 'a', matched: MANY, enqueued: MANY, status: 'running' }])
      expect(await eventIdsOf(other, webhook)).toEqual(idsOf(deliveries))
      const next = deliveriesOf(webhook, replay, 1)
      const again = await other.advanceReplay(step(replay, next, { from: 'a', to: 'b' }))
      expect(again).toMatchObject({ position: 'b', enqueued: MANY + 1 })
    })

    it('is taken over from one who died within a step, and counts what is there', async () => {
      const { store, other, proxy, clock, webhook, replay } = await opened()
      const deliveries = deliveriesOf(webhook, replay, MANY)
      proxy.rule({ ...stepsBehind(1), fault: failsWith('AccessDeniedException') })
      proxy.rule({ operation: /^UpdateItem$/, when: ({ body }) => body.includes('stepToken'), fault: failsWith('AccessDeniedException') })
      await expect(store.advanceReplay(step(replay, deliveries))).rejects.toThrow('DynamoDB')
      const stored = await eventIdsOf(other, webhook)
      expect(stored.length).toBeGreaterThan(0)
      expect(stored.length).toBeLessThan(MANY)
      const left = await other.getReplay(replay.replayId)
      expect(left).toMatchObject({ position: null, matched: 0, enqueued: stored.length, isWalked: false })
      expect((await other.listRunningReplays({ limit: 10 })).replayIds).toEqual([replay.replayId])

      expect(await other.advanceReplay(step(replay, deliveries))).toBeUndefined()
      clock.advance({ seconds: 31 })
      // As the walk does it: what is pending is not replayed. As a step that is repeated does it: all of it once more.
      const rest = deliveries.filter(({ eventId }) => !stored.includes(eventId))
      for (const [from, to, again] of [
        [null, 'a', deliveries],
        ['a', 'b', rest.slice(0, 0)],
      ] as const) {
        const moved = await other.advanceReplay(step(replay, again, { from, to }))
        expect(moved).toMatchObject({ position: to, enqueued: MANY, matched: MANY })
      }
      expect(await eventIdsOf(other, webhook)).toEqual(idsOf(deliveries))
    })

    it('goes on at once after a step that failed in the middle', async () => {
      const { store, other, proxy, webhook, replay } = await opened()
      const deliveries = deliveriesOf(webhook, replay, MANY)
      proxy.rule({ ...stepsBehind(1), times: 1, fault: failsWith('AccessDeniedException') })
      await expect(store.advanceReplay(step(replay, deliveries))).rejects.toThrow('DynamoDB')
      expect(await other.advanceReplay(step(replay, deliveries))).toMatchObject({ position: 'a', enqueued: MANY })
      expect(await eventIdsOf(other, webhook)).toEqual(idsOf(deliveries))
    })

    it('stands still within a step when its webhook is switched off, and has counted what was stored', async () => {
      const { store, other, proxy, webhook, replay } = await opened()
      const { fault, waiting, release } = hangs()
      proxy.rule({ ...stepsBehind(1), times: 1, fault })
      const walk = store.advanceReplay(step(replay, deliveriesOf(webhook, replay, MANY)))
      await expect.poll(waiting).toBe(1)
      const off = await savedWebhook(other, { ...webhook, isActive: false })
      await savedWebhook(other, { ...off, isActive: true })
      await release('carried out')
      expect(await walk).toBeUndefined()
      const stored = await eventIdsOf(other, webhook)
      expect(stored.length).toBeLessThan(MANY)
      expect(await other.getReplay(replay.replayId)).toMatchObject({ status: 'failed', position: null, enqueued: stored.length })
    })

    it('does not move on when its webhook is off by then, though nobody came to end it yet', async () => {
      const { store, other, proxy, dynamo, webhook, replay } = await opened()
      const { fault, waiting, release } = hangs()
      proxy.rule({ ...stepsBehind(0), times: 1, fault })
      const walk = store.advanceReplay(step(replay, deliveriesOf(webhook, replay, 2)))
      await expect.poll(waiting).toBe(1)
      await dynamo.update('webhooks', webhookKey(webhook.webhookId), { update: 'SET isActive = :false', values: { false: false } })
      await release('carried out')
      expect(await walk).toBeUndefined()
      expect(await other.getReplay(replay.replayId)).toMatchObject({ status: 'running', position: null, enqueued: 0 })
      expect(await eventIdsOf(other, webhook)).toEqual([])
    })

    it('does not move on when it ends in that moment', async () => {
      const { store, other, proxy, webhook, replay } = await opened()
      const { fault, waiting, release } = hangs()
      proxy.rule({ ...stepsBehind(0), times: 1, fault })
      const walk = store.advanceReplay(step(replay, deliveriesOf(webhook, replay, 2)))
      await expect.poll(waiting).toBe(1)
      expect(await other.endReplay(replay.replayId, 'cancelled', null)).toBe(true)
      await release('carried out')
      expect(await walk).toBeUndefined()
      expect(await eventIdsOf(other, webhook)).toEqual([])
    })

    it('is made, moved and ended once, and with success, when the answer to it is lost', async () => {
      const { store, other, proxy, webhook } = await opened()
      const rule = proxy.rule({ operation: /^TransactWriteItems$/, times: 5, when: alternating(), fault: lostAnswer })
      const replay = newReplay(webhook)
      const audit = (action: string) => newAuditEntry(webhook.workspaceId, { action })
      expect(await store.createReplay(replay, audit('made'))).toMatchObject({ status: 'running' })
      const deliveries = deliveriesOf(webhook, replay, MANY)
      expect(await store.advanceReplay(step(replay, deliveries))).toMatchObject({ position: 'a', enqueued: MANY })
      expect(await store.endReplay(replay.replayId, 'cancelled', audit('ended'))).toBe(true)
      expect(rule.hits()).toBe(5)
      expect(await auditActions(other, webhook.workspaceId)).toEqual(['ended', 'made'])
      expect(await eventIdsOf(other, webhook)).toEqual(idsOf(deliveries))
    })

    it('asks for no held deliveries of a webhook that was never switched off', async () => {
      const { store, other, proxy, webhook, replay } = await opened()
      proxy.reset()
      await store.advanceReplay(step(replay, deliveriesOf(webhook, replay, 3)))
      expect(proxy.counts().requests).not.toHaveProperty('Query')
      const off = await savedWebhook(other, { ...webhook, isActive: false })
      const on = await savedWebhook(other, { ...off, isActive: true })
      const again = newReplay(on)
      await other.createReplay(again, newAuditEntry(null))
      await store.advanceReplay(step(again, deliveriesOf(on, again, 3)))
      expect(proxy.counts().requests).toMatchObject({ Query: 3 })
    })

    it('is completed for every reader when whoever ended its last delivery died before saying so', async () => {
      const { store, other, proxy, webhook, replay } = await opened()
      const { replayId } = replay
      await other.advanceReplay(step(replay, deliveriesOf(webhook, replay, 2), { isWalked: true }))
      const { hits } = proxy.rule({
        operation: /^TransactWriteItems$/,
        when: ({ body }) => body.includes('":completed"'),
        fault: failsWith('AccessDeniedException'),
      })
      const move = { webhookId: webhook.webhookId, replayId, to: 'cancelled', limit: 10 } as const
      await expect(store.moveDeliveries(move)).rejects.toThrow('DynamoDB')
      expect(hits()).toBe(1)
      const done = { status: 'completed', cancelled: 2, completedAtUs: expect.any(Number) }
      expect(await other.endReplay(replayId, 'cancelled', newAuditEntry(null))).toBe(false)
      expect(await other.getReplay(replayId)).toMatchObject(done)
    })

    it('has nothing open once its events have expired', async () => {
      const { other, clock, webhook, replay: walked } = await opened()
      const [walking, cancelled] = [newReplay(webhook), newReplay(webhook)]
      for (const each of [walking, cancelled]) await other.createReplay(each, newAuditEntry(null))
      for (const each of [walked, walking, cancelled]) {
        await other.advanceReplay(step(each, deliveriesOf(webhook, each, 2), { isWalked: each === walked }))
      }
      await other.endReplay(cancelled.replayId, 'cancelled', null)
      clock.advance({ days: 7, seconds: -1 })
      for (const each of [walked, walking]) {
        expect(await other.getReplay(each.replayId)).toMatchObject({ status: 'running', cancelled: 0, completedAtUs: null })
      }
      clock.advance({ seconds: 2 })
      const completed = await other.getReplay(walked.replayId)
      expect(completed).toMatchObject({ status: 'completed', cancelled: 2, completedAtUs: expect.any(Number) })
      expect(await other.getReplay(walking.replayId)).toMatchObject({ status: 'running', cancelled: 2, completedAtUs: null })
      expect(await other.getReplay(cancelled.replayId)).toMatchObject({ status: 'cancelled', cancelled: 2 })
      expect(await other.endReplay(walked.replayId, 'failed', null)).toBe(false)
      await savedWebhook(other, { ...webhook, isActive: false })
      expect(await other.getReplay(walked.replayId)).toEqual(completed)
      expect(await other.getReplay(walking.replayId)).toMatchObject({ status: 'failed' })
    })

    it('is not named as running by an entry that nobody came to remove', async () => {
      const { other, dynamo, replay } = await opened()
      await other.endReplay(replay.replayId, 'failed', null)
      for (const replayId of [replay.replayId, anyUuid()]) {
        await dynamo.put('webhooks', runningReplayKey(replayId))
        expect(await other.listRunningReplays({ limit: 10 })).toEqual({ replayIds: [], next: null })
        expect(await dynamo.get('webhooks', runningReplayKey(replayId))).toBeUndefined()
      }
    })
  })
}

/** True every other time. */
function alternating(): () => boolean {
  let n = 0
  return () => n++ % 2 === 0
}
