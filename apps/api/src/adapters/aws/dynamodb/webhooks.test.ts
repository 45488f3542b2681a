import { describe, expect, it } from 'vitest'
import type { Store } from '../../../ports.ts'
import { failsWith, hangs, lostAnswer } from '../../../testing/dynamodb-faults.ts'
import { dynamodbUrl } from '../../../testing/dynamodb-local.ts'
import { testTables } from '../../../testing/dynamodb-tables.ts'
import type { FakeClock } from '../../../testing/fake-clock.ts'
import { openFaultyStore } from '../../../testing/faulty-store.ts'
import type { ReplayRecord, StoredWebhook } from '../../../webhook-ports.ts'
import { newOwnEvent } from '../../conformance/delivery-harness.ts'
import {
  auditActions,
  newAuditEntry,
  newDelivery,
  newReplay,
  newWebhook,
  newWorkspace,
  pagesOf,
  savedWebhook,
} from '../../conformance/harness.ts'
import { mapAtOnce } from './at-once.ts'
import { replayKey } from './replay-counts.ts'

webhookTests(dynamodbUrl())

function webhookTests(endpointUrl: string): void {
  const tables = testTables(endpointUrl)

  async function opened() {
    const session = await openFaultyStore(tables, endpointUrl)
    return { ...session, dynamo: tables.dynamoOf(session.tablePrefix) }
  }

  const ownDeliveries = (webhook: StoredWebhook, clock: FakeClock, count: number) =>
    Array.from({ length: count }, () => {
      const ownEvent = newOwnEvent(clock.nowUs())
      return newDelivery(webhook, { eventId: ownEvent.eventId, eventType: ownEvent.eventType, ownEvent })
    })

  async function eventIdsOf(store: Store, { workspaceId, webhookId }: StoredWebhook): Promise<string[]> {
    const { deliveries } = await store.listDeliveries({ workspaceId, webhookId, limit: 500, maxBytes: 1e7 })
    return deliveries.map(({ eventId }) => eventId)
  }

  async function startedReplays(store: Store, webhook: StoredWebhook, count: number): Promise<string[]> {
    const replays = Array.from({ length: count }, () => newReplay(webhook))
    await mapAtOnce(replays, 8, (replay) => store.createReplay(replay, newAuditEntry(null)))
    return replays.map(({ replayId }) => replayId)
  }

  async function replaysOf(store: Store, { webhookId }: StoredWebhook): Promise<ReplayRecord[]> {
    const pages = await pagesOf((after) => store.listReplays({ webhookId, limit: 50, after }))
    return pages.flatMap((page) => page.replays)
  }

  const switchedOff = (store: Store, webhook: StoredWebhook) => savedWebhook(store, { ...webhook, isActive: false })

  describe('a webhook in DynamoDB', () => {
    it('is saved with more own deliveries than a transaction takes, and with none when it was changed meanwhile', async () => {
      const { store, clock } = await opened()
      const [webhook, listener] = [await savedWebhook(store), await savedWebhook(store)]
      const deliveries = ownDeliveries(listener, clock, 150)
      expect(await store.saveWebhook(webhook, { audit: null, ownDeliveries: deliveries })).toMatchObject({ outcome: 'saved' })
      expect(await store.saveWebhook(webhook, { audit: null, ownDeliveries: ownDeliveries(listener, clock, 150) })).toEqual({
        outcome: 'changed',
      })
      clock.advance({ seconds: 11 })
      const stored = await eventIdsOf(store, listener)
      expect(stored).toHaveLength(150)
      expect(new Set(stored)).toEqual(new Set(deliveries.map(({ eventId }) => eventId)))
    })

    it('is saved, whatever becomes of the own deliveries that did not fit', async () => {
      const { store, proxy, clock } = await opened()
      const [webhook, listener] = [await savedWebhook(store), await savedWebhook(store)]
      const { hits } = proxy.rule({ operation: /^BatchExecuteStatement$/, fault: failsWith('InternalServerError', 500) })
      const saved = await store.saveWebhook(webhook, { audit: null, ownDeliveries: ownDeliveries(listener, clock, 100) })
      expect(saved).toMatchObject({ outcome: 'saved', webhook: { revision: 2 } })
      expect(hits()).toBeGreaterThan(0)
    })

    it('ends more running replays than a transaction takes when it is switched off, and when it is deleted', async () => {
      const { store } = await opened()
      const webhook = await savedWebhook(store)
      const failed = await startedReplays(store, webhook, 120)
      const on = await savedWebhook(store, { ...(await switchedOff(store, webhook)), isActive: true })
      const ended = await replaysOf(store, webhook)
      expect(ended.map(({ status }) => status)).toEqual(Array(120).fill('failed'))
      expect(new Set(ended.map(({ replayId }) => replayId))).toEqual(new Set(failed))
      expect(await store.listRunningReplays({ limit: 10 })).toEqual({ replayIds: [], next: null })

      const cancelled = await startedReplays(store, on, 95)
      await store.deleteWebhook(webhook.webhookId, newAuditEntry(null))
      for (const replayId of cancelled) expect(await store.getReplay(replayId)).toMatchObject({ status: 'cancelled' })
    })

    it('takes a replay along that begins while it is switched off, or deleted', async () => {
      const { store, proxy, other } = await opened()
      for (const status of ['failed', 'cancelled'] as const) {
        const webhook = await savedWebhook(store)
        const { fault, waiting, release } = hangs()
        const rule = proxy.rule({ operation: /^TransactWriteItems$/, times: 1, fault })
        const end = status === 'failed' ? switchedOff(store, webhook) : store.deleteWebhook(webhook.webhookId, newAuditEntry(null))
        await expect.poll(waiting).toBe(1)
        const replay = await other.createReplay(newReplay(webhook), newAuditEntry(null))
        expect(replay.status).toBe('running')
        await release('carried out')
        await end
        expect(rule.hits()).toBe(1)
        expect(await other.getReplay(replay.replayId)).toMatchObject({ status })
      }
    })

    it('is counted by whoever makes one', async () => {
      const { store, other } = await opened()
      const workspaceId = newWorkspace()
      const results = await Promise.all(
        Array.from({ length: 16 }, (_, n) =>
          (n % 2 === 0 ? store : other).saveWebhook(newWebhook({ workspaceId }), { audit: null, maxPerWorkspace: 5 }),
        ),
      )
      expect(results.filter(({ outcome }) => outcome === 'saved')).toHaveLength(5)
      expect(results.filter(({ outcome }) => outcome === 'too_many')).toHaveLength(11)
      expect((await other.listWebhooks({ workspaceId, limit: 50 })).webhooks).toHaveLength(5)
    })

    it('is made, changed and deleted once, and with success, when the answer to it is lost', async () => {
      const { store, proxy, other } = await opened()
      const lost = () => proxy.rule({ operation: /^TransactWriteItems$/, times: 1, fault: lostAnswer })
      const record = newWebhook()
      const also = (action: string) => ({ audit: newAuditEntry(record.workspaceId, { action }) })
      const made = lost()
      const webhook = await store.saveWebhook(record, also('made'))
      if (webhook.outcome !== 'saved') throw new Error(`It was not saved: ${webhook.outcome}.`)
      const changed = lost()
      expect(await store.saveWebhook({ ...webhook.webhook, url: 'https://b.example' }, also('changed'))).toMatchObject({
        outcome: 'saved',
        webhook: { revision: 2 },
      })
      expect(await other.getWebhook(record.webhookId)).toMatchObject({ url: 'https://b.example', revision: 2 })
      const deleted = lost()
      expect(await store.deleteWebhook(record.webhookId, also('deleted').audit)).toBe(true)
      expect([made.hits(), changed.hits(), deleted.hits()]).toEqual([1, 1, 1])
      expect(await auditActions(other, record.workspaceId)).toEqual(['deleted', 'changed', 'made'])
    })

    it('takes its replays with it in the end', async () => {
      const { store, clock, dynamo } = await opened()
      const webhook = await savedWebhook(store)
      const [replayId = ''] = await startedReplays(store, webhook, 1)
      expect(await dynamo.get('webhooks', replayKey(replayId))).not.toHaveProperty('ttl')
      await store.deleteWebhook(webhook.webhookId, newAuditEntry(null))
      const ttl = (await dynamo.get('webhooks', replayKey(replayId)))?.['ttl']
      // Not before its deliveries, which live a day longer than events.
      expect(ttl).toBeGreaterThan(clock.nowUs() / 1e6 + 8 * 86_400)
      expect(await store.listReplays({ webhookId: webhook.webhookId, limit: 5 })).toMatchObject({ replays: [{ replayId }] })
    })
  })
}
