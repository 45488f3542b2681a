import { randomBytes } from 'node:crypto'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { EventFilter, NewEvent, Store } from '../../../ports.ts'
import { failsWith } from '../../../testing/dynamodb-faults.ts'
import { dynamodbUrl } from '../../../testing/dynamodb-local.ts'
import { type DynamodbProxy, startDynamodbProxy } from '../../../testing/dynamodb-proxy.ts'
import { testTables } from '../../../testing/dynamodb-tables.ts'
import { FakeClock } from '../../../testing/fake-clock.ts'
import { followed } from '../../../testing/skewed-writers.ts'
import { allPages, createdIds, idsOf, newEvent, newEventWith, newWorkspace, query } from '../../conformance/harness.ts'
import type { Dynamo } from './client.ts'
import { CommitClock } from './commit-clock.ts'
import { createListEvents } from './list-events.ts'
import { createWorkspaces } from './workspaces.ts'

describe('lists of events on DynamoDB', () => listTests(dynamodbUrl()))

function listTests(endpointUrl: string): void {
  const { open, dynamoOf } = testTables(endpointUrl)
  const settle = (clock: FakeClock) => clock.advance({ seconds: 11 })

  /** Stores that many events, 25 in a call, oldest first. */
  async function filled(store: Store, workspaceId: string, count: number, event: (n: number) => NewEvent = () => newEvent()) {
    const ids: string[] = []
    for (let at = 0; at < count; at += 200) {
      const starts = [0, 25, 50, 75, 100, 125, 150, 175].map((offset) => at + offset).filter((start) => start < count)
      const calls = starts.map((start) =>
        createdIds(
          store,
          workspaceId,
          Array.from({ length: Math.min(25, count - start) }, (_, n) => event(start + n)),
        ),
      )
      ids.push(...(await Promise.all(calls)).flat())
    }
    return ids.sort()
  }

  /** The list alone, on the tables of a store; `dynamo` may be any way to them. */
  function listOn(dynamo: Dynamo, clock: FakeClock, options: { ready?: string[]; maxExamined?: number } = {}) {
    const all = ['source', 'event_type']
    const context = {
      ...{ dynamo, clock, commitClock: new CommitClock(clock), workspaces: createWorkspaces(dynamo, clock, 4) },
      ...{ eventTtlUs: 7 * 86_400e6, settleUs: 10e6, indexes: { all, ready: options.ready ?? all } },
    }
    return createListEvents(context, options.maxExamined)
  }

  describe('whatever the backlog', () => {
    let proxy: DynamodbProxy
    beforeAll(async () => {
      proxy = await startDynamodbProxy(endpointUrl)
    })
    afterEach(() => proxy.removeRules())
    afterAll(() => proxy.close())

    const filters: [name: string, filter: EventFilter, queries: number, units: { [shards: number]: number }][] = [
      ['the inbox', { status: 'pending' }, 1, { 1: 52, 4: 53 }],
      ['the inbox of a source', { status: 'pending', source: 'suite' }, 1, { 1: 52.5, 4: 55 }],
      ['all of a source', { source: 'suite' }, 2, { 1: 52.5, 4: 55 }],
      ['all', {}, 1, { 1: 5, 4: 12 }],
    ]
    for (const shards of [1, 4]) {
      it(`costs a page of 50 the same requests and units: ${shards} partitions`, { timeout: 60_000 }, async () => {
        const clock = new FakeClock()
        const { store } = await open({ clock, shards, endpointUrl: proxy.url })
        const [small, large] = [newWorkspace(), newWorkspace()]
        await filled(store, small, 200)
        await filled(store, large, 3000)
        settle(clock)
        // The probes of the index are not to be counted.
        proxy.rule({ operation: /^PutItem$/, table: '-events', fault: failsWith('ValidationException') })
        for (const [name, filter, queries, units] of filters) {
          for (const workspaceId of [small, large]) {
            // First the workspace is read.
            await store.listEvents(query(workspaceId, { filter, limit: 1 }))
            proxy.reset()
            const page = await store.listEvents(query(workspaceId, { filter }))
            expect(page.events).toHaveLength(50)
            const { requests, readUnits } = proxy.counts()
            const batches = name === 'all' ? undefined : 1
            expect({ ...requests, PutItem: undefined }, name).toEqual({ Query: queries * shards, BatchGetItem: batches })
            expect(readUnits, name).toBeLessThanOrEqual(units[shards] ?? 0)
          }
        }
      })
    }
  })

  it('keeps one order, cursors and ids when a workspace is spread over more partitions from some moment on, and fewer later', async () => {
    const clock = new FakeClock()
    const { store, tablePrefix } = await open({ clock, shards: 1 })
    const workspaceId = newWorkspace()
    const event = (n: number) => newEventWith({ n }, { source: `s${n % 2}` })
    const before = await filled(store, workspaceId, 40, event)
    const fromUs = clock.nowUs() + 60e6
    const dynamo = dynamoOf(tablePrefix)
    const shards = [
      { fromUs: 0, count: 1 },
      { fromUs, count: 4 },
      { fromUs: fromUs + 30e6, count: 2 },
    ]
    await dynamo.update('keys', { pk: 'workspaces', sk: workspaceId }, { update: 'SET shards = :shards', values: { shards } })
    clock.advance({ seconds: 59 })
    const between = await filled(store, workspaceId, 40, event)
    clock.advance({ seconds: 1 })
    const after = await filled(store, workspaceId, 120, event)
    clock.advance({ seconds: 30 })
    const late = await filled(store, workspaceId, 20, event)
    settle(clock)
    const written = [...before, ...between, ...after, ...late]
    const partitions = new Set<string>()
    for await (const { pk } of dynamo.queryAll({ table: 'events', where: 'pk = :pk', values: { pk: `${workspaceId}#3` } }))
      partitions.add(pk)
    expect([...partitions], 'the last partition is in use').toHaveLength(1)
    for (const filter of [{}, { status: 'pending' as const }, { source: 's1' }, { status: 'pending' as const, source: 's1' }]) {
      for (const order of ['asc', 'desc'] as const) {
        const listed = await allPages(store, query(workspaceId, { filter, order, limit: 7 }))
        const expected = written.filter((_, n) => !('source' in filter) || n % 2 === 1)
        expect(idsOf(listed), JSON.stringify({ filter, order })).toEqual(order === 'asc' ? expected : expected.toReversed())
      }
    }
    const atTheChange = { createdAfterUs: fromUs - 10e6, createdBeforeUs: fromUs + 10e6 }
    expect(idsOf(await allPages(store, query(workspaceId, { filter: atTheChange, limit: 9 })))).toEqual([...between, ...after])
    expect(idsOf(await allPages(store, query(workspaceId, { filter: { createdAfterUs: fromUs } })))).toEqual([...after, ...late])
    for (const id of [before[0], between.at(-1), after[0], after.at(-1), late[0], late.at(-1)]) {
      expect(await store.getEvent(workspaceId, id ?? '')).toMatchObject({ eventId: id })
    }
    expect(await store.ackEvents(workspaceId, [before[1] ?? '', after[1] ?? ''])).toMatchObject([
      { outcome: 'acknowledged' },
      { outcome: 'acknowledged' },
    ])
  })

  it('shows an event when it is older than the settling window, in lists from the table and from an index; by its id at once', async () => {
    const clock = new FakeClock()
    const { store } = await open({ clock })
    const workspaceId = newWorkspace()
    const [id = ''] = await createdIds(store, workspaceId, [newEvent()])
    const listed = async () => {
      const pages = [{}, { status: 'pending' as const }, { source: 'suite' }].map((filter) =>
        store.listEvents(query(workspaceId, { filter })),
      )
      return (await Promise.all(pages)).map(({ events }) => events.length)
    }
    const createdAtUs = (await store.getEvent(workspaceId, id))?.createdAtUs ?? 0
    clock.advance({ us: createdAtUs + 10e6 - clock.nowUs() })
    expect(await listed()).toEqual([0, 0, 0])
    clock.advance({ us: 1 })
    expect(await listed()).toEqual([1, 1, 1])
  })

  it('hides nothing from a reader that follows cursors when the clocks of writers differ', async () => {
    const { written, seen } = await followed(open, async (reader, workspaceId, after) => {
      const { events, next } = await reader.listEvents(query(workspaceId, { filter: { status: 'pending' }, limit: 3, after }))
      return { events, next: next ?? events.at(-1)?.eventId ?? after }
    })
    expect(seen).toEqual(written.toSorted())
  })

  it('overlooks no event of any status that is acknowledged while its index is read', async () => {
    const clock = new FakeClock()
    const { store, tablePrefix } = await open({ clock, shards: 1 })
    const workspaceId = newWorkspace()
    const ids = await filled(store, workspaceId, 30)
    settle(clock)
    const dynamo = dynamoOf(tablePrefix)
    const left = [...ids]
    // After each read of an index, some events that were or were not in it move to the other state.
    const list = listOn(
      {
        ...dynamo,
        async query(input) {
          const page = await dynamo.query(input)
          if (input.index !== undefined) await store.ackEvents(workspaceId, [left.shift() ?? '', left.pop() ?? ''])
          return page
        },
      },
      clock,
    )
    for (const order of ['asc', 'desc'] as const) {
      const listed: string[] = []
      let after: string | undefined
      do {
        const page = await list(query(workspaceId, { filter: { source: 'suite' }, order, limit: 4, after }))
        listed.push(...idsOf(page.events))
        after = page.next ?? undefined
      } while (after !== undefined)
      expect(listed).toEqual(order === 'asc' ? ids : ids.toReversed())
    }
    expect(left).toEqual([])
  })

  describe('under a filter whose index cannot be used yet', () => {
    it('looks through the next best, and ends a page early after so many events, 10,000 by default', async () => {
      const clock = new FakeClock()
      const { store, tablePrefix } = await open({ clock, eventIndexes: [] })
      const workspaceId = newWorkspace()
      const [rare = ''] = await createdIds(store, workspaceId, [newEvent({ source: 'rare' })])
      await filled(store, workspaceId, 300)
      const [last = ''] = await createdIds(store, workspaceId, [newEvent({ source: 'rare' })])
      settle(clock)
      const list = listOn(dynamoOf(tablePrefix), clock, { ready: [], maxExamined: 300 })
      for (const status of ['pending', undefined] as const) {
        const page = query(workspaceId, { filter: { source: 'rare', status }, limit: 5 })
        const first = await list(page)
        expect(idsOf(first.events)).toEqual([rare])
        expect(first.next).not.toBeNull()
        const rest = await list({ ...page, after: first.next ?? '' })
        expect([idsOf(rest.events), rest.next]).toEqual([[last], null])
      }
    })
  })

  it('pages through events larger than a megabyte together, and reads no more of them than it gives', async () => {
    const proxy = await startDynamodbProxy(endpointUrl)
    try {
      const clock = new FakeClock()
      const { store } = await open({ clock, endpointUrl: proxy.url })
      const workspaceId = newWorkspace()
      const ids: string[] = []
      // Nothing that compresses: some fit one item, and some do not.
      for (const kB of [300, 300, 20, 500, 800, 1, 300, 300, 300, 300]) {
        const payload = JSON.stringify({ x: randomBytes(kB * 750).toString('base64') })
        ids.push(...(await createdIds(store, workspaceId, [newEvent({ payload })])))
      }
      settle(clock)
      for (const filter of [{}, { status: 'pending' as const }]) {
        for (const order of ['asc', 'desc'] as const) {
          const listed = await allPages(store, query(workspaceId, { filter, order, maxBytes: 1_000_000 }))
          expect(idsOf(listed)).toEqual(order === 'asc' ? ids : ids.toReversed())
        }
      }
      proxy.reset()
      const { events } = await store.listEvents(query(workspaceId, { filter: { status: 'pending' }, maxBytes: 1_000_000 }))
      expect(events).toHaveLength(3)
      // A unit is 4 kB.
      expect(proxy.counts().readUnits).toBeLessThan(700)
    } finally {
      await proxy.close()
    }
  })
}
