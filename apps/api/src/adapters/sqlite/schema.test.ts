import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, it, onTestFinished } from 'vitest'
import type { EventFilter } from '../../ports.ts'
import { FakeClock } from '../../testing/fake-clock.ts'
import { temporaryDirectory } from '../../testing/temporary-directory.ts'
import {
  createdIds,
  idsOf,
  newApiKey,
  newAuditEntry,
  newEvent,
  newEventWith,
  newWebhook,
  query,
  savedWebhook,
} from '../conformance/harness.ts'
import { migrate } from './schema.ts'
import { openSqliteStore } from './store.ts'

const SCHEMAS = [1, 2, 3, 4, 5] as const
const ACKNOWLEDGED = '019aa56d-6000-7000-98ac-5a6889b9f2de'
const PENDING = '019aa56d-6000-7004-82be-8b7f28c051d3'
const MOVED = '019aa56d-6000-7004-a0f3-77d15c2b9e64'
const OTHER = '019aa56d-6000-7008-8b26-7fb5bf03bc74'
const WEBHOOK = '019aa56d-5c18-7000-9f3e-7d1c0a5b2e44'
const REPLAY = '019aa56d-6768-7000-a1b2-c3d4e5f60718'
const CURSOR_KEY = '030a11181f262d343b424950575e656c737a81888f969da4abb2b9c0c7ced5dc'

/** A file as the program of that schema has left it. */
function fileOf(schema: (typeof SCHEMAS)[number]): { directory: string; path: string } {
  const sql = readFileSync(new URL(`./schema-${schema}.sql`, import.meta.url), 'utf8')
  const directory = temporaryDirectory()
  const path = join(directory, 'triggers.db')
  const db = new DatabaseSync(path)
  db.exec(`PRAGMA journal_mode = WAL; ${sql}`)
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
  const { directory } = fileOf(1)
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

it('keeps all that a database of schema 2 holds, and takes webhooks', async () => {
  const { directory } = fileOf(2)
  const store = await openSqliteStore({ directory, eventTtlDays: 7, clock: new FakeClock() })
  onTestFinished(() => store.close())
  expect((await store.listEvents(query('default'))).events).toHaveLength(2)
  const key = await store.findApiKeyByHash('Zk0hF1mQhash')
  expect(key).toMatchObject({ keyId: 'key_2Yq8Zb3LkVn5', name: 'shop', revision: 1, lastUsedAtUs: 1_763_712_004_000_000 })
  expect((await store.listAuditEntries({ workspaceId: 'default', limit: 10 })).entries).toMatchObject([
    { action: 'api_key.created', target: { type: 'api_key', id: 'key_2Yq8Zb3LkVn5' } },
  ])
  expect(await store.rememberSignature('signature-1', 4_102_444_800_000_001)).toBe(false)
  expect((await store.listDataKeys()).map(({ key }) => key.length)).toEqual([65])
  const webhook = await savedWebhook(store, newWebhook({ workspaceId: 'default' }))
  expect(await store.listWebhooks({ limit: 10 })).toEqual({ webhooks: [webhook], next: null })
})

it('keeps the webhooks, deliveries and replays that a database of schema 3 holds, and goes on with them', async () => {
  const { directory } = fileOf(3)
  const clock = new FakeClock()
  clock.advance({ seconds: 70 })
  const store = await openSqliteStore({ directory, eventTtlDays: 7, clock })
  onTestFinished(() => store.close())
  const { webhooks } = await store.listWebhooks({ limit: 10 })
  expect(webhooks).toMatchObject([{ webhookId: WEBHOOK, revision: 2, secrets: [{ sealed: 'AQAAAAEsealed' }] }])
  const ofWebhook = { workspaceId: 'default', webhookId: WEBHOOK, limit: 10, maxBytes: 1e6 }
  const { deliveries } = await store.listDeliveries(ofWebhook)
  expect(deliveries).toMatchObject([
    { eventId: PENDING, status: 'pending', replayId: REPLAY, attempts: [] },
    { eventId: ACKNOWLEDGED, status: 'delivered', attemptCount: 2, attempts: [{ statusCode: 500 }, { statusCode: 200 }] },
  ])
  expect((await store.listReplays({ webhookId: WEBHOOK, limit: 10 })).replays).toMatchObject([{ replayId: REPLAY, status: 'running' }])
  const heldUntilUs = 1_763_712_100_000_000
  const lane = { webhookId: WEBHOOK, replayId: REPLAY }
  const claim = await store.claimDeliveries({ ...lane, limit: 10, maxBytes: 1e6, heldUntilUs, paces: [] })
  expect(claim.deliveries).toMatchObject([{ deliveryId: deliveries[0]?.deliveryId, event: { eventId: PENDING } }])
})

it.each([4, 5] as const)(
  'finds by their fields and metadata the events that a database of schema %i holds, and new ones',
  async (schema) => {
    const { directory } = fileOf(schema)
    const store = await openSqliteStore({ directory, eventTtlDays: 7, clock: new FakeClock() })
    onTestFinished(() => store.close())
    const [created = ''] = await createdIds(store, 'default', [newEventWith({ region: 'eu' })])
    const found = async (filter: EventFilter) => idsOf((await store.listEvents(query('default', { filter }))).events)
    expect(await found({ metadata: { region: 'eu' } })).toEqual([ACKNOWLEDGED, MOVED, created])
    expect(await found({ source: 'shop' })).toEqual([ACKNOWLEDGED, PENDING, MOVED])
    expect(await found({ eventType: 'suite.ran' })).toEqual([created])
    expect(await store.getEvent('default', MOVED)).toMatchObject({ payload: '{"order":4}', createdAtUs: 1_763_712_000_000_001 })
  },
)

const table = (name: string) => ({ name, put: `CREATE TABLE ${name} (x INTEGER)`, clear: `DROP TABLE ${name}` })
const column = (name: string, of: string) => ({
  name,
  put: `ALTER TABLE ${of} ADD COLUMN ${name} INTEGER`,
  clear: `ALTER TABLE ${of} DROP COLUMN ${name}`,
})
/** What is in the way of the next migration when some of it is done: what it makes last, where that can be there before. */
const OBSTACLES = {
  1: table('signatures'),
  2: table('jobs'),
  3: table('delivery_places'),
  4: table('event_metadata_new'),
  5: column('indexed_seq', 'commit_clock'),
}

for (const schema of SCHEMAS) {
  it(`fans out only what is stored from now on, and not what a database of schema ${schema} holds`, async () => {
    const { directory } = fileOf(schema)
    const store = await openSqliteStore({ directory, eventTtlDays: 7, clock: new FakeClock() })
    onTestFinished(() => store.close())
    const read = async () => {
      const everything = new Map(['default', 'other'].map((workspaceId) => [workspaceId, ['']]))
      return idsOf((await store.readOutbox({ limit: 100, maxBytes: 1e6, interests: everything })).events)
    }
    expect(await read()).toEqual([])
    const created = await createdIds(store, 'default', [newEvent()])
    expect(await read()).toEqual(created)
  })

  it(`gives a database of schema ${schema} just the schema of a new one`, () => {
    const { path } = fileOf(schema)
    const [old, fresh] = [new DatabaseSync(path), new DatabaseSync(':memory:')]
    onTestFinished(() => old.close())
    expect(old.prepare('PRAGMA user_version').get()).toEqual({ user_version: schema })
    migrate(old)
    migrate(fresh)
    expect(shapeOf(old)).toEqual(shapeOf(fresh))
    expect(old.prepare('PRAGMA user_version').get()).toEqual(fresh.prepare('PRAGMA user_version').get())
    expect(old.prepare('PRAGMA integrity_check').get()).toEqual({ integrity_check: 'ok' })
  })

  it(`leaves a file of schema ${schema} as it was when a migration fails halfway, and does it the next time`, () => {
    const { path } = fileOf(schema)
    const db = new DatabaseSync(path)
    onTestFinished(() => db.close())
    const { name, put, clear } = OBSTACLES[schema]
    db.exec(put)
    const before = shapeOf(db)
    expect(() => migrate(db)).toThrow(name)
    expect(shapeOf(db)).toEqual(before)
    expect(db.prepare('PRAGMA user_version').get()).toEqual({ user_version: schema })
    db.exec(clear)
    migrate(db)
    expect(db.prepare('SELECT count(*) AS n FROM events').get()).toEqual({ n: schema >= 4 ? 4 : 3 })
    expect(db.prepare('SELECT count(*) AS n FROM api_keys').get()).toEqual({ n: schema === 1 ? 0 : 1 })
  })
}
