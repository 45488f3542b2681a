import { describe, expect, it } from 'vitest'
import type { ImportOutcome } from '../../move-ports.ts'
import type { EventRecord } from '../../ports.ts'
import { wholeOutbox } from './delivery-harness.ts'
import { allPages, auditActions, idsOf, newEvent, newWorkspace, query, type StoreHarness } from './harness.ts'
import { eventIdAt, movedEvent, movedEvents } from './move-records.ts'

const all = (outcome: ImportOutcome, records: readonly unknown[]): ImportOutcome[] => records.map(() => outcome)

/** Events that come from another store. */
export function movedEventSuite(open: () => Promise<StoreHarness>): void {
  describe('events from another store', () => {
    it('has its events as they were, once, however often they come', async () => {
      const harness = await open()
      const { store, clock } = harness
      const workspaceId = newWorkspace()
      const us = clock.nowUs() - 3_600_000_000
      const events = [
        movedEvent(us, {
          metadata: '{"priority":"high","team":"Zoë 🚀","n":1.50}',
          payload: '{"a":1.0,"b":"\\ud83d","c":[12345678901234567890]}',
        }),
        movedEvent(us + 1, { status: 'acknowledged', acknowledgedAtUs: us + 77, source: 'till' }),
        movedEvent(us + 2, { payload: JSON.stringify({ long: 'x'.repeat(300_000) }) }),
      ]
      expect(await store.importEvents(workspaceId, events)).toEqual(all('written', events))
      expect(await store.importEvents(workspaceId, [...events].reverse())).toEqual(all('there', events))
      for (const event of events) expect(await store.getEvent(workspaceId, event.eventId)).toEqual(event)
      expect(await allPages(store, query(workspaceId, { limit: 2 }))).toEqual(events)
      expect(await allPages(store, query(workspaceId, { order: 'desc', limit: 1 }))).toEqual([...events].reverse())
      const found = async (filter: object) => idsOf((await store.listEvents(query(workspaceId, { filter }))).events)
      expect(await found({ status: 'acknowledged' })).toEqual(idsOf(events.slice(1, 2)))
      expect(await found({ status: 'pending' })).toEqual(idsOf([...events.slice(0, 1), ...events.slice(2)]))
      expect(await found({ source: 'till' })).toEqual(idsOf(events.slice(1, 2)))
      expect(await found({ metadata: { team: 'Zoë 🚀' } })).toEqual(idsOf(events.slice(0, 1)))
      expect(await found({ priority: 'high' })).toEqual(idsOf(events.slice(0, 1)))
      expect(await store.hasWorkspace(workspaceId)).toBe(true)
      expect(await auditActions(store, workspaceId)).toEqual([])
    })

    it('stays as it became here when it comes once more', async () => {
      const { store, clock } = await open()
      const workspaceId = newWorkspace()
      const [acked, kept] = movedEvents(clock.nowUs() - 1_000_000_000, [0, 1])
      if (acked === undefined || kept === undefined) throw new Error('There are no events.')
      await store.importEvents(workspaceId, [acked, kept])
      const [result] = await store.ackEvents(workspaceId, [acked.eventId])
      expect(result).toMatchObject({ outcome: 'acknowledged' })
      expect(await store.importEvents(workspaceId, [acked, kept])).toEqual(['there', 'there'])
      expect(await store.getEvent(workspaceId, acked.eventId)).toMatchObject({ status: 'acknowledged' })
      expect(await store.ackEvents(workspaceId, [acked.eventId])).toMatchObject([{ outcome: 'already_acknowledged' }])
    })

    it('keeps one order among events of the same microseconds, whoever comes first, with the events of others among them', async () => {
      const { store, clock } = await open()
      const [mine, other] = [newWorkspace(), newWorkspace()]
      const us = clock.nowUs() - 7_200_000_000
      const theirs = movedEvents(us, [0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 20])
      await store.importEvents(other, theirs)
      // Two dense runs over each other, as two servers write them, and some behind.
      const run = Array.from({ length: 40 }, (_, n) => n)
      const events = movedEvents(us, [...run, ...run, 5, 5, 5, 60, 60, 100])
      const shuffled = events.map((event) => ({ event, at: event.eventId.slice(-6) })).sort((a, b) => (a.at < b.at ? -1 : 1))
      for (const { event } of shuffled.slice(0, 50)) await store.importEvents(mine, [event])
      await store.importEvents(
        mine,
        shuffled.slice(50).map(({ event }) => event),
      )
      const sorted = [...events].sort((a, b) => (a.eventId < b.eventId ? -1 : 1))
      expect(await store.importEvents(mine, sorted)).toEqual(all('there', sorted))
      expect(await allPages(store, query(mine, { limit: 7 }))).toEqual(sorted)
      expect(await allPages(store, query(mine, { limit: 7, order: 'desc' }))).toEqual([...sorted].reverse())
      expect(await allPages(store, query(other))).toEqual([...theirs].sort((a, b) => (a.eventId < b.eventId ? -1 : 1)))
      for (const [from, to] of [
        [0, 0],
        [5, 5],
        [3, 30],
        [39, 60],
        [61, 99],
        [60, 1000],
      ] as const) {
        const filter = { createdAfterUs: us + from, createdBeforeUs: us + to }
        const expected = sorted.filter(({ createdAtUs }) => createdAtUs >= us + from && createdAtUs <= us + to)
        expect(await allPages(store, query(mine, { filter, limit: 3 })), `${from} to ${to}`).toEqual(expected)
        expect(await allPages(store, query(mine, { filter: { ...filter, status: 'pending' }, order: 'desc' }))).toEqual(expected.reverse())
      }
      for (const event of sorted) expect(await store.getEvent(mine, event.eventId)).toEqual(event)
      expect(await store.getEvent(other, sorted[0]?.eventId ?? '')).toBeUndefined()
    })

    it('can be acknowledged, and is gone when it is deleted, wherever it stands', async () => {
      const { store, clock } = await open()
      const [mine, other] = [newWorkspace(), newWorkspace()]
      const us = clock.nowUs() - 7_200_000_000
      await store.importEvents(other, movedEvents(us, [0, 1]))
      const events = movedEvents(us, [0, 0, 0, 1]).sort((a, b) => (a.eventId < b.eventId ? -1 : 1))
      await store.importEvents(mine, events)
      const [first, second, ...rest] = idsOf(events)
      expect(await store.ackEvents(mine, [first ?? '', second ?? ''])).toMatchObject(
        all('written', [1, 2]).map(() => ({ outcome: 'acknowledged' })),
      )
      expect(idsOf((await store.listEvents(query(mine, { filter: { status: 'acknowledged' } }))).events)).toEqual([first, second])
      await store.deleteEvents(mine, [second ?? '', rest[0] ?? ''])
      expect(idsOf(await allPages(store, query(mine)))).toEqual([first, rest[1]])
      expect(await store.ackEvents(mine, [second ?? ''])).toEqual([{ outcome: 'not_found' }])
      expect(await store.getEvent(mine, rest[0] ?? '')).toBeUndefined()
      expect(await allPages(store, query(other))).toHaveLength(2)
      // As if it had never been there: whoever repeats an import later brings it back.
      expect(await store.importEvents(mine, events.slice(0, 3))).toEqual(['there', 'written', 'written'])
      expect(idsOf(await allPages(store, query(mine)))).toEqual(idsOf(events))
    })

    it('lets a position in the list of events go to another store and come back', async () => {
      const [here, there] = [await open(), await open()]
      const workspaceId = newWorkspace()
      const us = here.clock.nowUs() - 7_200_000_000
      await there.store.importEvents(newWorkspace(), movedEvents(us, [0, 1, 2]))
      const events = movedEvents(us, [0, 0, 1, 1, 2, 9, 9]).sort((a, b) => (a.eventId < b.eventId ? -1 : 1))
      for (const { store } of [here, there]) await store.importEvents(workspaceId, events)
      for (let limit = 1; limit < events.length; limit++) {
        const { next } = await here.store.listEvents(query(workspaceId, { limit }))
        const eventId = await here.store.idAt(workspaceId, next ?? '')
        const after = await there.store.placeBehind(workspaceId, eventId)
        expect((await there.store.listEvents(query(workspaceId, { after }))).events).toEqual(events.slice(limit))
        const back = await here.store.placeBehind(workspaceId, await there.store.idAt(workspaceId, after))
        expect((await here.store.listEvents(query(workspaceId, { after: back }))).events).toEqual(events.slice(limit))
      }
      const after = await there.store.placeBehind(workspaceId, eventIdAt(us + 5))
      expect((await there.store.listEvents(query(workspaceId, { after }))).events).toEqual(events.slice(5))
    })

    it('is passed by fan-out, whatever its time, and what is created beside it is not', async () => {
      const harness = await open()
      const { store, clock, settle } = harness
      const [mine, busy] = [newWorkspace(), newWorkspace()]
      const interests = new Map([mine, busy].map((workspaceId) => [workspaceId, ['']] as const))
      const outbox = async () => {
        await settle()
        return idsOf((await wholeOutbox(harness, interests)).events)
      }
      const at = async (...us: number[]) => {
        const events = us.map((time) => movedEvent(time))
        expect(await store.importEvents(mine, events)).toEqual(all('written', events))
      }
      const created: string[] = []
      const create = async (workspaceId: string) => {
        const [result] = await store.createEvents(workspaceId, [newEvent()])
        if (result?.outcome === 'created') created.push(result.eventId)
        return result?.outcome === 'created' ? result.createdAtUs : 0
      }
      await at(clock.nowUs() - 86_400_000_000, clock.nowUs(), clock.nowUs() + 5_000_000)
      expect(await outbox()).toEqual([])
      const us = await create(busy)
      await at(us - 1, us, us + 1, us + 2)
      await create(mine)
      await create(busy)
      await at(us + 1_000_000, us + 10_000_000)
      expect((await outbox()).sort()).toEqual([...created].sort())
      clock.advance({ seconds: 60 })
      await create(mine)
      expect((await outbox()).sort()).toEqual([...created].sort())
      expect(idsOf(await allPages(store, query(mine))).filter((id) => created.includes(id))).toHaveLength(2)
    })

    it('leaves new events behind all that came, even where those were ahead of the clock', async () => {
      const { store, clock, settle } = await open()
      const workspaceId = newWorkspace()
      const events = movedEvents(clock.nowUs(), [0, 1, 2, 3])
      await store.importEvents(workspaceId, events)
      for (let n = 0; n < 3; n++) expect(await store.createEvents(workspaceId, [newEvent()])).toMatchObject([{ outcome: 'created' }])
      await settle()
      const listed = await allPages(store, query(workspaceId))
      expect(listed).toHaveLength(7)
      expect(idsOf(listed)).toEqual(idsOf(listed).sort())
    })

    it('is there once when it comes from two at the same time', async () => {
      const { store, clock, reopen } = await open()
      const again = await reopen()
      const [mine, other] = [newWorkspace(), newWorkspace()]
      const us = clock.nowUs() - 7_200_000_000
      await store.importEvents(other, movedEvents(us, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]))
      const events = movedEvents(
        us,
        Array.from({ length: 60 }, (_, n) => n % 20),
      ).sort((a, b) => (a.eventId < b.eventId ? -1 : 1))
      const chunks = Array.from({ length: 6 }, (_, n) => events.slice(n * 10, n * 10 + 10))
      const run = async (one: typeof store) => {
        const outcomes: ImportOutcome[] = []
        for (const chunk of chunks) outcomes.push(...(await one.importEvents(mine, chunk)))
        return outcomes
      }
      const [first, second] = await Promise.all([run(store), run(again)])
      expect(first.map((outcome, n) => [outcome, second[n]].sort().join())).toEqual(events.map(() => 'there,written'))
      expect(await allPages(store, query(mine))).toEqual(events)
      await again.close()
    })

    it('expires like all else', async () => {
      const { store, clock } = await open()
      const workspaceId = newWorkspace()
      const us = clock.nowUs() - 6 * 86_400_000_000
      await store.importEvents(newWorkspace(), movedEvents(us, [0, 0]))
      const events: EventRecord[] = movedEvents(us, [0, 0, 1])
      await store.importEvents(workspaceId, events)
      clock.advance({ days: 1, seconds: 1 })
      expect(await allPages(store, query(workspaceId))).toEqual([])
      while (await store.sweep(2));
      for (const { eventId } of events) expect(await store.getEvent(workspaceId, eventId)).toBeUndefined()
    })
  })
}
