import { beforeAll, describe, expect, it } from 'vitest'
import type { EventFilter, EventRecord, NewEvent, Priority } from '../../ports.ts'
import { PRIORITIES } from '../../ports.ts'
import { allPages, createdIds, idsOf, newEvent, newEventWith, newWorkspace, query, type StoreHarness } from './harness.ts'

export function listSuite(open: () => Promise<StoreHarness>): void {
  describe('listing', () => {
    let harness: StoreHarness
    const workspace = newWorkspace()
    let events: EventRecord[]

    beforeAll(async () => {
      harness = await open()
      const { store, settle } = harness
      // Every combination of the filters' values, several times over, two thirds of them acknowledged.
      const all = Array.from({ length: 180 }, (_, n): NewEvent => {
        const priority: Priority = PRIORITIES[n % 3] ?? 'normal'
        return newEventWith(
          { region: n % 5 === 0 ? 'eu' : 'us', n: n % 4, flag: n % 2 === 0 },
          { source: `s${n % 2}`, eventType: `t${n % 6}`, priority },
        )
      })
      const ids: string[] = []
      for (let at = 0; at < all.length; at += 25) ids.push(...(await createdIds(store, workspace, all.slice(at, at + 25))))
      const acked = ids.filter((_, n) => n % 3 !== 1)
      for (let at = 0; at < acked.length; at += 25) await store.ackEvents(workspace, acked.slice(at, at + 25))
      await settle()
      events = await Promise.all(ids.map(async (id) => await store.getEvent(workspace, id))).then((found) =>
        found.filter((event) => event !== undefined),
      )
      expect(events).toHaveLength(180)
    })

    const matches = (event: EventRecord, filter: EventFilter): boolean => {
      const metadata: Record<string, unknown> = JSON.parse(event.metadata)
      return (
        (filter.source === undefined || event.source === filter.source) &&
        (filter.eventType === undefined || event.eventType === filter.eventType) &&
        (filter.priority === undefined || metadata['priority'] === filter.priority) &&
        (filter.status === undefined || event.status === filter.status) &&
        (filter.createdAfterUs === undefined || event.createdAtUs >= filter.createdAfterUs) &&
        (filter.createdBeforeUs === undefined || event.createdAtUs <= filter.createdBeforeUs) &&
        Object.entries(filter.metadata ?? {}).every(([key, text]) => String(metadata[key]) === text)
      )
    }

    const parts: EventFilter[] = [
      { source: 's1' },
      { eventType: 't3' },
      { priority: 'high' },
      { metadata: { region: 'eu' } },
      { metadata: { n: '2', flag: 'true' } },
      { metadata: { priority: 'low' } },
      { source: 'nobody' },
      { metadata: { region: 'nowhere' } },
      { metadata: { absent: '' } },
    ]
    const filters: EventFilter[] = [
      {},
      ...parts,
      ...parts.flatMap((one, index) =>
        parts.slice(index + 1).map((other) => ({ ...one, ...other, metadata: { ...one.metadata, ...other.metadata } })),
      ),
    ]

    for (const status of [undefined, 'pending', 'acknowledged'] as const) {
      for (const order of ['asc', 'desc'] as const) {
        it(`gives just the matches, in order, page by page: ${status ?? 'any status'}, ${order}`, async () => {
          for (const partial of filters) {
            const filter = { ...partial, status }
            const expected = events.filter((event) => matches(event, filter))
            if (order === 'desc') expected.reverse()
            expect(await allPages(harness.store, query(workspace, { filter, order, limit: 7 })), JSON.stringify(filter)).toEqual(expected)
          }
        })
      }
    }

    it('includes both bounds of a range of time, under any filter', async () => {
      const [low, high] = [events[40]?.createdAtUs, events[120]?.createdAtUs]
      for (const partial of parts.slice(0, 5)) {
        const filter = { ...partial, createdAfterUs: low, createdBeforeUs: high }
        expect(await allPages(harness.store, query(workspace, { filter, limit: 9 }))).toEqual(
          events.filter((event) => matches(event, filter)),
        )
      }
      const filter = { createdAfterUs: low, createdBeforeUs: high }
      const inRange = await allPages(harness.store, query(workspace, { filter, order: 'desc', limit: 9 }))
      expect(inRange).toEqual(events.filter((event) => matches(event, filter)).reverse())
      expect(inRange.at(-1)?.createdAtUs).toBe(low)
      expect(inRange[0]?.createdAtUs).toBe(high)
    })

    it('gives a full page and no cursor exactly at the end', async () => {
      const { store } = harness
      const pending = events.filter((event) => event.status === 'pending').length
      const whole = await store.listEvents(query(workspace, { filter: { status: 'pending' }, limit: pending }))
      expect(whole.events).toHaveLength(pending)
      expect(whole.next).toBeNull()
      const short = await store.listEvents(query(workspace, { filter: { status: 'pending' }, limit: pending - 1 }))
      expect(short.events).toHaveLength(pending - 1)
      expect(short.next).not.toBeNull()
      expect(await store.listEvents(query(newWorkspace()))).toEqual({ events: [], next: null })
    })

    it('ends a page before its bytes pass the bound, but never without an event', async () => {
      const { store, settle } = harness
      const large = newWorkspace()
      const payload = JSON.stringify({ x: 'x'.repeat(50_000) })
      const ids = await createdIds(
        store,
        large,
        Array.from({ length: 6 }, () => newEvent({ payload })),
      )
      await settle()
      const page = await store.listEvents(query(large, { maxBytes: 130_000 }))
      expect(idsOf(page.events)).toEqual(ids.slice(0, 2))
      expect(idsOf((await store.listEvents(query(large, { maxBytes: 1 }))).events)).toEqual(ids.slice(0, 1))
      for (const order of ['asc', 'desc'] as const) {
        expect(idsOf(await allPages(store, query(large, { maxBytes: 130_000, order }))).sort()).toEqual([...ids].sort())
      }
    })

    it('takes any text as a filter value and any key', async () => {
      const { store, settle } = harness
      const odd = newWorkspace()
      const metadata = JSON.parse('{"__proto__":"x","a.b-c_D":"%_\'\\"; DROP TABLE events; --","empty":""}')
      const [id = ''] = await createdIds(store, odd, [newEventWith(metadata), newEvent()])
      await settle()
      for (const [key, value] of Object.entries<string>(metadata)) {
        const filter = { metadata: Object.assign(Object.create(null), { [key]: value }) }
        expect(idsOf((await store.listEvents(query(odd, { filter }))).events)).toEqual([id])
      }
    })
  })
}
