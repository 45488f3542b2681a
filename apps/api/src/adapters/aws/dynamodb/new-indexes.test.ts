import { expect, it, onTestFinished, vi } from 'vitest'
import { startDynamodbLocal } from '../../../testing/dynamodb-local.ts'
import { DAY_US, eventsOf, indexedUnder, PRIORITIES, tablesWithoutTtl, writeEvents } from '../../../testing/dynamodb-migrations.ts'
import { systemClock } from '../../system-clock.ts'
import type { Dynamo } from './client.ts'
import { indexAttributes } from './event-item.ts'
import { migrate } from './migrations.ts'
import { unusedIndexes } from './new-indexes.ts'
import type { Item } from './notation.ts'
import { checkTables, readSchema, SCHEMA_KEY, watchIndexes } from './schema.ts'
import { addIndex, describe, indexesOf } from './tables.ts'

const server = await startDynamodbLocal()

if (server === undefined) {
  it.skip('adds indexes: needs a JDK and Maven', () => {})
} else {
  const { dynamoOf, newTables } = tablesWithoutTtl(server.url)
  const clock = systemClock

  it('adds indexes to a table with 3,000 events, while servers go on, and leaves out nothing', { timeout: 600_000 }, async () => {
    const dynamo = await newTables(['source'])
    const ids = await writeEvents(dynamo, ['source'], { count: 2900 })
    await writeEvents(dynamo, ['source'], { workspaceId: 'other', count: 100 })
    const gone = await writeEvents(dynamo, ['source'], { workspaceId: 'gone', count: 3, atUs: clock.nowUs() - 9 * DAY_US })
    const eventFields = ['source', 'priority', 'metadata.region']
    expect(await checkTables(dynamo, eventFields)).toEqual({ all: eventFields, ready: ['source'] })

    // A server with the new setting acknowledges, deletes and creates all the while.
    const old = await eventsOf(dynamo, 'shop')
    const pending = old.filter(({ pending }) => pending !== undefined).sort((a, b) => (a.sk < b.sk ? 1 : -1))
    const deleted: string[] = []
    let isDone = false
    const serve = async (): Promise<void> => {
      for (let rounds = 0; !isDone && rounds < 50; rounds++) {
        await writeEvents(dynamo, eventFields, { count: 5 })
        const [acked, removed] = [pending.shift(), old.shift()]
        if (removed !== undefined) {
          await dynamo.remove('events', removed)
          deleted.push(removed.sk)
        }
        if (acked === undefined || deleted.includes(acked.sk)) continue
        await dynamo.update('events', acked, {
          update: 'SET ackedAtUs = :us, #state = :state REMOVE #pending',
          condition: 'attribute_exists(pk)',
          names: { state: 'state', pending: 'pending' },
          values: { us: clock.nowUs(), state: `1#${acked.sk}` },
        })
      }
    }
    let serving: Promise<void> | undefined
    const report = (line: string): void => {
      // DynamoDB Local cannot take writes for an index while it makes it: it makes none any more, then.
      if (line.startsWith('Events get')) serving = serve()
    }
    const { newIndexes, writtenEvents } = await migrate(dynamo, { clock, eventFields, report })
    isDone = true
    await serving

    expect(newIndexes).toEqual(['priority', 'metadata.region'])
    expect(writtenEvents).toBeGreaterThan(2500)
    expect(await checkTables(dynamo, eventFields)).toEqual({ all: eventFields, ready: eventFields })
    for (const workspaceId of ['shop', 'other']) {
      const events = await eventsOf(dynamo, workspaceId)
      expect(events.map(({ sk }) => sk).filter((id) => deleted.includes(id))).toEqual([])
      if (workspaceId === 'shop') expect(events.length).toBeGreaterThan(ids.length - deleted.length)
      for (const [field, value] of [...PRIORITIES.map((value) => ['priority', value]), ['metadata.region', 'r3'], ['source', 'source-1']]) {
        const expected = events.filter((item) => {
          const priority = JSON.parse(item['metadata'])
          return value === (field === 'source' ? item['source'] : field === 'priority' ? priority.priority : priority.region)
        })
        expect(expected.length).toBeGreaterThan(0)
        expect(await indexedUnder(dynamo, field ?? '', workspaceId, value ?? '')).toEqual(
          expected.map(({ sk, ackedAtUs }) => `${ackedAtUs === undefined ? 0 : 1}#${sk}`).sort(),
        )
      }
    }
    // What has expired is not worth a write.
    expect(await indexedUnder(dynamo, 'priority', 'gone', 'low')).toEqual([])
    expect(gone).toHaveLength(3)
  })

  it('gives the first index by a field to events that have nothing of it, those in several items, too', async () => {
    const dynamo = await newTables()
    const small = await writeEvents(dynamo, [], { count: 10 })
    // Nothing that zstd makes smaller.
    const noise = Buffer.from(Array.from({ length: 500_000 }, () => Math.random() * 256)).toString('base64')
    const [large = ''] = await writeEvents(dynamo, [], { count: 1, payload: JSON.stringify({ noise }) })
    expect((await eventsOf(dynamo, 'shop')).find(({ sk }) => sk === large)?.['parts']).toBeGreaterThan(1)
    expect(await migrate(dynamo, { clock, eventFields: ['priority'] })).toMatchObject({ writtenEvents: 11 })
    const expected = [large, ...small.filter((_, index) => index % 3 === 0)]
    expect((await indexedUnder(dynamo, 'priority', 'shop', 'low')).map((state) => state.slice(2)).sort()).toEqual(expected.sort())
    for (const item of await eventsOf(dynamo, 'shop')) {
      const status = item['ackedAtUs'] === undefined ? 'pending' : 'acknowledged'
      const record = { source: '', eventType: '', metadata: item['metadata'] ?? '{"priority":"low"}', status } as const
      expect(item).toMatchObject(indexAttributes(['priority'], item, record))
    }
  })

  it('goes on where it was cut off, and has nothing ready before the end', async () => {
    const dynamo = await newTables()
    const ids = await writeEvents(dynamo, [], { count: 1200 })
    const options = { clock, eventFields: ['event_type'] }
    const cut = dynamoOf(dynamo.tableName('events').replace(/events$/, ''))
    // As a crash: not even the lease is given back.
    const first = migrate(cut, { ...options, report: (line) => /events are done/.test(line) && cut.close() })
    await expect(first).rejects.toThrow('closed')
    const halfway = await readSchema(dynamo)
    expect(halfway).toMatchObject({ ready: {}, fill: { fields: ['event_type'], seen: 100, written: 100 } })
    expect(await checkTables(dynamo, ['event_type'])).toEqual({ all: ['event_type'], ready: [] })

    const lines: string[] = []
    const later = { nowUs: () => clock.nowUs() + 11_000_000 }
    const result = await migrate(dynamo, { ...options, clock: later, report: (line) => lines.push(line) })
    expect(lines).toContain('Events get what the indexes by event_type need: on behind 100 that are done.')
    expect(lines.filter((line) => line.includes('is being added'))).toEqual([])
    // All of them were written, each by one of the two.
    expect(result).toMatchObject({ newIndexes: ['event_type'], writtenEvents: 1200 })
    expect((await indexedUnder(dynamo, 'event_type', 'shop', 'order.placed')).map((state) => state.slice(2)).sort()).toEqual(ids.sort())
    expect(await readSchema(dynamo)).toMatchObject({ fill: undefined })
  })

  it('finds out that a server writes without the new index, and marks nothing as ready then', async () => {
    const dynamo = await newTables()
    await writeEvents(dynamo, [], { count: 300 })
    let writing: Promise<unknown> | undefined
    const report = (line: string): void => {
      if (/events are done/.test(line)) writing ??= writeEvents(dynamo, [], { count: 1, atUs: clock.nowUs() + 12_000_000 })
    }
    const options = { clock, eventFields: ['source', 'priority'] }
    const said =
      /^1 events were created meanwhile without what the indexes by source, priority need: .*DYNAMODB_INDEXES\. Restart every server/
    await expect(migrate(dynamo, { ...options, report })).rejects.toThrow(said)
    await writing
    expect(await checkTables(dynamo, options.eventFields)).toMatchObject({ ready: [] })
    expect(await migrate(dynamo, options)).toMatchObject({ newIndexes: options.eventFields })
    expect(await indexedUnder(dynamo, 'priority', 'shop', 'low')).toHaveLength(101)
  })

  it('does not use an index that DynamoDB is still making', async () => {
    const dynamo = await newTables(['source'])
    // What another program may have left: ready, by its word.
    await dynamo.update('keys', SCHEMA_KEY, {
      update: 'SET #ready.#field = :us',
      names: { ready: 'ready', field: 'priority' },
      values: { us: 1 },
    })
    const index = indexesOf('events', ['priority']).find(({ name }) => name === 'by-priority')
    if (index === undefined) throw new Error('There is no such index.')
    const adding = addIndex(dynamo, 'events', index)
    const status = async () => {
      const found = await describe(dynamo, 'events')
      return found?.GlobalSecondaryIndexes?.find(({ IndexName }) => IndexName === index.name)?.IndexStatus
    }
    while ((await status()) === undefined) {}
    let looks = 0
    for (;;) {
      const { ready } = await checkTables(dynamo, ['source', 'priority'])
      if ((await status()) !== 'CREATING') break
      expect(ready).toEqual(['source'])
      looks++
    }
    expect(looks).toBeGreaterThan(0)
    expect(await adding).toBe(true)
    expect(await checkTables(dynamo, ['source', 'priority'])).toMatchObject({ ready: ['source', 'priority'] })
  })

  it('is noticed by a server that runs: it needs no restart', async () => {
    const dynamo = await newTables(['source'])
    const indexes = await checkTables(dynamo, ['source', 'priority'])
    expect(indexes.ready).toEqual(['source'])
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    onTestFinished(() => void vi.useRealTimers())
    const end = watchIndexes({ dynamo, indexes }, ['source', 'priority'])
    await migrate(dynamo, { clock, eventFields: ['source', 'priority'] })
    expect(vi.getTimerCount()).toBe(1)
    vi.advanceTimersByTime(30_000)
    await vi.waitUntil(() => indexes.ready.length === 2, { timeout: 10_000 })
    // All is ready: it looks no more.
    expect(vi.getTimerCount()).toBe(0)
    end()
  })

  it('keeps an index complete that is configured no longer, until it is deleted, and then begins anew', async () => {
    const dynamo = await newTables(['source', 'priority'])
    expect(await migrate(dynamo, { clock, eventFields: ['source'] })).toMatchObject({ newIndexes: [] })
    expect(await checkTables(dynamo, ['source'])).toEqual({ all: ['source', 'priority'], ready: ['source'] })
    const TableName = dynamo.tableName('events')
    expect(await unusedIndexes(dynamo, ['source'])).toEqual([
      {
        index: 'by-priority',
        hint: `To delete it: aws dynamodb update-table --table-name ${TableName} --global-secondary-index-updates '[{"Delete":{"IndexName":"by-priority"}}]'`,
      },
    ])
    await dynamo.raw.updateTable({ TableName, GlobalSecondaryIndexUpdates: [{ Delete: { IndexName: 'by-priority' } }] })
    expect(await checkTables(dynamo, ['source'])).toEqual({ all: ['source'], ready: ['source'] })
    await writeEvents(dynamo, ['source'], { count: 30 })
    expect(await migrate(dynamo, { clock, eventFields: ['source', 'priority'] })).toMatchObject({
      newIndexes: ['priority'],
      writtenEvents: 30,
    })
    expect(await indexedUnder(dynamo, 'priority', 'shop', 'high')).toHaveLength(10)
  })

  it('makes an index that somebody deleted, even when nothing else is new', async () => {
    const dynamo = await newTables(['source'])
    await writeEvents(dynamo, [], { count: 30 })
    for (const [table, IndexName] of [
      ['events', 'by-source'],
      ['deliveries', 'due'],
    ] as const) {
      await dynamo.raw.updateTable({ TableName: dynamo.tableName(table), GlobalSecondaryIndexUpdates: [{ Delete: { IndexName } }] })
    }
    await expect(checkTables(dynamo, ['source'])).rejects.toThrow(/has no index `due` that can be read. Run `pnpm admin migrate`/)
    expect(await migrate(dynamo, { clock, eventFields: ['source'] })).toMatchObject({ newIndexes: ['source'], writtenEvents: 30 })
    expect(await checkTables(dynamo, ['source'])).toMatchObject({ ready: ['source'] })
    expect(await indexedUnder(dynamo, 'source', 'shop', 'source-0')).toHaveLength(10)
  })

  it('refuses an index of the same name over something else, and says how to delete it', async () => {
    const dynamo = await newTables()
    const index = { name: 'by-source', hash: 'source', range: 'sk' }
    await addIndex(dynamo, 'events', index)
    const said = /^The index `by-source` of the table \S+-events has other keys than this program's. To delete it: aws dynamodb/
    await expect(migrate(dynamo, { clock, eventFields: ['source'] })).rejects.toThrow(said)
  })

  it('leaves an event as it stands when it is acknowledged or deleted between being read and written', async () => {
    const dynamo = await newTables()
    await writeEvents(dynamo, [], { count: 60 })
    const meddled: Item[] = []
    const meddling: Dynamo = {
      ...dynamo,
      async query(input) {
        const page = await dynamo.query(input)
        const [acked, deleted] = page.items.filter(({ pending }) => pending !== undefined)
        if (input.table !== 'events' || acked === undefined || deleted === undefined) return page
        // As a server does that has the index.
        await dynamo.update('events', acked, {
          update: 'SET ackedAtUs = :us, #state = :state REMOVE #pending',
          names: { state: 'state', pending: 'pending' },
          values: { us: clock.nowUs(), state: `1#${acked.sk}` },
        })
        await dynamo.remove('events', deleted)
        meddled.push(acked, deleted)
        return page
      },
    }
    await migrate(meddling, { clock, eventFields: ['event_type'] })
    expect(meddled).toHaveLength(8)
    const events = await eventsOf(dynamo, 'shop')
    expect(events).toHaveLength(56)
    expect(await indexedUnder(dynamo, 'event_type', 'shop', 'order.placed')).toEqual(
      events.map(({ sk, ackedAtUs }) => `${ackedAtUs === undefined ? 0 : 1}#${sk}`).sort(),
    )
  })
}
