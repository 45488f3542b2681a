import { beforeAll, describe, expect, it } from 'vitest'
import type { DeliveryRecord, NewDelivery, NewReplay, StoredWebhook } from '../../webhook-ports.ts'
import { holdAll } from './delivery-harness.ts'
import {
  anyUuid,
  auditActions,
  createdIds,
  fanOut,
  fiftyTimes,
  newAuditEntry,
  newEvent,
  newReplay,
  newWebhook,
  pagesOf,
  type StoreHarness,
  savedWebhook,
} from './harness.ts'

export function replaySuite(open: () => Promise<StoreHarness>): void {
  describe('replays', () => {
    let harness: StoreHarness
    beforeAll(async () => {
      harness = await open()
    })

    const start = async (webhook: StoredWebhook, fields: Partial<NewReplay> = {}): Promise<NewReplay> => {
      const replay = newReplay(webhook, fields)
      await harness.store.createReplay(replay, newAuditEntry(webhook.workspaceId))
      return replay
    }
    /** Stores that many events, and gives their deliveries to the webhook, for the replay or live. */
    const deliveriesOf = async (webhook: StoredWebhook, replayId: string | null, count: number): Promise<NewDelivery[]> => {
      const { store, clock } = harness
      const ids = await createdIds(
        store,
        webhook.workspaceId,
        Array.from({ length: count }, () => newEvent()),
      )
      const { webhookId } = webhook
      return ids.map((eventId) => ({ webhookId, replayId, eventId, eventType: 'suite.ran', dueAtUs: clock.nowUs(), ownEvent: null }))
    }
    const stored = async ({ webhookId, workspaceId }: StoredWebhook): Promise<DeliveryRecord[]> => {
      await harness.settle()
      return (await harness.store.listDeliveries({ workspaceId, webhookId, limit: 100, maxBytes: 1e6 })).deliveries
    }
    const step = (replayId: string, from: string | null, to: string, deliveries: readonly NewDelivery[] = []) => ({
      replayId,
      from,
      to,
      matched: deliveries.length,
      deliveries,
      isWalked: false,
    })

    it('gives a replay back as it was made, running, with nothing done', async () => {
      const { store, clock, settle } = harness
      const webhook = await savedWebhook(store)
      const replay = newReplay(webhook, {
        sinceUs: 1,
        untilUs: 2_000_000_000_000_001,
        filter: { source: ['Zoë 🚀 \u0000'], payload: [{ path: '$.a', op: 'range', value: { gt: 1.5 } }] },
        selection: 'undelivered',
        rate: 1000,
      })
      const made = await store.createReplay(replay, newAuditEntry(webhook.workspaceId, { action: 'replay.created' }))
      const counts = { matched: 0, enqueued: 0, delivered: 0, dead: 0, cancelled: 0 }
      const fresh = { status: 'running', position: null, isWalked: false, createdAtUs: expect.any(Number), completedAtUs: null }
      expect(made).toEqual({ ...replay, ...counts, ...fresh })
      expect(Math.abs(made.createdAtUs - clock.nowUs())).toBeLessThan(60e6)
      await settle()
      expect(await store.getReplay(replay.replayId)).toEqual(made)
      expect(await auditActions(store, webhook.workspaceId)).toEqual(['replay.created'])
      expect(await store.getReplay(anyUuid())).toBeUndefined()
    })

    it('lists the replays of a webhook alone, the newest first, page by page, also when the clock steps back', async () => {
      const { store, clock, settle } = harness
      const [webhook, other] = [await savedWebhook(store), await savedWebhook(store)]
      const made: string[] = []
      for (let n = 0; n < 12; n++) {
        if (n === 4) clock.advance({ hours: -1 })
        if (n === 8) clock.advance({ hours: 1 })
        made.unshift((await start(webhook)).replayId)
        await start(other)
      }
      await store.endReplay(made[3] ?? '', 'cancelled', null)
      await settle()
      for (const limit of [1, 5, 11, 12, 50]) {
        const pages = await pagesOf((after) => store.listReplays({ webhookId: webhook.webhookId, limit, after }))
        expect(pages.flatMap((page) => page.replays).map(({ replayId }) => replayId)).toEqual(made)
        for (const page of pages.slice(0, -1)) expect(page.replays).toHaveLength(limit)
      }
      const { replays, next } = await store.listReplays({ webhookId: webhook.webhookId, limit: 12 })
      expect(next).toBeNull()
      expect(await store.getReplay(made[3] ?? '')).toEqual(replays[3])
      expect(await store.listReplays({ webhookId: anyUuid(), limit: 5 })).toEqual({ replays: [], next: null })
    })

    it('names each replay of any webhook whose walk goes on, once, and none that has ended or was walked', async () => {
      const { store, settle } = harness
      const running = async (limit: number) => {
        await settle()
        const pages = await pagesOf((after) => store.listRunningReplays({ limit, after }))
        return pages.flatMap((page) => page.replayIds)
      }
      const before = await running(100)
      const made: string[] = []
      for (let n = 0; n < 10; n++) made.push((await start(await savedWebhook(store))).replayId)
      const [cancelled = '', failed = '', completed = ''] = made.splice(3, 3)
      await store.endReplay(cancelled, 'cancelled', null)
      await store.endReplay(failed, 'failed', null)
      await store.advanceReplay({ ...step(completed, null, 'end'), isWalked: true })
      const webhook = await savedWebhook(store)
      const walked = await start(webhook)
      const open = await deliveriesOf(webhook, walked.replayId, 1)
      expect(await store.advanceReplay({ ...step(walked.replayId, null, 'end', open), isWalked: true })).toMatchObject({
        status: 'running',
      })
      for (const limit of [1, 3, 100]) {
        const found = await running(limit)
        expect(found).toHaveLength(before.length + made.length)
        expect(new Set(found)).toEqual(new Set([...before, ...made]))
      }
    })

    it('moves on step by step, with the deliveries in its lane and its counts', async () => {
      const { store } = harness
      const webhook = await savedWebhook(store)
      const { replayId } = await start(webhook)
      const deliveries = await deliveriesOf(webhook, replayId, 5)
      const first = { ...step(replayId, null, '{"after":"1"}', deliveries.slice(0, 3)), matched: 4 }
      expect(await store.advanceReplay(first)).toMatchObject({ status: 'running', position: first.to, matched: 4, enqueued: 3 })
      const second = { ...step(replayId, first.to, 'Zoë', deliveries.slice(3)), isWalked: true }
      const advanced = await store.advanceReplay(second)
      expect(advanced).toMatchObject({ status: 'running', position: 'Zoë', matched: 6, enqueued: 5, isWalked: true, completedAtUs: null })
      expect(await store.getReplay(replayId)).toEqual(advanced)
      const found = await stored(webhook)
      expect(found.map(({ eventId }) => eventId).sort()).toEqual(deliveries.map(({ eventId }) => eventId).sort())
      for (const delivery of found) expect(delivery).toMatchObject({ status: 'pending', replayId, attemptCount: 0 })
    })

    it('moves on for one of fifty who walk from the same place, and writes nothing for the others', async () => {
      const { store } = harness
      const webhook = await savedWebhook(store)
      const { replayId } = await start(webhook)
      const deliveries = await deliveriesOf(webhook, replayId, 2)
      for (const [from, to] of [
        [null, 'a'],
        ['a', 'b'],
      ] as const) {
        const results = await fiftyTimes((n) => store.advanceReplay(step(replayId, from, `${to}`, n % 2 === 0 ? deliveries : [])))
        expect(results.filter((result) => result !== undefined)).toHaveLength(1)
      }
      const replay = await store.getReplay(replayId)
      expect(replay).toMatchObject({ position: 'b', status: 'running' })
      expect(await stored(webhook)).toHaveLength(replay?.enqueued ?? -1)
      for (const from of [null, 'a', 'c', '']) expect(await store.advanceReplay(step(replayId, from, 'z', deliveries))).toBeUndefined()
      expect(await store.advanceReplay(step(anyUuid(), null, 'z'))).toBeUndefined()
      expect(await store.getReplay(replayId)).toEqual(replay)
      expect(await stored(webhook)).toHaveLength(replay?.enqueued ?? -1)
    })

    it('takes the place of held deliveries of the same event to the same webhook, and of no others', async () => {
      const { store } = harness
      const [webhook, other] = [await savedWebhook(store), await savedWebhook(store)]
      const live = await deliveriesOf(webhook, null, 3)
      const [first, second] = live
      if (first === undefined || second === undefined) throw new Error('No delivery was made.')
      await fanOut(store, [...live, { ...first, webhookId: other.webhookId }])
      for (const each of [webhook, other]) await holdAll(harness, each)
      const { replayId } = await start(webhook)
      await store.advanceReplay(
        step(
          replayId,
          null,
          'a',
          [first, second].map((delivery) => ({ ...delivery, replayId })),
        ),
      )
      const statusesOf = (eventIds: readonly string[], { webhookId } = webhook) => store.deliveryStatuses(webhookId, eventIds)
      const ids = live.map(({ eventId }) => eventId)
      expect(await statusesOf(ids)).toEqual([['cancelled', 'pending'], ['cancelled', 'pending'], ['held']])
      expect(await statusesOf([first.eventId], other)).toEqual([['held']])
      const cancelled = (await stored(webhook)).filter(({ status }) => status === 'cancelled')
      for (const delivery of cancelled) expect(delivery).toMatchObject({ replayId: null, completedAtUs: expect.any(Number) })
    })

    it('counts a held delivery of an earlier replay as cancelled there', async () => {
      const { store } = harness
      const webhook = await savedWebhook(store)
      const earlier = await start(webhook)
      const deliveries = await deliveriesOf(webhook, earlier.replayId, 2)
      await store.advanceReplay({ ...step(earlier.replayId, null, 'end', deliveries), isWalked: true })
      await holdAll(harness, webhook)
      expect(await store.getReplay(earlier.replayId)).toMatchObject({ status: 'failed', cancelled: 0 })
      const { replayId } = await start(webhook)
      const again = deliveries.map((delivery) => ({ ...delivery, replayId }))
      await store.advanceReplay(step(replayId, null, 'a', again.slice(0, 1)))
      expect(await store.getReplay(earlier.replayId)).toMatchObject({ status: 'failed', cancelled: 1 })
      await store.advanceReplay(step(replayId, 'a', 'b', again.slice(1)))
      expect(await store.getReplay(earlier.replayId)).toMatchObject({ status: 'failed', enqueued: 2, cancelled: 2 })
      expect(await store.getReplay(replayId)).toMatchObject({ status: 'running', enqueued: 2, cancelled: 0 })
    })

    it('completes when its walk is at the end and nothing of it is open, in either order', async () => {
      const { store, clock } = harness
      const webhook = await savedWebhook(store)
      const empty = await start(webhook)
      const done = { status: 'completed', isWalked: true, completedAtUs: expect.any(Number) }
      expect(await store.advanceReplay({ ...step(empty.replayId, null, 'end'), isWalked: true })).toMatchObject({ ...done, enqueued: 0 })

      const { replayId } = await start(webhook)
      const deliveries = await deliveriesOf(webhook, replayId, 2)
      const cancel = () => store.moveDeliveries({ webhookId: webhook.webhookId, replayId, to: 'cancelled', limit: 100 })
      await store.advanceReplay(step(replayId, null, 'a', deliveries.slice(0, 1)))
      await cancel()
      expect(await store.getReplay(replayId)).toMatchObject({ status: 'running', cancelled: 1, completedAtUs: null })
      clock.advance({ seconds: 1 })
      await store.advanceReplay({ ...step(replayId, 'a', 'end', deliveries.slice(1)), isWalked: true })
      expect(await store.getReplay(replayId)).toMatchObject({ status: 'running', enqueued: 2, cancelled: 1 })
      await cancel()
      const completed = await store.getReplay(replayId)
      expect(completed).toMatchObject({ ...done, enqueued: 2, cancelled: 2 })
      expect(completed?.completedAtUs).toBeGreaterThan(completed?.createdAtUs ?? Number.POSITIVE_INFINITY)
      expect(await store.advanceReplay(step(replayId, 'end', 'z', deliveries))).toBeUndefined()
      expect(await store.endReplay(replayId, 'cancelled', null)).toBe(false)
      expect(await store.getReplay(replayId)).toEqual(completed)
    })

    it('ends once, with the audit entry, and then stands still', async () => {
      const { store, settle } = harness
      for (const status of ['cancelled', 'failed'] as const) {
        const webhook = await savedWebhook(store)
        const replay = newReplay(webhook)
        await store.createReplay(replay, newAuditEntry(null))
        const results = await fiftyTimes((n) =>
          store.endReplay(replay.replayId, status, newAuditEntry(webhook.workspaceId, { action: `ended.${n}` })),
        )
        expect(results.filter((isEnded) => isEnded)).toHaveLength(1)
        await settle()
        expect(await auditActions(store, webhook.workspaceId)).toEqual([`ended.${results.indexOf(true)}`])
        const ended = await store.getReplay(replay.replayId)
        expect(ended).toMatchObject({ status, completedAtUs: expect.any(Number) })
        const deliveries = await deliveriesOf(webhook, replay.replayId, 1)
        expect(await store.advanceReplay({ ...step(replay.replayId, null, 'end', deliveries), isWalked: true })).toBeUndefined()
        expect(await store.getReplay(replay.replayId)).toEqual(ended)
        expect(await stored(webhook)).toEqual([])
      }
      expect(await harness.store.endReplay(anyUuid(), 'failed', newAuditEntry(null))).toBe(false)
    })

    it('has failed when its webhook is switched off, in the same commit, and stands still when it is on again', async () => {
      const { store } = harness
      const webhook = await savedWebhook(store)
      const { replayId } = await start(webhook)
      const deliveries = await deliveriesOf(webhook, replayId, 1)
      const changed = await savedWebhook(store, { ...webhook, description: 'Changed' })
      expect(await store.getReplay(replayId)).toMatchObject({ status: 'running' })
      const off = await savedWebhook(store, { ...changed, isActive: false })
      expect(await store.advanceReplay(step((await start(off)).replayId, null, 'a'))).toBeUndefined()
      await savedWebhook(store, { ...off, isActive: true })
      expect(await store.getReplay(replayId)).toMatchObject({ status: 'failed', matched: 0, completedAtUs: expect.any(Number) })
      expect(await store.advanceReplay(step(replayId, null, 'a', deliveries))).toBeUndefined()
    })

    it('ends cancelled with its webhook, as does one that is made a moment too late', async () => {
      const { store, settle } = harness
      const webhook = await savedWebhook(store)
      const [running, completed] = [await start(webhook), await start(webhook)]
      await store.advanceReplay({ ...step(completed.replayId, null, 'end'), isWalked: true })
      await store.deleteWebhook(webhook.webhookId, newAuditEntry(webhook.workspaceId))
      await settle()
      expect(await store.getReplay(running.replayId)).toMatchObject({ status: 'cancelled', completedAtUs: expect.any(Number) })
      expect(await store.getReplay(completed.replayId)).toMatchObject({ status: 'completed' })
      const late = await store.createReplay(newReplay(webhook), newAuditEntry(webhook.workspaceId))
      expect(late).toMatchObject({ status: 'cancelled', enqueued: 0, completedAtUs: late.createdAtUs })
      const gone = newReplay(newWebhook())
      expect(await store.createReplay(gone, newAuditEntry(null))).toMatchObject({ ...gone, status: 'cancelled' })
    })

    it('goes on where it was when the store is opened again', async () => {
      const { store, reopen } = harness
      const webhook = await savedWebhook(store)
      const { replayId } = await start(webhook, { selection: 'dead' })
      const [one, other] = await deliveriesOf(webhook, replayId, 2)
      const before = await store.advanceReplay(step(replayId, null, 'a', one && [one]))
      const again = await reopen()
      expect(await again.getReplay(replayId)).toEqual(before)
      expect(await again.advanceReplay(step(replayId, 'a', 'b', other && [other]))).toMatchObject({
        ...before,
        position: 'b',
        matched: 2,
        enqueued: 2,
      })
      expect(await store.advanceReplay(step(replayId, 'a', 'b', other && [other]))).toBeUndefined()
      expect((await again.listRunningReplays({ limit: 1000 })).replayIds).toContain(replayId)
      await again.close()
    })
  })
}
