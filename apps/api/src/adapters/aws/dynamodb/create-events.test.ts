import { randomBytes } from 'node:crypto'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { CreateResult, NewEvent, Store } from '../../../ports.ts'
import { failsWith, leavesUndone } from '../../../testing/dynamodb-faults.ts'
import { dynamodbUrl } from '../../../testing/dynamodb-local.ts'
import { startDynamodbProxy } from '../../../testing/dynamodb-proxy.ts'
import { testTables } from '../../../testing/dynamodb-tables.ts'
import { FakeClock } from '../../../testing/fake-clock.ts'
import { openFaultyStore } from '../../../testing/faulty-store.ts'
import { storedItems } from '../../../testing/stored-items.ts'
import { createdIds, newEvent, newWorkspace, query } from '../../conformance/harness.ts'

createTests(dynamodbUrl())

const many = (count: number, fields: Partial<NewEvent> = {}) => Array.from({ length: count }, () => newEvent(fields))
const outcomesOf = (results: readonly CreateResult[]) => results.map(({ outcome }) => outcome)
const keyed = (key: string, n = 1) => newEvent({ payload: `{"n":${n}}`, idempotency: { key, fingerprint: new Uint8Array(32).fill(n) } })
/** With metadata about 300 bytes, as an event of a shop is. */
const ORDINARY = newEvent({ payload: JSON.stringify({ order: 'o-1', note: 'x'.repeat(240) }) })

function createTests(endpointUrl: string): void {
  const tables = testTables(endpointUrl)

  describe('what a call costs', () => {
    /** A store whose requests are counted, with what it asks once in a while asked already. */
    async function counted(eventIndexes: string[] = []) {
      const proxy = await startDynamodbProxy(endpointUrl)
      // It stands still: no minute ends.
      const { store } = await tables.open({ endpointUrl: proxy.url, clock: new FakeClock(), eventIndexes })
      onTestFinished(async () => {
        await store.close()
        await proxy.close()
      })
      const workspace = newWorkspace()
      await store.createEvents(workspace, [newEvent()])
      const cost = async (act: () => Promise<unknown>) => {
        proxy.reset()
        await act()
        const { requests, writeUnits, readUnits } = proxy.counts()
        return { requests, writeUnits, readUnits }
      }
      return { store, workspace, cost, ids: (count: number) => createdIds(store, workspace, many(count)) }
    }

    it.each([
      [0, [], { create: 2, keyed: 6, acked: 2, removed: 1 }],
      [2, ['source', 'event_type'], { create: 4, keyed: 10, acked: 6, removed: 3 }],
    ])('of one event, in units, with %i indexes by fields', async (_, indexes, units) => {
      const { store, workspace, cost, ids } = await counted(indexes)
      const create = (event: NewEvent) => () => store.createEvents(workspace, [event])
      expect(await cost(create(ORDINARY))).toEqual({ requests: { BatchWriteItem: 1 }, writeUnits: units.create, readUnits: 0 })
      const withKey = { ...ORDINARY, idempotency: { key: 'k', fingerprint: new Uint8Array(32) } }
      expect(await cost(create(withKey))).toEqual({ requests: { TransactWriteItems: 1 }, writeUnits: units.keyed, readUnits: 0 })
      const [id = ''] = await ids(1)
      expect(await cost(() => store.getEvent(workspace, id))).toEqual({ requests: { GetItem: 1 }, writeUnits: 0, readUnits: 1 })
      const acked = await cost(() => store.ackEvents(workspace, [id]))
      expect(acked).toEqual({ requests: { UpdateItem: 1 }, writeUnits: units.acked, readUnits: 0 })
      const removed = await cost(() => store.deleteEvents(workspace, [id]))
      expect(removed).toMatchObject({ requests: { DeleteItem: 1 }, writeUnits: units.removed })
    })

    it('of 25 is one request, to create, to acknowledge and to delete', async () => {
      const { store, workspace, cost, ids } = await counted()
      expect((await cost(() => ids(25))).requests).toEqual({ BatchWriteItem: 1 })
      const created = await ids(25)
      expect((await cost(() => store.ackEvents(workspace, created))).requests).toEqual({ BatchExecuteStatement: 1 })
      expect((await cost(() => store.deleteEvents(workspace, created))).requests).toMatchObject({ BatchExecuteStatement: 1 })
    })

    it('is shared by those that come at once, of all workspaces', async () => {
      const { store, workspace, cost } = await counted()
      const other = newWorkspace()
      await store.createEvents(other, [newEvent()])
      const { requests } = await cost(() =>
        Promise.all(Array.from({ length: 128 }, (_, n) => store.createEvents(n % 2 ? workspace : other, [newEvent()]))),
      )
      // Two that find nothing under way, and the rest in batches of 25.
      expect(requests).toEqual({ BatchWriteItem: 2 + Math.ceil(126 / 25) })
    })
  })

  describe('an event larger than an item', () => {
    const payload = JSON.stringify({ data: randomBytes(700_000).toString('base64') })

    it.each([
      ['alone', []],
      ['with a key', [keyed('k')]],
      ['in a call of several', many(3)],
    ] as const)('is stored %s, and goes whole', async (_, others) => {
      const clock = new FakeClock()
      const { store, tablePrefix, settleMs } = await tables.open({ clock })
      const dynamo = tables.dynamoOf(tablePrefix)
      const workspace = newWorkspace()
      const first = newEvent({ payload, idempotency: others[0]?.idempotency && { ...others[0].idempotency, key: 'large' } })
      const ids = await createdIds(store, workspace, [first, ...others])
      const [id = ''] = ids
      expect((await store.getEvent(workspace, id))?.payload === payload).toBe(true)
      clock.advance({ us: settleMs * 1000 + 1000 })
      const { events } = await store.listEvents(query(workspace))
      expect(events.map((event) => [event.eventId, event.payload.length])).toEqual(
        ids.map((eventId) => [eventId, eventId === id ? payload.length : '{"n":1}'.length]),
      )
      expect(await storedItems(dynamo, workspace)).toHaveLength(ids.length + 3)
      await store.ackEvents(workspace, [id])
      expect(await store.getEvent(workspace, id)).toMatchObject({ status: 'acknowledged' })
      await store.deleteEvents(workspace, others.length === 3 ? ids : [id])
      expect((await storedItems(dynamo, workspace)).map(({ sk }) => sk)).toEqual(others.length === 3 ? [] : ids.slice(1))
    })

    it('leaves no parts where its key was used before', async () => {
      const { store, tablePrefix } = await tables.open()
      const workspace = newWorkspace()
      const event = newEvent({ payload, idempotency: { key: 'k', fingerprint: new Uint8Array(32) } })
      const [first] = await store.createEvents(workspace, [event])
      expect(await store.createEvents(workspace, [event])).toEqual([{ ...first, outcome: 'replayed' }])
      await expect.poll(() => storedItems(tables.dynamoOf(tablePrefix), workspace)).toHaveLength(1 + 3)
    })
  })

  describe('idempotency keys', () => {
    it('are told apart however long or odd they are', async () => {
      const { store } = await tables.open()
      const workspace = newWorkspace()
      const long = 'k'.repeat(3000)
      const keys = ['', '#', 'a#b', long, `${long}2`, '\ud800', '\ud801', '\ufffd', 'é'.repeat(600)]
      const events = keys.map((key) => keyed(key))
      const created = await store.createEvents(workspace, events)
      expect(outcomesOf(created)).toEqual(keys.map(() => 'created'))
      expect(await store.createEvents(workspace, events)).toEqual(created.map((one) => ({ ...one, outcome: 'replayed' })))
      expect(outcomesOf(await store.createEvents(newWorkspace(), events))).toEqual(keys.map(() => 'created'))
    })

    it('give places in the order of the call, among events without one, too', async () => {
      const { store } = await tables.open()
      const events = [keyed('a'), newEvent(), keyed('b'), newEvent(), newEvent(), keyed('c')]
      const ids = await createdIds(store, newWorkspace(), events)
      expect(ids).toEqual(ids.toSorted())
      expect(new Set(ids).size).toBe(6)
    })
  })

  describe('what DynamoDB does not do of a call', () => {
    it.each([
      ['left undone', leavesUndone(() => true)],
      ['refused', failsWith('ProvisionedThroughputExceededException')],
    ])('fails alone: it is not stored, and the rest is, however long it is %s', async (_, fault) => {
      const { store, other, proxy, tablePrefix } = await openFaultyStore(tables, endpointUrl, 2000)
      const workspace = newWorkspace()
      await store.createEvents(workspace, [newEvent()])
      proxy.rule({ operation: /^BatchWriteItem$/, times: 1, fault: leavesUndone((index) => index % 3 === 1) })
      proxy.rule({ operation: /^BatchWriteItem$/, fault })
      const results = await store.createEvents(workspace, many(9))
      expect(outcomesOf(results)).toEqual(many(9).map((_, index) => (index % 3 === 1 ? 'unavailable' : 'created')))
      const ids = results.flatMap((result) => ('eventId' in result ? [result.eventId] : []))
      for (const id of ids) expect(await other.getEvent(workspace, id)).toBeDefined()
      expect(await storedItems(tables.dynamoOf(tablePrefix), workspace)).toHaveLength(1 + ids.length)
      proxy.removeRules()
      expect(outcomesOf(await store.createEvents(workspace, many(9)))).toEqual(many(9).map(() => 'created'))
    })

    it('fails the call where it is all of it, and asks nothing to be undone', async () => {
      const { store, proxy } = await openFaultyStore(tables, endpointUrl)
      const workspace = newWorkspace()
      await store.createEvents(workspace, [newEvent()])
      const deletes = proxy.rule({
        operation: /^BatchWriteItem$/,
        when: ({ body }) => body.includes('DeleteRequest'),
        fault: failsWith('ThrottlingException'),
      })
      const refused = proxy.rule({ operation: /^BatchWriteItem$/, fault: failsWith('ExpiredTokenException') })
      await expect(store.createEvents(workspace, many(3))).rejects.toThrow(/credentials/)
      await store.close()
      expect(refused.hits()).toBe(1)
      expect(deletes.hits()).toBe(0)
    })

    it('takes down no neighbours where it never takes one', async () => {
      const { store, proxy } = await openFaultyStore(tables, endpointUrl)
      const workspace = newWorkspace()
      await store.createEvents(workspace, [newEvent()])
      proxy.rule({
        operation: /^BatchWriteItem$/,
        when: ({ body }) => body.includes('unlucky'),
        fault: failsWith('ValidationException'),
      })
      const results = await store.createEvents(workspace, [newEvent(), newEvent({ source: 'unlucky' }), newEvent()])
      expect(outcomesOf(results)).toEqual(['created', 'unavailable', 'created'])
    })
  })

  it('finishes what was asked before it closes', async () => {
    const { store, tablePrefix } = await tables.open()
    const workspace = newWorkspace()
    await store.createEvents(workspace, [newEvent()])
    const asked = Promise.all(Array.from({ length: 60 }, () => createdIds(store, workspace, [newEvent()])))
    await store.close()
    const ids = (await asked).flat()
    const again: Store = (await tables.open({ tablePrefix })).store
    expect(await Promise.all(ids.map(async (id) => (await again.getEvent(workspace, id))?.eventId))).toEqual(ids)
  })
}
