import { beforeAll, describe, expect, it } from 'vitest'
import { createdIds, idsOf, newEvent, newEventWith, newWorkspace, query, type StoreHarness } from './harness.ts'

export function ackAndDeleteSuite(open: () => Promise<StoreHarness>): void {
  describe('acknowledging and deleting', () => {
    let harness: StoreHarness
    beforeAll(async () => {
      harness = await open()
    })

    it('acknowledges once, and tells when', async () => {
      const { store, clock } = harness
      const workspace = newWorkspace()
      const [id = ''] = await createdIds(store, workspace, [newEvent()])
      clock.advance({ seconds: 5 })
      const [first] = await store.ackEvents(workspace, [id])
      expect(first).toMatchObject({ outcome: 'acknowledged', acknowledgedAtUs: expect.any(Number) })
      clock.advance({ seconds: 5 })
      expect(await store.ackEvents(workspace, [id])).toEqual([{ ...first, outcome: 'already_acknowledged' }])
      const event = await store.getEvent(workspace, id)
      expect(event).toMatchObject({
        status: 'acknowledged',
        acknowledgedAtUs: first && 'acknowledgedAtUs' in first && first.acknowledgedAtUs,
      })
      expect(event?.acknowledgedAtUs).toBeGreaterThanOrEqual(event?.createdAtUs ?? Number.POSITIVE_INFINITY)
    })

    it('lets one of fifty acks at once win', async () => {
      const { store } = harness
      const workspace = newWorkspace()
      const [id = ''] = await createdIds(store, workspace, [newEvent()])
      const results = (await Promise.all(Array.from({ length: 50 }, () => store.ackEvents(workspace, [id])))).flat()
      expect(results.filter((result) => result.outcome === 'acknowledged')).toHaveLength(1)
      expect(results.filter((result) => result.outcome === 'already_acknowledged')).toHaveLength(49)
    })

    it('answers each id of a call on its own, a repeated one as acknowledged already', async () => {
      const { store } = harness
      const workspace = newWorkspace()
      const [a = '', b = '', gone = ''] = await createdIds(store, workspace, [newEvent(), newEvent(), newEvent()])
      await store.ackEvents(workspace, [b])
      await store.deleteEvents(workspace, [gone])
      const results = await store.ackEvents(workspace, [a, b, gone, a])
      expect(results.map((result) => result.outcome)).toEqual(['acknowledged', 'already_acknowledged', 'not_found', 'already_acknowledged'])
    })

    it('moves an acknowledged event from the pending to the acknowledged lists, under every filter', async () => {
      const { store, settle } = harness
      const workspace = newWorkspace()
      const event = newEventWith({ region: 'eu', n: 2 }, { source: 's', eventType: 't', priority: 'low' })
      const [acked = '', pending = ''] = await createdIds(store, workspace, [event, event])
      await store.ackEvents(workspace, [acked])
      await settle()
      for (const filter of [
        {},
        { source: 's' },
        { eventType: 't' },
        { priority: 'low' as const },
        { metadata: { region: 'eu' } },
        { metadata: { n: '2' } },
      ]) {
        expect(idsOf((await store.listEvents(query(workspace, { filter: { ...filter, status: 'pending' } }))).events)).toEqual([pending])
        expect(idsOf((await store.listEvents(query(workspace, { filter: { ...filter, status: 'acknowledged' } }))).events)).toEqual([acked])
        expect(idsOf((await store.listEvents(query(workspace, { filter }))).events)).toEqual([acked, pending])
      }
    })

    it('deletes pending and acknowledged events from every list, and passes over what is not there', async () => {
      const { store, settle } = harness
      const workspace = newWorkspace()
      const event = newEventWith({ region: 'eu' }, { source: 's', eventType: 't' })
      const [acked = '', pending = '', kept = ''] = await createdIds(store, workspace, [event, event, event])
      await store.ackEvents(workspace, [acked])
      await store.deleteEvents(workspace, [acked, pending])
      await store.deleteEvents(workspace, [pending])
      await settle()
      expect(await store.getEvent(workspace, acked)).toBeUndefined()
      for (const filter of [{}, { source: 's' }, { eventType: 't' }, { metadata: { region: 'eu' } }]) {
        expect(idsOf((await store.listEvents(query(workspace, { filter }))).events)).toEqual([kept])
      }
    })
  })
}
