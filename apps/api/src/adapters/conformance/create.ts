import { beforeAll, describe, expect, it } from 'vitest'
import { createdIds, newEvent, newEventWith, newWorkspace, query, type StoreHarness } from './harness.ts'

const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

export function createSuite(open: () => Promise<StoreHarness>): void {
  describe('creating and reading', () => {
    let harness: StoreHarness
    beforeAll(async () => {
      harness = await open()
    })

    it('gives an event back as it was stored', async () => {
      const { store, clock } = harness
      const workspace = newWorkspace()
      const event = newEventWith(
        { correlation_id: 'c-1', n: 1.5, flag: true, region: 'eu' },
        { source: 'Zoë 🚀', eventType: 'a.b', priority: 'high', payload: '{"z":1.10,"a":"\\u0041\\ud800","big":12345678901234567890}' },
      )
      const [created] = await store.createEvents(workspace, [event])
      expect(created).toMatchObject({ outcome: 'created', createdAtUs: expect.any(Number), eventId: expect.stringMatching(UUID_V7) })
      const [id = ''] = created && 'eventId' in created ? [created.eventId] : []
      expect(await store.getEvent(workspace, id)).toEqual({
        eventId: id,
        createdAtUs: created && 'createdAtUs' in created ? created.createdAtUs : undefined,
        source: event.source,
        eventType: event.eventType,
        payload: event.payload,
        metadata: event.metadata,
        status: 'pending',
        acknowledgedAtUs: null,
      })
      expect(created && 'createdAtUs' in created && Math.abs(created.createdAtUs - clock.nowUs())).toBeLessThan(60e6)
    })

    it('keeps a payload of 409,600 bytes', async () => {
      const { store } = harness
      const workspace = newWorkspace()
      const payload = `{"x":"${'é'.repeat((409_600 - 8) / 2)}"}`
      const [id = ''] = await createdIds(store, workspace, [newEvent({ payload })])
      expect((await store.getEvent(workspace, id))?.payload).toBe(payload)
      expect(await store.ackEvents(workspace, [id])).toMatchObject([{ outcome: 'acknowledged' }])
      expect(await store.getEvent(workspace, id)).toMatchObject({ payload, status: 'acknowledged' })
    })

    it("does not find another workspace's event", async () => {
      const { store } = harness
      const [mine, other] = [newWorkspace(), newWorkspace()]
      const [id = ''] = await createdIds(store, mine, [newEvent()])
      await createdIds(store, other, [newEvent()])
      expect(await store.getEvent(other, id)).toBeUndefined()
      expect(await store.ackEvents(other, [id])).toEqual([{ outcome: 'not_found' }])
      await store.deleteEvents(other, [id])
      expect(await store.getEvent(mine, id)).toMatchObject({ status: 'pending' })
    })

    it('does not find ids that it never gave, of any form', async () => {
      const { store } = harness
      const workspace = newWorkspace()
      const [id = ''] = await createdIds(store, workspace, [newEvent()])
      const near = id.replace(/.$/, (digit) => (digit === '0' ? '1' : '0'))
      for (const wrong of [
        near,
        '00000000-0000-0000-0000-000000000000',
        'ffffffff-ffff-7fff-bfff-ffffffffffff',
        '3f2504e0-4f89-41d3-9a0c-0305e82c3301',
      ]) {
        expect(await store.getEvent(workspace, wrong)).toBeUndefined()
        expect(await store.ackEvents(workspace, [wrong])).toEqual([{ outcome: 'not_found' }])
        await store.deleteEvents(workspace, [wrong])
      }
      expect(await store.getEvent(workspace, id)).toBeDefined()
    })

    it('keeps what was stored when it is opened again', async () => {
      const workspace = newWorkspace()
      const [pending = '', acknowledged = ''] = await createdIds(harness.store, workspace, [newEvent(), newEvent()])
      await harness.store.ackEvents(workspace, [acknowledged])
      const again = await harness.reopen()
      expect(await again.getEvent(workspace, pending)).toMatchObject({ status: 'pending' })
      expect(await again.getEvent(workspace, acknowledged)).toMatchObject({ status: 'acknowledged' })
      await again.close()
    })

    it('lets expired events go from every read at once, and sweeps them', async () => {
      const { store, clock, settle, sweeps = true } = harness
      const workspace = newWorkspace()
      const [old = ''] = await createdIds(store, workspace, [newEventWith({ k: 'v' }, { source: 'old' })])
      clock.advance({ days: 3 })
      const [young = ''] = await createdIds(store, workspace, [newEventWith({ k: 'v' })])
      await settle()
      clock.advance({ days: 4, seconds: -60 })
      expect(await store.getEvent(workspace, old)).toBeDefined()
      clock.advance({ seconds: 120 })
      expect(await store.getEvent(workspace, old)).toBeUndefined()
      expect(await store.ackEvents(workspace, [old])).toEqual([{ outcome: 'not_found' }])
      for (const filter of [{}, { source: 'old' }, { metadata: { k: 'v' } }, { createdAfterUs: 0 }]) {
        for (const order of ['asc', 'desc'] as const) {
          const page = await store.listEvents(query(workspace, { filter, order }))
          expect(page.events.map((event) => event.eventId)).not.toContain(old)
          expect(page.next).toBeNull()
        }
      }
      while (await store.sweep(10)) {}
      expect(await store.getEvent(workspace, young)).toBeDefined()
      clock.advance({ days: -7 })
      // The clock back, an event that was swept does not come back.
      if (sweeps) expect(await store.getEvent(workspace, old)).toBeUndefined()
      clock.advance({ days: 7 })
    })
  })
}
