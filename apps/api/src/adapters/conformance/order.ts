import { beforeAll, describe, expect, it } from 'vitest'
import type { Store } from '../../ports.ts'
import { allPages, createdIds, idsOf, newEvent, newEventWith, newWorkspace, query, type StoreHarness } from './harness.ts'

export function orderSuite(open: () => Promise<StoreHarness>): void {
  describe('the one order', () => {
    let harness: StoreHarness
    beforeAll(async () => {
      harness = await open()
    })

    it('never lets times or ids decrease along the list; both rise inside a call', async () => {
      const { store, settle } = harness
      const workspace = newWorkspace()
      await Promise.all(
        Array.from({ length: 40 }, () =>
          createdIds(
            store,
            workspace,
            Array.from({ length: 5 }, () => newEvent()),
          ),
        ),
      )
      const ids = await createdIds(
        store,
        workspace,
        Array.from({ length: 25 }, () => newEvent()),
      )
      expect(ids).toEqual([...ids].sort())
      expect(new Set(ids).size).toBe(25)
      await settle()
      const listed = await allPages(store, query(workspace, { limit: 33 }))
      expect(listed).toHaveLength(225)
      expect(idsOf(listed)).toEqual(idsOf(listed).sort())
      const times = listed.map((event) => event.createdAtUs)
      expect(times).toEqual([...times].sort((a, b) => a - b))
    })

    it('keeps the order when the clock steps back', async () => {
      const { store, clock, settle } = harness
      const workspace = newWorkspace()
      const [before = ''] = await createdIds(store, workspace, [newEvent()])
      clock.advance({ hours: -2 })
      const [after = ''] = await createdIds(store, workspace, [newEvent()])
      clock.advance({ hours: 2 })
      await settle()
      expect(idsOf(await allPages(store, query(workspace)))).toEqual([before, after])
    })

    it('gives no place twice when the newest event is deleted, the clock stands, and the store is opened again', async () => {
      const workspace = newWorkspace()
      const [id = ''] = await createdIds(harness.store, workspace, [newEvent()])
      const page = await harness.store.listEvents(query(workspace, { limit: 1 }))
      expect(page.next).toBeNull()
      await harness.store.deleteEvents(workspace, [id])
      // Between processes the order may be that of their clocks.
      await harness.settle()
      const again = await harness.reopen()
      const [next = ''] = await createdIds(again, workspace, [newEvent()])
      expect(next > id).toBe(true)
      await again.close()
    })

    for (const filter of [{}, { source: 's' }, { metadata: { k: 'v' } }, { source: 's', eventType: 't' }]) {
      it(`shows a reader that follows cursors each event once, while others write, acknowledge and delete: ${JSON.stringify(filter)}`, async () => {
        const { store, settle } = harness
        const workspace = newWorkspace()
        const event = () => newEventWith({ k: 'v' }, { source: 's', eventType: 't' })
        const written = await createdIds(store, workspace, Array.from({ length: 25 }, event))
        await settle()
        const seen = new Set<string>()
        const removed = new Set<string>()
        let rounds = 0
        const listed = await allPages(store, query(workspace, { filter: { ...filter, status: 'pending' }, limit: 5 }), async () => {
          if (rounds++ >= 12) return
          written.push(...(await writeAtOnce(store, workspace, event)))
          const unseen = written.filter((id) => !seen.has(id) && !removed.has(id))
          const [acked, deleted] = [unseen.at(-1), unseen.at(-2)]
          if (acked !== undefined) await store.ackEvents(workspace, [acked])
          if (deleted !== undefined) await store.deleteEvents(workspace, [deleted])
          for (const id of [acked, deleted]) if (id !== undefined) removed.add(id)
          await settle()
        })
        const ids = idsOf(listed)
        for (const id of ids) seen.add(id)
        expect(ids, 'nothing twice').toHaveLength(seen.size)
        expect(ids, 'in order').toEqual([...ids].sort())
        const missed = written.filter((id) => !seen.has(id) && !removed.has(id))
        expect(missed, 'nothing skipped').toEqual([])
      })
    }
  })
}

/** Several writers at once. */
async function writeAtOnce(store: Store, workspace: string, event: () => ReturnType<typeof newEvent>): Promise<string[]> {
  return (await Promise.all(Array.from({ length: 4 }, () => createdIds(store, workspace, [event()])))).flat()
}
