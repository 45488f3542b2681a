import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, it, onTestFinished } from 'vitest'
import { FakeClock } from '../../testing/fake-clock.ts'
import { createdIds, newApiKey, newAuditEntry, newEvent, query } from '../conformance/harness.ts'
import { migrate } from './schema.ts'
import { openSqliteStore } from './store.ts'

const SCHEMA_1 = readFileSync(new URL('./schema-1.sql', import.meta.url), 'utf8')
const ACKNOWLEDGED = '019aa56d-6000-7000-98ac-5a6889b9f2de'
const PENDING = '019aa56d-6000-7004-82be-8b7f28c051d3'
const OTHER = '019aa56d-6000-7008-8b26-7fb5bf03bc74'
const CURSOR_KEY = '030a11181f262d343b424950575e656c737a81888f969da4abb2b9c0c7ced5dc'

function schema1File(): { directory: string; path: string } {
  const directory = mkdtempSync(join(tmpdir(), 'triggers-schema-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  const path = join(directory, 'triggers.db')
  const db = new DatabaseSync(path)
  db.exec(`PRAGMA journal_mode = WAL; ${SCHEMA_1}`)
  db.close()
  return { directory, path }
}

/** Tables, columns and indexes, whatever the statements' layout and comments. */
function shapeOf(db: DatabaseSync): unknown[] {
  const objects = db.prepare('SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name').all()
  return objects.map(({ sql, ...object }) => ({
    ...object,
    sql: String(sql)
      .replace(/--.*$/gm, '')
      .replace(/\s+/g, ' ')
      .replace(/\( | \)/g, (c) => c.trim()),
  }))
}

it('keeps all that a database of schema 1 holds, and writes and reads on in it', async () => {
  const { directory } = schema1File()
  const clock = new FakeClock()
  const open = () => openSqliteStore({ directory, eventTtlDays: 7, clock })
  const store = await open()
  const statuses = { [ACKNOWLEDGED]: 'acknowledged', [PENDING]: 'pending' }
  const page = await store.listEvents(query('default'))
  expect(Object.fromEntries(page.events.map((event) => [event.eventId, event.status]))).toEqual(statuses)
  expect(await store.getEvent('default', ACKNOWLEDGED)).toMatchObject({ payload: '{"order":1}', acknowledgedAtUs: 1_763_712_001_000_000 })
  const filtered = await store.listEvents(query('other', { filter: { metadata: { region: 'us' } } }))
  expect(filtered.events).toMatchObject([{ eventId: OTHER, payload: '{"order":3}' }])

  const idempotency = { key: 'order-2', fingerprint: createHash('sha256').update('2').digest() }
  expect(await store.createEvents('default', [newEvent({ idempotency })])).toMatchObject([{ outcome: 'replayed', eventId: PENDING }])
  expect(await store.ackEvents('default', [PENDING])).toMatchObject([{ outcome: 'acknowledged' }])
  const [created = ''] = await createdIds(store, 'default', [newEvent()])
  expect(created > OTHER).toBe(true)

  const kept = await store.dataKey('cursor', new Uint8Array(32).fill(9))
  expect(Buffer.from(kept).toString('hex')).toBe(CURSOR_KEY)
  expect((await store.listDataKeys()).map(({ name, key }) => [name, Buffer.from(key).toString('hex')])).toEqual([['cursor', CURSOR_KEY]])
  expect(await store.replaceDataKey('cursor', kept, new Uint8Array(60).fill(8))).toBe(true)

  expect(await store.listWorkspaces({ limit: 10 })).toEqual({ workspaceIds: ['default', 'other'], next: null })
  expect(await store.createWorkspace('default', newAuditEntry('default'))).toBe(false)
  const key = newApiKey({ workspaceId: 'default' })
  expect(await store.saveApiKey(key, newAuditEntry('default'))).toBe('saved')
  await store.close()

  const again = await open()
  onTestFinished(() => again.close())
  expect(await again.listApiKeys({ workspaceId: 'default', limit: 10 })).toMatchObject({ apiKeys: [{ keyId: key.keyId }] })
  expect((await again.listEvents(query('default'))).events).toHaveLength(3)
  expect(await again.dataKey('cursor', kept)).toEqual(new Uint8Array(60).fill(8))
})

it('gives an old database just the schema of a new one', () => {
  const { path } = schema1File()
  const [old, fresh] = [new DatabaseSync(path), new DatabaseSync(':memory:')]
  onTestFinished(() => old.close())
  expect(old.prepare('PRAGMA user_version').get()).toEqual({ user_version: 1 })
  migrate(old)
  migrate(fresh)
  expect(shapeOf(old)).toEqual(shapeOf(fresh))
  expect(old.prepare('PRAGMA user_version').get()).toEqual(fresh.prepare('PRAGMA user_version').get())
  expect(old.prepare('PRAGMA integrity_check').get()).toEqual({ integrity_check: 'ok' })
})

it('leaves the file as it was when a migration fails halfway, and does it the next time', () => {
  const { path } = schema1File()
  const db = new DatabaseSync(path)
  onTestFinished(() => db.close())
  // The last table that migration 2 makes is in its way.
  db.exec('CREATE TABLE signatures (x INTEGER)')
  const before = shapeOf(db)
  expect(() => migrate(db)).toThrow(/signatures/)
  expect(shapeOf(db)).toEqual(before)
  expect(db.prepare('PRAGMA user_version').get()).toEqual({ user_version: 1 })
  db.exec('DROP TABLE signatures')
  migrate(db)
  expect(db.prepare('SELECT count(*) AS n FROM events').get()).toEqual({ n: 3 })
  expect(db.prepare('SELECT count(*) AS n FROM api_keys').get()).toEqual({ n: 0 })
})
