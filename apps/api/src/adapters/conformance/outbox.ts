import { beforeAll, describe, expect, it } from 'vitest'
import { fanOutAll, live, newOwnEvent, wholeOutbox } from './delivery-harness.ts'
import {
  createdIds,
  fiftyTimes,
  idsOf,
  newAuditEntry,
  newDelivery,
  newEvent,
  newEventWith,
  newWebhook,
  newWorkspace,
  type StoreHarness,
  savedWebhook,
} from './harness.ts'

const ofType = (eventType: string) => newEvent({ eventType })

export function outboxSuite(open: () => Promise<StoreHarness>): void {
  describe('the outbox', () => {
    let harness: StoreHarness
    beforeAll(async () => {
      harness = await open()
    })

    const openDeliveries = async (webhook: { workspaceId: string; webhookId: string }) => {
      await harness.settle()
      const { workspaceId, webhookId } = webhook
      return (await harness.store.listDeliveries({ workspaceId, webhookId, limit: 100, maxBytes: 1e6 })).deliveries
    }

    it('gives whole events in commit order, of the workspaces and types asked for, and comes to the end', async () => {
      const { store, settle } = harness
      const [all, some, none] = [newWorkspace(), newWorkspace(), newWorkspace()]
      const whole = newEventWith(
        { region: 'eu' },
        { source: 'Zoë 🚀', eventType: 'user.created', priority: 'high', payload: '{"a":"é\\u0000"}' },
      )
      const [first = ''] = await createdIds(store, all, [whole])
      await createdIds(store, none, [ofType('user.created')])
      const [wanted = '', , , exact = ''] = await createdIds(store, some, ['user.a', 'user', 'usera.b', 'order', 'x.user.a'].map(ofType))
      const [last = ''] = await createdIds(store, all, [ofType('x')])
      await settle()
      const interests = new Map([
        [all, ['']],
        [some, ['user.', 'order']],
        [newWorkspace(), ['']],
      ])
      const outbox = await wholeOutbox(harness, interests)
      expect(idsOf(outbox.events)).toEqual([first, wanted, exact, last])
      expect(outbox.events[0]).toEqual({ ...(await store.getEvent(all, first)), workspaceId: all })
      expect(outbox.events[1]).toMatchObject({ workspaceId: some })
      expect(await wholeOutbox(harness, interests, { after: outbox.mark })).toMatchObject({ events: [], mark: outbox.mark })
    })

    for (const [name, interest] of [
      ['interest', ['']],
      ['do not', ['other.']],
    ] as const) {
      it(`looks at no more than it was told, says that there is more, and reads on from there: events that ${name}`, async () => {
        const { store, settle } = harness
        const workspace = newWorkspace()
        const before = await wholeOutbox(harness, new Map())
        const ids = await createdIds(
          store,
          workspace,
          Array.from({ length: 10 }, () => newEvent()),
        )
        await settle()
        const interests = new Map([[workspace, interest]])
        const first = await store.readOutbox({ after: before.mark, limit: 4, maxBytes: 1e6, interests })
        expect(first.more).toBe(true)
        const rest = await wholeOutbox(harness, interests, { after: first.mark, limit: 3 })
        expect(rest.reads).toBe(2)
        expect([...idsOf(first.events), ...idsOf(rest.events)]).toEqual(interest[0] === '' ? ids : [])
        expect(await wholeOutbox(harness, interests, { after: rest.mark })).toMatchObject({ events: [], reads: 1 })
      })
    }

    it('ends before its events weigh too much, but never without one', async () => {
      const { store, settle } = harness
      const workspace = newWorkspace()
      const after = (await wholeOutbox(harness, new Map())).mark
      const events = [10_000, 60_000, 10, 20_000].map((length) => newEvent({ payload: `{"x":"${'x'.repeat(length)}"}` }))
      const ids = await createdIds(store, workspace, events)
      await settle()
      const interests = new Map([[workspace, ['']]])
      const sizes: number[] = []
      const seen: string[] = []
      for (let outbox = { mark: after, more: true }; outbox.more; ) {
        const next = await store.readOutbox({ after: outbox.mark, limit: 100, maxBytes: 30_000, interests })
        sizes.push(next.events.length)
        seen.push(...idsOf(next.events))
        outbox = next
      }
      expect(seen).toEqual(ids)
      expect(sizes).toEqual([1, 1, 2])
    })

    it('passes over what was deleted or has expired', async () => {
      const own = await open()
      const workspace = newWorkspace()
      const after = (await wholeOutbox(own, new Map())).mark
      await createdIds(own.store, workspace, [newEvent(), newEvent()])
      own.clock.advance({ days: 8 })
      const [gone = '', kept = ''] = await createdIds(own.store, workspace, [newEvent(), newEvent()])
      await own.store.deleteEvents(workspace, [gone])
      await own.settle()
      const outbox = await wholeOutbox(own, new Map([[workspace, ['']]]), { after })
      expect(idsOf(outbox.events)).toEqual([kept])
    })

    it('lets one of fifty fan-outs of the same events win, and stores the deliveries of that one alone', async () => {
      const { store, settle } = harness
      const webhook = await savedWebhook(store)
      const [eventId = ''] = await createdIds(store, webhook.workspaceId, [newEvent()])
      await settle()
      const { stored: from, mark: to } = await wholeOutbox(harness, new Map())
      const deliveries = [newDelivery(webhook, { eventId }), newDelivery(webhook, { eventId })]
      const results = await fiftyTimes(() => store.fanOut({ from, to, deliveries }))
      expect(results.filter((isDone) => isDone)).toHaveLength(1)
      expect(await openDeliveries(webhook)).toHaveLength(2)
      expect((await wholeOutbox(harness, new Map())).stored).toBe(to)
    })

    it('goes on from where it was when it is opened again, and then the slower of two stores stores nothing', async () => {
      const { store, reopen, settle } = harness
      const webhook = await savedWebhook(store)
      const [first = ''] = await createdIds(store, webhook.workspaceId, [newEvent()])
      await fanOutAll(harness, [newDelivery(webhook, { eventId: first })])
      const [second = ''] = await createdIds(store, webhook.workspaceId, [newEvent()])
      await settle()
      const interests = new Map([[webhook.workspaceId, ['']]])
      const mine = await wholeOutbox(harness, interests)
      const again = await reopen()
      const other = await again.readOutbox({ limit: 100, maxBytes: 1e6, interests })
      expect(idsOf(other.events)).toEqual([second])
      expect(other.stored).toBe(mine.stored)
      const deliveries = [newDelivery(webhook, { eventId: second })]
      expect(await again.fanOut({ from: other.stored, to: other.mark, deliveries })).toBe(true)
      expect(await store.fanOut({ from: mine.stored, to: mine.mark, deliveries })).toBe(false)
      await again.close()
      expect((await openDeliveries(webhook)).map(({ eventId }) => eventId)).toEqual([second, first])
    })

    it('never goes back', async () => {
      const { store, settle } = harness
      const before = await wholeOutbox(harness, new Map())
      await createdIds(store, newWorkspace(), [newEvent()])
      await settle()
      const { stored, mark } = await wholeOutbox(harness, new Map())
      expect(await store.fanOut({ from: stored, to: mark, deliveries: [] })).toBe(true)
      await expect(store.fanOut({ from: mark, to: before.stored, deliveries: [] })).rejects.toThrow(/moves on/)
      expect((await wholeOutbox(harness, new Map())).stored).toBe(mark)
    })

    it('leaves out deliveries to a webhook that is unknown, deleted or not active by then', async () => {
      const { store } = harness
      const active = await savedWebhook(store)
      const { workspaceId } = active
      const inactive = await savedWebhook(store, newWebhook({ workspaceId, isActive: false }))
      const deleted = await savedWebhook(store, newWebhook({ workspaceId }))
      await store.deleteWebhook(deleted.webhookId, newAuditEntry(workspaceId))
      const unknown = newWebhook({ workspaceId })
      const [eventId = ''] = await createdIds(store, workspaceId, [newEvent()])
      await fanOutAll(
        harness,
        [unknown, inactive, deleted, active].map((webhook) => newDelivery(webhook, { eventId })),
      )
      expect(await store.listDeliveries({ workspaceId, eventId, limit: 10, maxBytes: 1e6 })).toMatchObject({
        deliveries: [{ webhookId: active.webhookId }],
      })
    })

    it('stores an event of our own with its delivery, and in no list', async () => {
      const { store, clock } = harness
      const webhook = await savedWebhook(store)
      const ownEvent = newOwnEvent(clock.nowUs())
      await createdIds(store, newWorkspace(), [newEvent()])
      await fanOutAll(harness, [newDelivery(webhook, { eventId: ownEvent.eventId, eventType: ownEvent.eventType, ownEvent })])
      const claim = await store.claimDeliveries({ ...live(webhook), limit: 9, maxBytes: 1e6, heldUntilUs: clock.nowUs() + 1, paces: [] })
      expect(claim.deliveries).toMatchObject([{ event: ownEvent }])
      expect(await openDeliveries(webhook)).toMatchObject([{ eventId: ownEvent.eventId, eventType: 'triggers.delivery.dead' }])
      expect(await store.getEvent(webhook.workspaceId, ownEvent.eventId)).toBeUndefined()
    })

    it('has another version after every write of a webhook, and after no other', async () => {
      const { store, settle } = harness
      const versions: string[] = []
      const note = async () => {
        await settle()
        versions.push((await wholeOutbox(harness, new Map())).webhooksVersion)
      }
      await note()
      const webhook = await savedWebhook(store)
      await note()
      await savedWebhook(store, { ...webhook, description: 'Changed' })
      await note()
      await store.deleteWebhook(webhook.webhookId, newAuditEntry(webhook.workspaceId))
      await note()
      expect(new Set(versions).size).toBe(4)
      await createdIds(store, newWorkspace(), [newEvent()])
      await store.deleteWebhook(webhook.webhookId, newAuditEntry(webhook.workspaceId))
      await note()
      expect(versions.at(-1)).toBe(versions.at(-2))
    })

    it('tells who watches when events were created, and not when none was', async () => {
      // Nobody else's events, of which it might be told again.
      const { store } = await open()
      const calls: string[] = []
      const watch = (name: string) => store.watchOutbox(() => calls.push(name))
      const end = watch('a')
      const endOther = watch('b')
      const idempotency = { key: 'k', fingerprint: new Uint8Array(32) }
      const workspace = newWorkspace()
      await createdIds(store, workspace, [newEvent({ idempotency })])
      expect(calls).toEqual(['a', 'b'])
      await createdIds(store, workspace, [newEvent({ idempotency })])
      expect(calls).toEqual(['a', 'b'])
      end()
      await createdIds(store, workspace, [newEvent({ idempotency }), newEvent()])
      expect(calls).toEqual(['a', 'b', 'b'])
      endOther()
    })
  })
}
