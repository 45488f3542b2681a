import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { StoreUnavailableError } from '../../../ports.ts'
import { type Fault, failsWith, hangs, lostAnswer } from '../../../testing/dynamodb-faults.ts'
import { dynamodbUrl } from '../../../testing/dynamodb-local.ts'
import { testTables } from '../../../testing/dynamodb-tables.ts'
import { FakeClock } from '../../../testing/fake-clock.ts'
import { openFaultyStore } from '../../../testing/faulty-store.ts'
import { storedItems } from '../../../testing/stored-items.ts'
import { idsOf, newEvent, newWorkspace, query } from '../../conformance/harness.ts'

const WRITES = /^(BatchWriteItem|TransactWriteItems)$/
const SETTLE_MS = 400

const plain = newEvent()
const keyed = newEvent({ idempotency: { key: 'k', fingerprint: new Uint8Array(32) } })
const large = newEvent({ payload: JSON.stringify({ data: randomBytes(700_000).toString('base64') }) })

lateTests(dynamodbUrl())

function lateTests(endpointUrl: string): void {
  const tables = testTables(endpointUrl)

  /** A store that has asked already what is asked once in a while. */
  async function opened(settleMs = SETTLE_MS) {
    const world = await openFaultyStore(tables, endpointUrl, settleMs)
    const workspace = newWorkspace()
    await world.other.createEvents(workspace, [newEvent()])
    await world.store.createEvents(workspace, [newEvent()])
    const listed = async () => {
      world.settle()
      return idsOf((await world.other.listEvents(query(workspace))).events).slice(2)
    }
    const stored = async () => (await storedItems(tables.dynamoOf(world.tablePrefix), workspace)).length - 2
    return { ...world, workspace, listed, stored }
  }

  /** The answer comes when half the window has passed by the server's clock. */
  const slowBy =
    (clock: FakeClock, us: number): Fault =>
    async ({ forward }) => {
      const answer = await forward()
      clock.advance({ us })
      return answer
    }

  describe.each([
    ['without a key', plain],
    ['with a key', keyed],
    ['larger than an item', large],
  ])('a late write of an event %s', (_, event) => {
    it('by the clock is answered as unavailable, and leaves nothing', async () => {
      const { store, proxy, clock, workspace, listed, stored } = await opened(8000)
      proxy.rule({ operation: WRITES, times: 1, fault: slowBy(clock, 4_100_000) })
      await expect(store.createEvents(workspace, [event])).rejects.toThrow(StoreUnavailableError)
      await expect.poll(stored).toBe(0)
      const [again] = await store.createEvents(workspace, [event])
      expect(again).toMatchObject({ outcome: 'created' })
      expect(await listed()).toEqual([again && 'eventId' in again && again.eventId])
    })

    it('in time by the clock stays', async () => {
      const { store, proxy, clock, workspace } = await opened(8000)
      proxy.rule({ operation: WRITES, times: 1, fault: slowBy(clock, 3_900_000) })
      expect(await store.createEvents(workspace, [event])).toMatchObject([{ outcome: 'created' }])
    })

    it('by the time it took, though the clock stands, leaves nothing, even when it is carried out later', async () => {
      const { store, proxy, workspace, listed, stored } = await opened()
      const hang = hangs()
      let undone = 0
      proxy.rule({ operation: WRITES, times: 1, fault: hang.fault })
      const counting: Fault = ({ forward }) => forward().finally(() => undone++)
      proxy.rule({ operation: WRITES, fault: counting })
      await expect(store.createEvents(workspace, [event])).rejects.toThrow(StoreUnavailableError)
      expect(hang.waiting()).toBe(1)
      // It is undone before it is done.
      await expect.poll(() => undone).toBeGreaterThan(0)
      await hang.release('carried out')
      await expect.poll(stored, { timeout: 30_000 }).toBe(0)
      await store.createEvents(workspace, [newEvent({ ...event, source: 'again' })])
      await expect.poll(listed).toHaveLength(1)
    })

    it('of lost answers is undone before the store is closed', async () => {
      const { store, proxy, workspace, stored } = await opened()
      proxy.rule({ operation: WRITES, when: ({ body }) => body.includes('suite.ran'), fault: lostAnswer })
      await expect(store.createEvents(workspace, [event])).rejects.toThrow(StoreUnavailableError)
      await store.close()
      expect(await stored()).toBe(0)
    })
  })

  it('one that a second request was told of stays', async () => {
    const { store, other, proxy, clock, workspace, listed } = await opened(8000)
    proxy.rule({ operation: /^TransactWriteItems$/, times: 1, fault: slowBy(clock, 4_100_000) })
    const undoing = proxy.rule({ operation: /^TransactWriteItems$/, fault: failsWith('InternalServerError', 500) })
    await expect(store.createEvents(workspace, [keyed])).rejects.toThrow(StoreUnavailableError)
    const [replayed] = await other.createEvents(workspace, [keyed])
    expect(replayed).toMatchObject({ outcome: 'replayed' })
    undoing.remove()
    await store.close()
    expect(await listed()).toEqual([replayed && 'eventId' in replayed && replayed.eventId])
  })

  it('one that is undone frees its key, for this store and for others', async () => {
    const { store, other, proxy, clock, workspace, listed } = await opened(8000)
    proxy.rule({ operation: /^TransactWriteItems$/, times: 1, fault: slowBy(clock, 4_100_000) })
    await expect(store.createEvents(workspace, [keyed])).rejects.toThrow(StoreUnavailableError)
    await store.close()
    const [created] = await other.createEvents(workspace, [keyed])
    expect(created).toMatchObject({ outcome: 'created' })
    expect(await other.createEvents(workspace, [keyed])).toEqual([{ ...created, outcome: 'replayed' }])
    expect(await listed()).toEqual([created && 'eventId' in created && created.eventId])
  })

  it('a reader that follows the list sees each event once, in order, whosever clock is ahead', async () => {
    const settleMs = 1000
    const workspace = newWorkspace()
    const clocks = [0, 400_000, 200_000].map((us) => {
      const clock = new FakeClock()
      clock.advance({ us })
      return clock
    })
    const [clock = new FakeClock()] = clocks
    const { store, tablePrefix } = await tables.open({ clock, settleMs })
    const stores = [store]
    for (const another of clocks.slice(1)) stores.push((await tables.open({ clock: another, settleMs, tablePrefix })).store)
    const [behind = store, ahead = store, reader = store] = stores
    const written: string[] = []
    const seen: string[] = []
    const read = async () => {
      for (let isMore = true; isMore; ) {
        const { events, next } = await reader.listEvents(query(workspace, { limit: 3, after: seen.at(-1) }))
        seen.push(...idsOf(events))
        isMore = next !== null
      }
    }
    for (let round = 0; round < 40; round++) {
      const results = await Promise.allSettled([behind, ahead].map((writer) => writer.createEvents(workspace, [newEvent(), newEvent()])))
      for (const result of results) {
        if (result.status === 'fulfilled') written.push(...result.value.flatMap((one) => ('eventId' in one ? [one.eventId] : [])))
      }
      for (const one of clocks) one.advance({ us: 60_000 })
      await read()
    }
    for (const one of clocks) one.advance({ seconds: 3 })
    await read()
    expect(written.length).toBeGreaterThan(100)
    expect(seen).toEqual(written.toSorted())
  })
}
