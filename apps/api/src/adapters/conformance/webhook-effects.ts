import { beforeAll, describe, expect, it } from 'vitest'
import type { StoredWebhook } from '../../webhook-ports.ts'
import {
  anyUuid,
  createdIds,
  fanOut,
  newAuditEntry,
  newEvent,
  newWebhook,
  newWorkspace,
  type StoreHarness,
  savedWebhook,
} from './harness.ts'

export function webhookEffectSuite(open: () => Promise<StoreHarness>): void {
  describe('what goes with the write of a webhook', () => {
    let harness: StoreHarness
    beforeAll(async () => {
      harness = await open()
    })

    it('begins failing anew when it is switched on again, and then alone', async () => {
      const { store, clock } = harness
      const failing = await failingWebhook(harness)
      expect(failing.failingSinceUs).not.toBeNull()
      const { failingSinceUs } = failing
      const renamed = await savedWebhook(store, { ...failing, description: 'Renamed' })
      expect(renamed).toMatchObject({ failingSinceUs, alarmedAtUs: null, revision: 2 })
      const alarmedAtUs = clock.nowUs() + 1
      const off = await store.saveWebhook({ ...renamed, isActive: false }, { audit: null, alarmedAtUs })
      expect(off).toMatchObject({ outcome: 'saved', webhook: { failingSinceUs, alarmedAtUs, isActive: false } })
      const still = await savedWebhook(store, { ...renamed, isActive: false, revision: 3 })
      expect(still).toMatchObject({ failingSinceUs, alarmedAtUs })
      const on = await savedWebhook(store, { ...still, isActive: true })
      expect(on).toMatchObject({ failingSinceUs: null, alarmedAtUs, isActive: true, revision: 5 })
      expect(await store.getWebhook(on.webhookId)).toEqual(on)
    })

    it('tells whoever fans out of every write of a webhook, and of nothing else', async () => {
      const { store } = harness
      const version = async () => (await store.readOutbox({ limit: 1, maxBytes: 1, interests: new Map() })).webhooksVersion
      const seen = [await version()]
      const webhook = await savedWebhook(store)
      seen.push(await version())
      await savedWebhook(store, { ...webhook, description: 'Changed' })
      seen.push(await version())
      await store.saveWebhook(webhook, { audit: null })
      await createdIds(store, webhook.workspaceId, [newEvent()])
      expect(await version()).toBe(seen.at(-1))
      await store.deleteWebhook(webhook.webhookId, newAuditEntry(webhook.workspaceId))
      seen.push(await version())
      await store.deleteWebhook(webhook.webhookId, newAuditEntry(webhook.workspaceId))
      expect(await version()).toBe(seen.at(-1))
      expect(new Set(seen).size).toBe(4)
    })

    it('stores deliveries of our own events with it, or neither, and none to itself when it is switched off by that', async () => {
      const { store, clock, settle } = harness
      const workspaceId = newWorkspace()
      const [webhook, listener] = [
        await savedWebhook(store, newWebhook({ workspaceId })),
        await savedWebhook(store, newWebhook({ workspaceId })),
      ]
      const eventId = anyUuid()
      const ownEvent = {
        eventId,
        createdAtUs: clock.nowUs(),
        source: 'triggers',
        eventType: 'triggers.webhook.disabled',
        payload: '{"reason":"failing"}',
        status: 'pending',
        metadata: '{"priority":"normal"}',
        acknowledgedAtUs: null,
      } as const
      const ownDeliveries = [webhook, listener].map(({ webhookId }) => ({
        webhookId,
        eventId,
        eventType: ownEvent.eventType,
        dueAtUs: clock.nowUs(),
        replayId: null,
        ownEvent,
      }))
      const disable = () => store.saveWebhook({ ...webhook, isActive: false }, { audit: null, ownDeliveries })
      const outcomes = (await Promise.all([disable(), disable()])).map(({ outcome }) => outcome)
      // Where several processes write, what is asked for at once has any order.
      if (harness.sweeps === false) outcomes.sort().reverse()
      expect(outcomes).toEqual(['saved', 'changed'])
      await settle()
      const deliveriesOf = async ({ webhookId }: StoredWebhook) =>
        (await store.listDeliveries({ workspaceId, webhookId, limit: 10, maxBytes: 1e6 })).deliveries
      expect(await deliveriesOf(webhook)).toEqual([])
      expect(await deliveriesOf(listener)).toMatchObject([{ eventId, eventType: ownEvent.eventType, status: 'pending' }])
    })
  })
}

/** One whose only attempt so far has failed. */
async function failingWebhook({ store, clock, settle }: StoreHarness): Promise<StoredWebhook> {
  const webhook = await savedWebhook(store)
  const lane = { webhookId: webhook.webhookId, replayId: null }
  const [eventId = ''] = await createdIds(store, webhook.workspaceId, [newEvent()])
  await settle()
  await fanOut(store, [{ ...lane, eventId, eventType: 'suite.ran', dueAtUs: clock.nowUs(), ownEvent: null }])
  const heldUntilUs = clock.nowUs() + 60e6
  const { deliveries } = await store.claimDeliveries({ ...lane, limit: 1, maxBytes: 1e6, heldUntilUs, paces: [] })
  const attempt = { attempt: 1, startedAtUs: clock.nowUs(), durationMs: 1, statusCode: 500, error: null, responseBody: '' }
  const outcomes = deliveries.map(({ deliveryId }) => ({
    deliveryId,
    heldUntilUs,
    attempt: { ...attempt, responseTruncated: false, retryReason: 'status_500' },
    status: 'pending' as const,
    dueAtUs: clock.nowUs() + 60e6,
    succeeded: false,
    alarms: false,
    ownDeliveries: [],
    recoveredDeliveries: [],
  }))
  expect(await store.recordAttempts(outcomes)).toMatchObject([{ outcome: 'recorded' }])
  return (await store.getWebhook(webhook.webhookId)) ?? webhook
}
