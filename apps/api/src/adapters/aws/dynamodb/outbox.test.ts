import { describe, expect, it } from 'vitest'
import type { Store } from '../../../ports.ts'
import { dynamodbUrl } from '../../../testing/dynamodb-local.ts'
import { type DynamodbProxy, startDynamodbProxy } from '../../../testing/dynamodb-proxy.ts'
import { testTables } from '../../../testing/dynamodb-tables.ts'
import { FakeClock } from '../../../testing/fake-clock.ts'
import { followed } from '../../../testing/skewed-writers.ts'
import type { Outbox } from '../../../webhook-ports.ts'
import { createdIds, idsOf, newEvent, newWorkspace } from '../../conformance/harness.ts'
import { lowestId, timeOf } from './ids.ts'
import { OUTBOX_KEY } from './outbox-mark.ts'

describe('the outbox on DynamoDB', () => outboxTests(dynamodbUrl()))

function outboxTests(endpointUrl: string): void {
  const { open, dynamoOf } = testTables(endpointUrl)
  const settle = (clock: FakeClock) => clock.advance({ seconds: 11 })
  const interestIn = (...workspaceIds: string[]) => new Map(workspaceIds.map((id) => [id, ['']]))

  async function wholeOutbox(store: Store, query: { workspaceIds: string[]; after?: string; limit?: number }) {
    const { workspaceIds, after, limit = 1000 } = query
    const looks: Outbox[] = []
    do {
      const from = looks.at(-1)?.mark ?? after
      looks.push(await store.readOutbox({ after: from, limit, maxBytes: 1e6, interests: interestIn(...workspaceIds) }))
    } while (looks.at(-1)?.more)
    return { ids: looks.flatMap(({ events }) => idsOf(events)), mark: looks.at(-1)?.mark ?? '', looks }
  }

  /** A store behind a proxy, and what it asks for. */
  async function counted(clock: FakeClock, work: (store: Store, proxy: DynamodbProxy, tablePrefix: string) => Promise<void>) {
    const proxy = await startDynamodbProxy(endpointUrl)
    try {
      const { store, tablePrefix } = await open({ clock, endpointUrl: proxy.url })
      await work(store, proxy, tablePrefix)
    } finally {
      await proxy.close()
    }
  }
  const requestsOf = (proxy: DynamodbProxy) => Object.values(proxy.counts().requests).reduce((sum, count) => sum + count, 0)

  it('of new tables begins about now, and with the first event', async () => {
    const clock = new FakeClock()
    await counted(clock, async (store, proxy) => {
      const workspaceId = newWorkspace()
      const written = await createdIds(store, workspaceId, [newEvent(), newEvent()])
      settle(clock)
      proxy.reset()
      const { ids, looks } = await wholeOutbox(store, { workspaceIds: [workspaceId] })
      expect(ids).toEqual(written)
      expect(looks.length).toBeLessThanOrEqual(2)
      expect(requestsOf(proxy)).toBeLessThan(100)
    })
  })

  it('has everything that lives, however long nobody looked and wherever the mark has gone, in few looks', async () => {
    const clock = new FakeClock()
    await counted(clock, async (store, proxy, tablePrefix) => {
      const workspaceId = newWorkspace()
      const written: string[] = []
      for (const pause of [{ hours: 0 }, { hours: 30 }, { hours: 1 }, { days: 5 }]) {
        clock.advance(pause)
        written.push(...(await createdIds(store, workspaceId, [newEvent()])))
      }
      settle(clock)
      for (const removed of [false, true]) {
        if (removed) await dynamoOf(tablePrefix).remove('webhooks', OUTBOX_KEY)
        proxy.reset()
        const { ids, looks } = await wholeOutbox(store, { workspaceIds: [workspaceId] })
        expect(ids).toEqual(written)
        expect(looks.length).toBeLessThan(12)
        expect(requestsOf(proxy), 'a week has 10,080 minutes').toBeLessThan(1000)
      }
      const { stored, mark } = await store.readOutbox({ limit: 1, maxBytes: 1, interests: new Map() })
      expect(await store.fanOut({ from: stored, to: mark, deliveries: [] })).toBe(true)
      expect((await store.readOutbox({ limit: 1, maxBytes: 1, interests: new Map() })).stored).toBe(mark)
    })
  })

  it('moves its mark once a minute while nothing is created, and to the end of the settling window when something is', async () => {
    const clock = new FakeClock()
    const { store } = await open({ clock })
    const workspaceId = newWorkspace()
    const marks = new Set<string>()
    clock.advance({ hours: 2 })
    let { mark } = await wholeOutbox(store, { workspaceIds: [workspaceId] })
    for (let n = 0; n < 12; n++) {
      clock.advance({ seconds: 5 })
      const look = await wholeOutbox(store, { workspaceIds: [workspaceId], after: mark })
      mark = look.mark
      marks.add(mark)
    }
    expect(marks.size).toBe(2)
    await createdIds(store, workspaceId, [newEvent()])
    settle(clock)
    for (const workspaceIds of [[], [workspaceId]]) {
      const look = await wholeOutbox(store, { workspaceIds, after: mark })
      expect(clock.nowUs() - (timeOf(look.mark) ?? 0)).toBeLessThan(10_500_000)
    }
  })

  it('never gives a mark before the one that it was asked from', async () => {
    const clock = new FakeClock()
    const { store } = await open({ clock })
    await createdIds(store, newWorkspace(), [newEvent()])
    settle(clock)
    for (const aheadUs of [0, 3_600e6]) {
      const after = lowestId(clock.nowUs() + aheadUs)
      expect(await store.readOutbox({ after, limit: 9, maxBytes: 1e6, interests: new Map() })).toMatchObject({
        events: [],
        mark: after,
        more: false,
      })
    }
  })

  it('asks nothing of DynamoDB for a look right after another', async () => {
    const clock = new FakeClock()
    await counted(clock, async (store, proxy) => {
      const workspaceId = newWorkspace()
      await createdIds(store, workspaceId, [newEvent()])
      settle(clock)
      const { mark } = await wholeOutbox(store, { workspaceIds: [workspaceId] })
      proxy.reset()
      for (let n = 0; n < 50; n++) {
        clock.advance({ us: 1000 })
        await store.readOutbox({ after: mark, limit: 9, maxBytes: 1e6, interests: interestIn(workspaceId) })
      }
      expect(requestsOf(proxy)).toBeLessThan(12)
      clock.advance({ us: 100_000 })
      proxy.reset()
      await store.readOutbox({ after: mark, limit: 9, maxBytes: 1e6, interests: interestIn(workspaceId) })
      expect(requestsOf(proxy)).toBeGreaterThan(1)
    })
  })

  it('reads on over a change of the number of partitions, each event once and in order', async () => {
    const clock = new FakeClock()
    const { store, tablePrefix } = await open({ clock, shards: 1 })
    const workspaceId = newWorkspace()
    const events = () => Array.from({ length: 25 }, () => newEvent())
    const written = await createdIds(store, workspaceId, events())
    const shards = [
      { fromUs: 0, count: 1 },
      { fromUs: clock.nowUs() + 60e6, count: 4 },
    ]
    const key = { pk: 'workspaces', sk: workspaceId }
    await dynamoOf(tablePrefix).update('keys', key, { update: 'SET shards = :shards', values: { shards } })
    clock.advance({ seconds: 61 })
    for (let n = 0; n < 3; n++) written.push(...(await createdIds(store, workspaceId, events())))
    settle(clock)
    expect((await wholeOutbox(store, { workspaceIds: [workspaceId], limit: 9 })).ids).toEqual(written)
  })

  it('misses no event of writers whose clocks differ', async () => {
    const { written, seen } = await followed(open, async (reader, workspaceId, after) => {
      const { events, mark } = await reader.readOutbox({ after, limit: 4, maxBytes: 1e6, interests: interestIn(workspaceId) })
      return { events, next: mark }
    })
    expect(seen).toEqual(written.toSorted())
  })

  it('tells who watches when an event can be seen, with no further commit', async () => {
    const { store } = await open({ settleMs: 1000 })
    const workspaceId = newWorkspace()
    const interests = interestIn(workspaceId)
    let found: (ids: string[]) => void
    const seen = new Promise<string[]>((resolve) => {
      found = resolve
    })
    const end = store.watchOutbox(async () => {
      const { events } = await store.readOutbox({ limit: 9, maxBytes: 1e6, interests })
      if (events.length > 0) found(idsOf(events))
    })
    const written = await createdIds(store, workspaceId, [newEvent()])
    expect(await seen).toEqual(written)
    end()
  })
}
