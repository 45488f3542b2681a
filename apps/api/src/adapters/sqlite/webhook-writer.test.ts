import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, it, onTestFinished } from 'vitest'
import { StoreUnavailableError } from '../../ports.ts'
import { FakeClock } from '../../testing/fake-clock.ts'
import { temporaryDirectory } from '../../testing/temporary-directory.ts'
import {
  anyUuid,
  createdIds,
  fanOut,
  newAuditEntry,
  newEvent,
  newReplay,
  newWebhook,
  newWorkspace,
  savedWebhook,
} from '../conformance/harness.ts'
import { auditRow } from './access-row.ts'
import { eventRow } from './event-row.ts'
import { openSqliteStore } from './store.ts'
import { webhookRow } from './webhook-row.ts'
import { openWriter } from './writer.ts'

const TIMES = { nowUs: 1_763_712_000_000_000, eventsExpiredUs: 0, keysExpiredUs: 0 }

async function temporaryStore() {
  const directory = temporaryDirectory()
  const clock = new FakeClock()
  const store = await openSqliteStore({ directory, eventTtlDays: 7, clock })
  onTestFinished(() => store.close())
  return { store, clock, path: join(directory, 'triggers.db') }
}

/** What the statement finds in the file. */
function rowsOf(path: string, sql: string): unknown[] {
  const db = new DatabaseSync(path, { readOnly: true })
  const rows = db.prepare(sql).all()
  db.close()
  return rows
}

const counts = (path: string) =>
  rowsOf(
    path,
    'SELECT (SELECT count(*) FROM webhooks) webhooks, (SELECT count(*) FROM replays) replays, (SELECT count(*) FROM audit_log) audit',
  )[0]

function saving(webhook = newWebhook()) {
  const input = {
    webhook: webhookRow(webhook),
    audit: auditRow(newAuditEntry(null)),
    ownDeliveries: [],
    maxPerWorkspace: 2,
    alarmedAtUs: null,
  }
  return { type: 'saveWebhook', input } as const
}

it('commits the neighbours of a conflict, and nothing of the conflict', () => {
  const path = join(temporaryDirectory(), 'triggers.db')
  const writer = openWriter(path)
  onTestFinished(() => writer.close())
  const workspaceId = newWorkspace()
  const webhook = newWebhook({ workspaceId })
  const make = () => saving(newWebhook({ workspaceId }))
  const replies = writer.run({ times: TIMES, calls: [saving(webhook), saving(webhook), make(), make(), saving()] })
  const outcomes = ['saved', 'changed', 'saved', 'too_many', 'saved']
  expect(replies).toMatchObject(outcomes.map((outcome) => ({ value: { outcome } })))
  expect(counts(path)).toEqual({ webhooks: 3, replays: 0, audit: 3 })
  expect(rowsOf(path, 'SELECT webhooks_version FROM outbox')).toEqual([{ webhooks_version: 3 }])
})

it('carries out each call once when a batch is undone and repeated call by call', () => {
  const path = join(temporaryDirectory(), 'triggers.db')
  const writer = openWriter(path)
  onTestFinished(() => writer.close())
  const kept = newWebhook()
  const deletion = { webhookId: anyUuid(), audit: auditRow(newAuditEntry(null)) }
  const bad = { type: 'create', input: { workspaceId: 'w', rows: [eventRow(newEvent({ metadata: 'not JSON' }))] } } as const
  const replies = writer.run({ times: TIMES, calls: [saving(kept), { type: 'deleteWebhook', input: deletion }, bad] })
  expect(replies).toEqual([
    { value: { outcome: 'saved', webhook: expect.objectContaining({ revision: 1, createdAtUs: TIMES.nowUs }) } },
    { value: false },
    { fault: 'program', message: expect.any(String) },
  ])
  expect(counts(path)).toEqual({ webhooks: 1, replays: 0, audit: 1 })
  expect(rowsOf(path, 'SELECT last_seq FROM commit_clock')).toEqual([{ last_seq: TIMES.nowUs }])
})

it('keeps no secret, header or URL of a deleted webhook', async () => {
  const { store, path } = await temporaryStore()
  const headers = { names: ['X-Team'], sealed: 'sealed-headers' }
  const webhook = await savedWebhook(store, newWebhook({ url: 'https://secret.example', headers }))
  await store.deleteWebhook(webhook.webhookId, newAuditEntry(null))
  const [row] = rowsOf(path, 'SELECT * FROM webhooks')
  expect(row).toMatchObject({ webhook_id: webhook.webhookId, is_active: 0, deleted_us: expect.any(Number), record: '{}' })
  expect(JSON.stringify(row)).not.toMatch(/sealed|secret/)
})

it('forgets a deleted webhook, and its replays, when its deliveries are gone, a few at a time', async () => {
  const { store, clock, path } = await temporaryStore()
  const [idle, busy, kept] = [await savedWebhook(store), await savedWebhook(store), await savedWebhook(store)]
  for (const webhook of [idle, idle, idle, busy, kept]) await store.createReplay(newReplay(webhook), newAuditEntry(null))
  const [eventId = ''] = await createdIds(store, busy.workspaceId, [newEvent()])
  const delivery = { eventId, eventType: 'suite.ran', dueAtUs: clock.nowUs(), replayId: null, ownEvent: null }
  await fanOut(store, [{ ...delivery, webhookId: busy.webhookId }])
  for (const { webhookId } of [idle, busy]) await store.deleteWebhook(webhookId, newAuditEntry(null))

  expect(await store.sweep(2)).toBe(true)
  expect(counts(path)).toMatchObject({ webhooks: 3, replays: 3 })
  while (await store.sweep(2));
  expect(counts(path)).toMatchObject({ webhooks: 2, replays: 2 })
  clock.advance({ days: 8, seconds: 1 })
  while (await store.sweep(2));
  expect(counts(path)).toMatchObject({ webhooks: 1, replays: 1 })
  expect(await store.getWebhook(kept.webhookId)).toEqual(kept)
  expect((await store.listReplays({ webhookId: kept.webhookId, limit: 10 })).replays).toHaveLength(1)
})

it('looks at a few deleted webhooks at a time, and comes round to each', async () => {
  const { store, clock, path } = await temporaryStore()
  const webhooks = await Promise.all([1, 2, 3, 4, 5].map(() => savedWebhook(store)))
  const [eventId = ''] = await createdIds(store, newWorkspace(), [newEvent()])
  const delivery = { eventId, eventType: 'suite.ran', dueAtUs: clock.nowUs(), replayId: null, ownEvent: null }
  await fanOut(
    store,
    webhooks.slice(0, 4).map(({ webhookId }) => ({ ...delivery, webhookId })),
  )
  for (const { webhookId } of webhooks) await store.deleteWebhook(webhookId, newAuditEntry(null))
  const left: unknown[] = []
  for (let sweeps = 0; sweeps < 3; sweeps++) {
    expect(await store.sweep(2)).toBe(false)
    left.push(counts(path))
  }
  expect(left).toMatchObject([{ webhooks: 5 }, { webhooks: 5 }, { webhooks: 4 }])
  clock.advance({ days: 8, seconds: 1 })
  for (let sweeps = 0; sweeps < 10; sweeps++) await store.sweep(2)
  expect(counts(path)).toMatchObject({ webhooks: 0 })
})

it('refuses every write of a webhook or replay while another process holds the lock, and goes on reading', async () => {
  const { store, path } = await temporaryStore()
  const webhook = await savedWebhook(store)
  const replay = newReplay(webhook)
  const made = await store.createReplay(replay, newAuditEntry(null))
  const other = new DatabaseSync(path)
  onTestFinished(() => other.close())
  other.exec('BEGIN EXCLUSIVE')
  const { replayId } = replay
  const refused = await Promise.allSettled([
    store.saveWebhook({ ...webhook, description: 'Changed' }, { audit: null }),
    store.deleteWebhook(webhook.webhookId, newAuditEntry(null)),
    store.createReplay(newReplay(webhook), newAuditEntry(null)),
    store.advanceReplay({ replayId, from: null, to: 'a', matched: 0, deliveries: [], isWalked: true }),
    store.endReplay(replayId, 'cancelled', null),
  ])
  for (const result of refused) expect(result).toMatchObject({ status: 'rejected', reason: expect.any(StoreUnavailableError) })
  expect(await store.getWebhook(webhook.webhookId)).toEqual(webhook)
  expect(await store.listWebhooks({ limit: 10 })).toEqual({ webhooks: [webhook], next: null })
  expect(await store.listReplays({ webhookId: webhook.webhookId, limit: 10 })).toEqual({ replays: [made], next: null })
  other.exec('ROLLBACK')
  expect(await store.endReplay(replayId, 'cancelled', null)).toBe(true)
})

it('writes nothing of a webhook that the file has no room for', () => {
  const path = join(temporaryDirectory(), 'triggers.db')
  const writer = openWriter(path, { maxPages: 80 })
  onTestFinished(() => writer.close())
  const large = saving(newWebhook({ description: 'x'.repeat(400_000) }))
  expect(writer.run({ times: TIMES, calls: [large] })).toEqual([{ fault: 'storage', message: expect.stringMatching(/full/) }])
  expect(counts(path)).toEqual({ webhooks: 0, replays: 0, audit: 0 })
  expect(writer.run({ times: TIMES, calls: [saving()] })).toMatchObject([{ value: { outcome: 'saved' } }])
})
