import { statSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, it, onTestFinished } from 'vitest'
import { StoreUnavailableError } from '../../ports.ts'
import { FakeClock } from '../../testing/fake-clock.ts'
import { temporaryDirectory } from '../../testing/temporary-directory.ts'
import { createdIds, newEvent, newEventWith, newWorkspace, query } from '../conformance/harness.ts'
import { openDatabase } from './database.ts'
import { eventRow } from './event-row.ts'
import { migrate } from './schema.ts'
import { openSqliteStore } from './store.ts'
import { openWriter, Writer } from './writer.ts'

const TIMES = { nowUs: 1_763_712_000_000_000, eventsExpiredUs: 0, keysExpiredUs: 0 }

it('carries out the other calls of a batch when one cannot be', () => {
  const path = join(temporaryDirectory(), 'triggers.db')
  const writer = openWriter(path)
  onTestFinished(() => writer.close())
  const good = { type: 'create', input: { workspaceId: 'w', rows: [eventRow(newEvent())] } } as const
  const bad = { type: 'create', input: { workspaceId: 'w', rows: [eventRow(newEvent({ metadata: 'not JSON' }))] } } as const
  const replies = writer.run({ times: TIMES, calls: [good, bad, good] })
  expect(replies).toEqual([
    { value: [['created', expect.any(Number), expect.any(String)]] },
    { fault: 'program', message: expect.any(String) },
    { value: [['created', expect.any(Number), expect.any(String)]] },
  ])
})

it('stores nothing of a batch when the disk is full, and goes on when there is room', () => {
  const path = join(temporaryDirectory(), 'triggers.db')
  const writer = openWriter(path, { maxPages: 90 })
  onTestFinished(() => writer.close())
  const create = {
    type: 'create',
    input: { workspaceId: 'w', rows: [eventRow(newEvent({ payload: `{"x":"${'x'.repeat(100_000)}"}` }))] },
  } as const
  expect(writer.run({ times: TIMES, calls: [create] })).toMatchObject([{ value: [['created', expect.any(Number), expect.any(String)]] }])
  const replies = writer.run({ times: TIMES, calls: [create, create, create] })
  expect(replies).toEqual([1, 2, 3].map(() => ({ fault: 'storage', message: expect.stringMatching(/full/) })))
  const small = { type: 'create', input: { workspaceId: 'new', rows: [eventRow(newEvent())] } } as const
  expect(writer.run({ times: TIMES, calls: [small] })).toMatchObject([{ value: [['created', expect.any(Number), expect.any(String)]] }])
  const db = new DatabaseSync(path, { readOnly: true })
  expect(db.prepare('SELECT count(*) AS n FROM events').get()).toEqual({ n: 2 })
  db.close()
})

it('answers a commit as done when the checkpoint behind it cannot be', () => {
  const db = openDatabase(join(temporaryDirectory(), 'triggers.db'), { cacheKiB: 1024 })
  migrate(db)
  const writer = new Writer(db)
  onTestFinished(() => writer.close())
  const create = { type: 'create', input: { workspaceId: 'w', rows: [eventRow(newEvent())] } } as const
  writer.run({ times: TIMES, calls: [create, create] })
  // SQLite checkpoints nothing while a statement of the same connection is being read.
  const reading = db.prepare('SELECT seq FROM events').iterate()
  reading.next()
  expect(() => db.exec('PRAGMA wal_checkpoint(PASSIVE)')).toThrow(/locked/)
  const replies = writer.run({ times: TIMES, calls: [create, { type: 'finishCheckpoint', input: null }] })
  reading.return?.()
  expect(replies).toEqual([{ value: [['created', expect.any(Number), expect.any(String)]] }, { value: null }])
  expect(db.prepare('SELECT count(*) AS n FROM events').get()).toEqual({ n: 3 })
})

it('refuses work while another process holds the lock, and does it afterwards', async () => {
  const directory = temporaryDirectory()
  const store = await openSqliteStore({ directory, eventTtlDays: 7, clock: new FakeClock() })
  onTestFinished(() => store.close())
  const other = new DatabaseSync(join(directory, 'triggers.db'))
  onTestFinished(() => other.close())
  other.exec('BEGIN IMMEDIATE')
  const workspace = newWorkspace()
  await expect(store.createEvents(workspace, [newEvent()])).rejects.toBeInstanceOf(StoreUnavailableError)
  expect(await store.listEvents(query(workspace))).toEqual({ events: [], next: null })
  other.exec('ROLLBACK')
  const [id] = await createdIds(store, workspace, [newEvent()])
  expect((await store.listEvents(query(workspace))).events).toMatchObject([{ eventId: id }])
})

it('finishes what was asked before it closes, and refuses what comes after', async () => {
  const directory = temporaryDirectory()
  const open = () => openSqliteStore({ directory, eventTtlDays: 7, clock: new FakeClock() })
  const store = await open()
  const workspace = newWorkspace()
  const asked = Promise.all(Array.from({ length: 300 }, () => createdIds(store, workspace, [newEvent()])))
  await store.close()
  expect(await asked).toHaveLength(300)
  await expect(store.createEvents(workspace, [newEvent()])).rejects.toBeInstanceOf(StoreUnavailableError)
  const again = await open()
  onTestFinished(() => again.close())
  const page = await again.listEvents(query(workspace, { limit: 100 }))
  expect(page.events).toHaveLength(100)
})

it('reuses the room of swept events: the file does not grow with each generation', async () => {
  const directory = temporaryDirectory()
  const clock = new FakeClock()
  const store = await openSqliteStore({ directory, eventTtlDays: 7, clock })
  const workspace = newWorkspace()
  const sizes: number[] = []
  for (let generation = 0; generation < 4; generation++) {
    const event = newEventWith({ region: 'eu' }, { payload: JSON.stringify({ x: 'x'.repeat(2000) }) })
    for (let n = 0; n < 40; n++)
      await createdIds(
        store,
        workspace,
        Array.from({ length: 25 }, () => event),
      )
    clock.advance({ days: 8 })
    while (await store.sweep(100)) {}
    sizes.push(pageCount(join(directory, 'triggers.db')))
  }
  await store.close()
  expect(Math.max(...sizes)).toBeLessThan(1.1 * (sizes[0] ?? 0))
})

it('keeps the WAL short under load', async () => {
  const directory = temporaryDirectory()
  const store = await openSqliteStore({ directory, eventTtlDays: 7, clock: new FakeClock() })
  onTestFinished(() => store.close())
  const workspace = newWorkspace()
  const event = newEvent({ payload: JSON.stringify({ x: 'x'.repeat(20_000) }) })
  const megabytes = { written: 0, longest: 0 }
  while (megabytes.written < 320) {
    await Promise.all(
      Array.from({ length: 4 }, () =>
        createdIds(
          store,
          workspace,
          Array.from({ length: 25 }, () => event),
        ),
      ),
    )
    megabytes.written += 2
    megabytes.longest = Math.max(megabytes.longest, statSync(join(directory, 'triggers.db-wal')).size / 1e6)
  }
  // How short depends on how the system shares its cores; without checkpoints it would hold all that was written, and more.
  expect(megabytes.longest).toBeLessThan(megabytes.written * 0.6)
})

function pageCount(path: string): number {
  const db = new DatabaseSync(path, { readOnly: true })
  const pages = Number(db.prepare('PRAGMA page_count').get()?.['page_count'])
  db.close()
  return pages
}
