import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, it, onTestFinished } from 'vitest'
import { StoreUnavailableError } from '../../ports.ts'
import { FakeClock } from '../../testing/fake-clock.ts'
import { temporaryDirectory } from '../../testing/temporary-directory.ts'
import { createdIds, newApiKey, newAuditEntry, newEvent, newVersion, newWorkspace, query } from '../conformance/harness.ts'
import { apiKeyRow, auditRow } from './access-row.ts'
import { eventRow } from './event-row.ts'
import { openSqliteStore } from './store.ts'
import { openWriter } from './writer.ts'

const TIMES = { nowUs: 1_763_712_000_000_000, eventsExpiredUs: 0, keysExpiredUs: 0 }

/** How many rows each table has. */
function counts(path: string): Record<string, number> {
  const db = new DatabaseSync(path, { readOnly: true })
  const tables = ['workspaces', 'api_keys', 'api_key_hashes', 'audit_log', 'signatures', 'events']
  const rows = tables.map((table) => [table, Number(db.prepare(`SELECT count(*) AS n FROM ${table}`).get()?.['n'])])
  db.close()
  return Object.fromEntries(rows)
}

function saving(key = newApiKey()) {
  return { type: 'saveApiKey', input: { key: apiKeyRow(key), audit: auditRow(newAuditEntry(key.workspaceId)) } } as const
}

const goodEvent = { type: 'create', input: { workspaceId: 'w', rows: [eventRow(newEvent())] } } as const
const badEvent = { type: 'create', input: { workspaceId: 'w', rows: [eventRow(newEvent({ metadata: 'not JSON' }))] } } as const

it('commits the neighbours of a conflict, and nothing of the conflict', () => {
  const path = join(temporaryDirectory(), 'triggers.db')
  const writer = openWriter(path)
  onTestFinished(() => writer.close())
  const version = newVersion()
  const key = newApiKey({ workspaceId: 'w', versions: [version] })
  const taken = saving(newApiKey({ versions: [newVersion(), version] }))
  const replies = writer.run({ times: TIMES, calls: [goodEvent, saving(key), saving(key), taken, goodEvent] })
  const created = { value: [['created', expect.any(Number), expect.any(String)]] }
  expect(replies).toEqual([created, { value: 'saved' }, { value: 'changed' }, { value: 'hash_taken' }, created])
  expect(counts(path)).toMatchObject({ workspaces: 1, api_keys: 1, api_key_hashes: 1, audit_log: 1, events: 2 })
})

it('carries out each call once when a batch is undone and repeated call by call', () => {
  const path = join(temporaryDirectory(), 'triggers.db')
  const writer = openWriter(path)
  onTestFinished(() => writer.close())
  const replies = writer.run({
    times: TIMES,
    calls: [
      saving(newApiKey({ workspaceId: 'w' })),
      { type: 'createWorkspace', input: { workspaceId: 'made', audit: auditRow(newAuditEntry('made')) } },
      { type: 'rememberSignature', input: { signature: 's', expiresAtUs: TIMES.nowUs + 1 } },
      { type: 'appendAuditEntry', input: auditRow(newAuditEntry(null)) },
      badEvent,
    ],
  })
  const values = [{ value: 'saved' }, { value: true }, { value: true }, { value: undefined }]
  expect(replies).toEqual([...values, { fault: 'program', message: expect.any(String) }])
  expect(counts(path)).toEqual({ workspaces: 2, api_keys: 1, api_key_hashes: 1, audit_log: 3, signatures: 1, events: 0 })
})

it('leaves no audit entry behind when the file cannot take the key, nor the other way round', () => {
  const path = join(temporaryDirectory(), 'triggers.db')
  const writer = openWriter(path, { maxPages: 60 })
  onTestFinished(() => writer.close())
  const large = newApiKey({ name: 'x'.repeat(300_000) })
  expect(writer.run({ times: TIMES, calls: [saving(large)] })).toEqual([{ fault: 'storage', message: expect.stringMatching(/full/) }])
  const key = newApiKey()
  const audit = auditRow(newAuditEntry(key.workspaceId, { action: 'x'.repeat(300_000) }))
  const replies = writer.run({ times: TIMES, calls: [{ type: 'saveApiKey', input: { key: apiKeyRow(key), audit } }] })
  expect(replies).toEqual([{ fault: 'storage', message: expect.stringMatching(/full/) }])
  expect(counts(path)).toMatchObject({ workspaces: 0, api_keys: 0, api_key_hashes: 0, audit_log: 0 })
  expect(writer.run({ times: TIMES, calls: [saving(key)] })).toEqual([{ value: 'saved' }])
})

it('removes expired signatures from the disk, at most as many as it was told', () => {
  const path = join(temporaryDirectory(), 'triggers.db')
  const writer = openWriter(path)
  onTestFinished(() => writer.close())
  const remember = (n: number) =>
    ({ type: 'rememberSignature', input: { signature: `s${n}`, expiresAtUs: TIMES.nowUs + (n < 5 ? 10 : 11) } }) as const
  writer.run({ times: TIMES, calls: [0, 1, 2, 3, 4, 5].map(remember) })
  const sweep = { times: { ...TIMES, nowUs: TIMES.nowUs + 10 }, calls: [{ type: 'sweep', input: { limit: 4 } }] } as const
  expect(writer.run({ ...sweep, calls: [...sweep.calls] })).toEqual([{ value: true }])
  expect(counts(path)).toMatchObject({ signatures: 2 })
  expect(writer.run({ ...sweep, calls: [...sweep.calls] })).toEqual([{ value: false }])
  expect(counts(path)).toMatchObject({ signatures: 1 })
})

it('fails a record that cannot be written as text alone, and not what is asked beside it', async () => {
  const store = await openSqliteStore({ directory: temporaryDirectory(), eventTtlDays: 7, clock: new FakeClock() })
  onTestFinished(() => store.close())
  const workspace = newWorkspace()
  const entry = newAuditEntry(workspace, { changes: { n: { from: null, to: 1n } } })
  const results = await Promise.allSettled([
    store.appendAuditEntry(entry),
    store.saveApiKey(newApiKey({ workspaceId: workspace }), entry),
    store.createWorkspace(workspace, entry),
    createdIds(store, workspace, [newEvent()]),
  ])
  expect(results.map((result) => result.status)).toEqual(['rejected', 'rejected', 'rejected', 'fulfilled'])
  expect((await store.listApiKeys({ workspaceId: workspace, limit: 10 })).apiKeys).toEqual([])
})

it('refuses every write on access while another process holds the lock, and goes on reading', async () => {
  const directory = temporaryDirectory()
  const clock = new FakeClock()
  const store = await openSqliteStore({ directory, eventTtlDays: 7, clock })
  onTestFinished(() => store.close())
  const key = newApiKey()
  const audit = newAuditEntry(key.workspaceId)
  await store.saveApiKey(key, audit)
  const dataKey = await store.dataKey('cursor', new Uint8Array(32).fill(1))
  const other = new DatabaseSync(join(directory, 'triggers.db'))
  onTestFinished(() => other.close())
  other.exec('BEGIN EXCLUSIVE')
  const refused = await Promise.allSettled([
    store.createWorkspace('new', audit),
    store.saveApiKey({ ...key, revision: 1, name: 'Changed' }, audit),
    store.recordKeyUse([{ keyId: key.keyId, usedAtUs: 1 }]),
    store.appendAuditEntry(audit),
    store.rememberSignature('s', clock.nowUs() + 1),
    store.dataKey('other', dataKey),
    store.replaceDataKey('cursor', dataKey, null),
    store.sweep(10),
  ])
  for (const result of refused) expect(result).toMatchObject({ status: 'rejected', reason: expect.any(StoreUnavailableError) })
  const stored = { ...key, revision: 1, lastUsedAtUs: null }
  expect(await store.findApiKeyByHash(key.versions[0]?.hash ?? '')).toEqual(stored)
  expect(await store.hasWorkspace('new')).toBe(false)

  other.exec('ROLLBACK')
  expect(await store.rememberSignature('s', clock.nowUs() + 1)).toBe(true)
  expect(await store.getApiKey(key.keyId)).toEqual(stored)
  expect((await store.listAuditEntries({ workspaceId: key.workspaceId, limit: 10 })).entries).toHaveLength(1)
  expect((await store.listDataKeys()).map(({ name }) => name)).toEqual(['cursor'])
  expect(await store.listEvents(query(key.workspaceId))).toEqual({ events: [], next: null })
})
