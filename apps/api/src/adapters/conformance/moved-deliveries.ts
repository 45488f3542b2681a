import { describe, expect, it } from 'vitest'
import type { WholeDelivery } from '../../move-ports.ts'
import type { EventRecord } from '../../ports.ts'
import type { StoredWebhook } from '../../webhook-ports.ts'
import {
  attemptAll,
  claim,
  claimedIds,
  failure,
  holdAll,
  live,
  newOwnEvent,
  outcome,
  replayed,
  stored,
  wholeOutbox,
} from './delivery-harness.ts'
import {
  allPages,
  newAuditEntry,
  newDelivery,
  newEvent,
  newWebhook,
  newWorkspace,
  pagesOf,
  query,
  type StoreHarness,
  savedWebhook,
} from './harness.ts'
import { eventIdAt, movedEvents } from './move-records.ts'

/** Deliveries that come from another store, with the webhooks, events and replays that they are of. */
export function movedDeliverySuite(open: () => Promise<StoreHarness>): void {
  describe('deliveries from another store', () => {
    const whole = async (
      { store, settle }: StoreHarness,
      { workspaceId, webhookId }: StoredWebhook,
      limit = 100,
    ): Promise<WholeDelivery[]> => {
      await settle()
      const pages = await pagesOf((after) => store.listWholeDeliveries({ workspaceId, webhookId, limit, maxBytes: 1e7, after }))
      return pages.flatMap((page) => page.deliveries)
    }

    /** Copies a webhook with all that belongs to it. */
    async function move(source: StoreHarness, target: StoreHarness, webhook: StoredWebhook): Promise<void> {
      const { workspaceId, webhookId } = webhook
      await source.settle()
      const now = await source.store.getWebhook(webhookId)
      if (now === undefined) throw new Error('There is no webhook.')
      target.clock.advance({ us: source.clock.nowUs() - target.clock.nowUs() })
      await target.store.importWebhooks(workspaceId, [now])
      await target.store.importEvents(workspaceId, await allPages(source.store, query(workspaceId)))
      const { replays } = await source.store.listReplays({ webhookId, limit: 100 })
      await target.store.importReplays(workspaceId, replays)
      const deliveries = await whole(source, webhook)
      expect(await target.store.importDeliveries(workspaceId, deliveries)).toEqual(deliveries.map(() => 'written'))
      expect(await target.store.importDeliveries(workspaceId, deliveries)).toEqual(deliveries.map(() => 'there'))
    }

    it('are as they were, of every status, with their attempts and replays', async () => {
      const [source, target] = [await open(), await open()]
      const webhook = await savedWebhook(source.store)
      await stored(source, webhook, 3)
      await attemptAll(source, webhook, (claimed) => outcome(source, claimed), { limit: 1 })
      await attemptAll(source, webhook, (claimed) => failure(source, claimed), { limit: 1 })
      await attemptAll(source, webhook, (claimed) => failure(source, claimed, { status: 'dead', dueAtUs: null }), { limit: 1 })
      const { replayId } = await replayed(source, webhook, 3)
      const lane = { replayId }
      await attemptAll(source, webhook, (claimed) => outcome(source, claimed), { limit: 1, ...lane })
      const ownEvent = newOwnEvent(source.clock.nowUs())
      await stored(source, webhook, 1, { ownEvent })
      const before = await whole(source, webhook)
      await move(source, target, webhook)
      expect(before.map(({ status }) => status).sort()).toEqual([
        'dead',
        'delivered',
        'delivered',
        'pending',
        'pending',
        'pending',
        'pending',
      ])
      expect(before.filter(({ isInReplayLane }) => isInReplayLane)).toHaveLength(3)
      expect(await whole(target, webhook)).toEqual(before)
      expect(await whole(target, webhook, 2)).toEqual(before)
      const ids = before.map(({ deliveryId }) => deliveryId)
      expect(ids).toEqual([...ids].sort())
      for (const { deliveryId, eventId } of before) {
        const { workspaceId } = webhook
        expect(await target.store.getDelivery(workspaceId, deliveryId)).toEqual(await source.store.getDelivery(workspaceId, deliveryId))
        const ofEvent = { workspaceId, eventId, limit: 10, maxBytes: 1e6 }
        expect(await target.store.listDeliveries(ofEvent)).toEqual(await source.store.listDeliveries(ofEvent))
      }
      expect(await target.store.getReplay(replayId)).toEqual(await source.store.getReplay(replayId))
    })

    it('go on here: what is pending is sent, what has ended is not, and a replay ends with its last one', async () => {
      const [source, target] = [await open(), await open()]
      const webhook = await savedWebhook(source.store)
      const [first, second] = await stored(source, webhook, 2)
      const { replayId, deliveries } = await replayed(source, webhook, 2)
      await attemptAll(source, webhook, (claimed) => outcome(source, claimed), { limit: 1 })
      await attemptAll(source, webhook, (claimed) => outcome(source, claimed), { limit: 1, replayId })
      await move(source, target, webhook)
      expect((await target.store.listDueLanes({ limit: 10 })).lanes.sort((a) => (a.replayId === null ? -1 : 1))).toEqual([
        live(webhook),
        { ...live(webhook), replayId },
      ])
      const claimed = await claim(target, webhook)
      expect(claimedIds(claimed)).toEqual([second?.deliveryId])
      expect(claimed.deliveries).toMatchObject([{ event: { eventId: second?.eventId }, attemptCount: 0, createdAtUs: second?.createdAtUs }])
      expect(await target.store.recordAttempts(claimed.deliveries.map((one) => outcome(target, one)))).toMatchObject([
        { outcome: 'recorded' },
      ])
      const ofReplay = await claim(target, webhook, { replayId })
      expect(claimedIds(ofReplay)).toEqual([deliveries[1]?.deliveryId])
      await target.store.recordAttempts(ofReplay.deliveries.map((one) => outcome(target, one)))
      expect(await target.store.getReplay(replayId)).toMatchObject({ status: 'completed', enqueued: 2, delivered: 2 })
      expect(claimedIds(await claim(target, webhook))).toEqual([])
      const { workspaceId } = webhook
      expect(await target.store.retryDelivery(workspaceId, first?.deliveryId ?? '', target.clock.nowUs())).toMatchObject({
        outcome: 'retried',
      })
      expect(claimedIds(await claim(target, webhook))).toEqual([first?.deliveryId])
    })

    it('that are held are found by who sends them anew, and ended with their events', async () => {
      const [source, target] = [await open(), await open()]
      const webhook = await savedWebhook(source.store)
      const deliveries = await stored(source, webhook, 2)
      await holdAll(source, webhook)
      await move(source, target, webhook)
      const { workspaceId, webhookId } = webhook
      expect((await whole(target, webhook)).map(({ status }) => status)).toEqual(['held', 'held'])
      await target.store.deleteEvents(workspaceId, [deliveries[0]?.eventId ?? ''])
      expect((await whole(target, webhook)).map(({ status }) => status)).toEqual(['cancelled', 'held'])
      while (await target.store.moveDeliveries({ webhookId, to: 'cancelled', limit: 10 }));
      expect((await whole(target, webhook)).map(({ status }) => status)).toEqual(['cancelled', 'cancelled'])
    })

    it('of the same microseconds as others are each their own, with events that were moved', async () => {
      const { store, clock, ...harness } = await open()
      const workspaceId = newWorkspace()
      const us = clock.nowUs() - 3_600_000_000
      const webhooks = [0, 1].map(
        (): StoredWebhook => ({
          ...newWebhook({ workspaceId, revision: 1 }),
          createdAtUs: us - 9,
          failingSinceUs: null,
          alarmedAtUs: null,
        }),
      )
      await store.importWebhooks(workspaceId, webhooks)
      await store.importEvents(newWorkspace(), movedEvents(us, [0, 1]))
      const events = movedEvents(us, [0, 0, 1]).sort((a, b) => (a.eventId < b.eventId ? -1 : 1))
      await store.importEvents(workspaceId, events)
      const delivery = ({ webhookId }: StoredWebhook, event: EventRecord, at: number): WholeDelivery => ({
        ...{
          deliveryId: eventIdAt(us + at),
          webhookId,
          eventId: event.eventId,
          eventType: event.eventType,
          status: 'pending',
          attemptCount: 1,
        },
        ...{
          createdAtUs: us + at,
          completedAtUs: null,
          replayId: null,
          dueAtUs: us + 5,
          scheduleStart: 0,
          isInReplayLane: false,
          ownEvent: null,
        },
        attempts: [
          {
            attempt: 1,
            startedAtUs: us,
            durationMs: 3,
            statusCode: 500,
            error: null,
            responseBody: 'ö',
            responseTruncated: false,
            retryReason: 'status_500',
          },
        ],
      })
      const whole = { store, clock, ...harness }
      const own = webhooks.map((webhook) =>
        events.map((event) => delivery(webhook, event, 0)).sort((a, b) => (a.deliveryId < b.deliveryId ? -1 : 1)),
      )
      for (const deliveries of own) expect(await store.importDeliveries(workspaceId, deliveries)).toEqual(deliveries.map(() => 'written'))
      for (const [n, webhook] of webhooks.entries()) {
        const expected = own[n] ?? []
        const listed = await store.listWholeDeliveries({ workspaceId, webhookId: webhook.webhookId, limit: 10, maxBytes: 1e6 })
        expect(listed).toEqual({ deliveries: expected, next: null })
        for (const { deliveryId, attempts } of expected)
          expect(await store.getDelivery(workspaceId, deliveryId)).toMatchObject({ deliveryId, attempts })
      }
      for (const { eventId } of events) {
        const { deliveries } = await store.listDeliveries({ workspaceId, eventId, limit: 10, maxBytes: 1e6 })
        expect(deliveries.map((one) => one.webhookId).sort()).toEqual(webhooks.map(({ webhookId }) => webhookId).sort())
        expect(await store.deliveryStatuses(webhooks[0]?.webhookId ?? '', [eventId])).toEqual([['pending']])
      }
      const [webhook, quiet] = webhooks
      if (webhook === undefined || quiet === undefined) throw new Error('There are no webhooks.')
      const claimed = await claim(whole, webhook)
      expect(claimed.deliveries.map(({ event }) => event).sort((a, b) => (a.eventId < b.eventId ? -1 : 1))).toEqual(events)
      const results = await store.recordAttempts(claimed.deliveries.map((one) => outcome(whole, one)))
      expect(results).toMatchObject(events.map(() => ({ outcome: 'recorded' })))
      await store.deleteEvents(workspaceId, [events[1]?.eventId ?? ''])
      const statuses = await store.deliveryStatuses(
        quiet.webhookId,
        events.map(({ eventId }) => eventId),
      )
      expect(statuses).toEqual([['pending'], ['cancelled'], ['pending']])
      expect(await store.retryDelivery(workspaceId, own[0]?.[0]?.deliveryId ?? '', clock.nowUs())).toMatchObject({
        outcome: own[0]?.[0]?.eventId === events[1]?.eventId ? 'event_gone' : 'retried',
      })
    })

    it('are refused without their webhook, or under the id of another one', async () => {
      const source = await open()
      const [webhook, other] = [await savedWebhook(source.store), await savedWebhook(source.store)]
      await stored(source, webhook, 1)
      const [delivery] = await whole(source, webhook)
      if (delivery === undefined) throw new Error('There is no delivery.')
      const target = await open()
      expect(await target.store.importDeliveries(webhook.workspaceId, [delivery])).toEqual(['refused'])
      const taken = { ...delivery, webhookId: other.webhookId }
      expect(await source.store.importDeliveries(other.workspaceId, [taken])).toEqual(['refused'])
      expect(await source.store.importDeliveries(webhook.workspaceId, [delivery, taken])).toEqual(['there', 'refused'])
    })

    it('are not made of events that came, and are of those that are created', async () => {
      const harness = await open()
      const { store, clock, settle } = harness
      const webhook = await savedWebhook(store, newWebhook())
      const { workspaceId, webhookId } = webhook
      await store.importEvents(workspaceId, movedEvents(clock.nowUs(), [5_000_000]))
      const [created] = await store.createEvents(workspaceId, [newEvent()])
      await settle()
      const { stored: from, mark: to, events } = await wholeOutbox(harness, new Map([[workspaceId, ['']]]))
      expect(events).toMatchObject([{ eventId: created?.outcome === 'created' ? created.eventId : '' }])
      expect(await store.fanOut({ from, to, deliveries: events.map(({ eventId }) => newDelivery({ webhookId }, { eventId })) })).toBe(true)
      await store.deleteWebhook(webhookId, newAuditEntry(workspaceId))
    })
  })
}
