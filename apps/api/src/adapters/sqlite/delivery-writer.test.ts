import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, it, onTestFinished } from 'vitest'
import { StoreUnavailableError } from '../../ports.ts'
import { FakeClock } from '../../testing/fake-clock.ts'
import { temporaryStore } from '../../testing/temporary-store.ts'
import { claimQuery, newOwnEvent, outcome } from '../conformance/delivery-harness.ts'
import { createdIds, fanOut, newDelivery, newEvent, newWebhook, savedWebhook } from '../conformance/harness.ts'
import { outcomeRow } from './delivery-row.ts'
import { addressOf, eventIdOf } from './event-id.ts'
import { eventRow } from './event-row.ts'
import { webhookRow } from './webhook-row.ts'
import { openWriter } from './writer.ts'

const NOW_US = 1_763_712_000_000_000
const TIMES = { nowUs: NOW_US, eventsExpiredUs: 0, keysExpiredUs: 0 }

/** A writer whose file has a webhook and an event. */
function openFile(options: { maxPages?: number } = {}) {
  const directory = mkdtempSync(join(tmpdir(), 'triggers-delivery-'))
  const path = join(directory, 'triggers.db')
  const writer = openWriter(path, options)
  onTestFinished(() => {
    writer.close()
    rmSync(directory, { recursive: true, force: true })
  })
  const webhook = newWebhook({ workspaceId: 'w' })
  const saving = { webhook: webhookRow(webhook), audit: null, ownDeliveries: [], maxPerWorkspace: null, alarmedAtUs: null }
  const [, created] = writer.run({
    times: TIMES,
    calls: [
      { type: 'saveWebhook', input: saving },
      { type: 'create', input: { workspaceId: 'w', rows: [eventRow(newEvent())] } },
    ],
  })
  expect(created).toMatchObject({ value: [['created', NOW_US + 1, expect.any(String)]] })
  const rows = (sql: string) => {
    const db = new DatabaseSync(path, { readOnly: true })
    const found = db.prepare(sql).all()
    db.close()
    return found
  }
  const [event] = rows('SELECT seq, tail FROM events')
  return { writer, webhook, rows, eventId: eventIdOf(Number(event?.['seq']), String(event?.['tail'])) }
}

const counts =
  'SELECT (SELECT mark_seq FROM outbox) AS mark, (SELECT count(*) FROM deliveries) AS deliveries, (SELECT count(*) FROM attempts) AS attempts'

it('neither moves on nor stores a delivery when the disk is full', () => {
  const { writer, webhook, rows } = openFile({ maxPages: 60 })
  const own = { ...newOwnEvent(NOW_US), payload: JSON.stringify({ x: 'x'.repeat(300_000) }) }
  const deliveries = [newDelivery(webhook), newDelivery(webhook, { eventId: own.eventId, ownEvent: own })]
  const fanOutCall = (given: typeof deliveries) => ({ type: 'fanOut', input: { from: 0, to: NOW_US + 1, deliveries: given } }) as const
  expect(writer.run({ times: TIMES, calls: [fanOutCall(deliveries)] })).toEqual([
    { fault: 'storage', message: expect.stringMatching(/full/) },
  ])
  expect(rows(counts)).toEqual([{ mark: 0, deliveries: 0, attempts: 0 }])
  expect(writer.run({ times: TIMES, calls: [fanOutCall([])] })).toEqual([{ value: true }])
  expect(rows(counts)).toEqual([{ mark: NOW_US + 1, deliveries: 0, attempts: 0 }])
})

it('commits the neighbours of what cannot be carried out, each once', () => {
  const { writer, webhook, rows, eventId } = openFile()
  const delivery = newDelivery(webhook, { eventId })
  const good = { type: 'fanOut', input: { from: 0, to: NOW_US + 1, deliveries: [delivery] } } as const
  const back = { type: 'fanOut', input: { from: NOW_US + 1, to: 5, deliveries: [delivery] } } as const
  const still = { type: 'fanOut', input: { from: NOW_US + 1, to: NOW_US + 1, deliveries: [delivery] } } as const
  const claiming = { webhookId: webhook.webhookId, replayId: null, limit: 9, maxBytes: 1e6, heldUntilUs: NOW_US + 9, paces: [] }
  const replies = writer.run({ times: TIMES, calls: [good, back, still, good, { type: 'claimDeliveries', input: claiming }] })
  const refused = { fault: 'program', message: expect.stringMatching(/moves on/) }
  const claimed = { value: expect.objectContaining({ deliveries: [expect.objectContaining({ event: expect.anything() })] }) }
  expect(replies).toEqual([{ value: true }, refused, refused, { value: false }, claimed])
  expect(rows(counts)).toMatchObject([{ deliveries: 1 }])
})

it('gives deliveries places of their own in the one order of commits', () => {
  const { writer, webhook, rows, eventId } = openFile()
  const deliveries = [newDelivery(webhook, { eventId }), newDelivery(webhook, { eventId })]
  const create = { type: 'create', input: { workspaceId: 'w', rows: [eventRow(newEvent())] } } as const
  writer.run({ times: TIMES, calls: [{ type: 'fanOut', input: { from: 0, to: NOW_US + 1, deliveries } }, create] })
  expect(rows('SELECT seq FROM deliveries UNION ALL SELECT seq FROM events ORDER BY seq')).toEqual(
    [1, 2, 3, 4].map((n) => ({ seq: NOW_US + n })),
  )
})

it('leaves nothing behind of deliveries that the sweep removes', () => {
  const { writer, webhook, rows, eventId } = openFile()
  const deliveries = [newDelivery(webhook, { eventId })]
  const paces = [{ name: 'p', perSecond: 1 }]
  const claiming = { webhookId: webhook.webhookId, replayId: null, limit: 9, maxBytes: 1e6, heldUntilUs: NOW_US + 9, paces }
  writer.run({
    times: TIMES,
    calls: [
      { type: 'fanOut', input: { from: 0, to: NOW_US + 1, deliveries } },
      { type: 'claimDeliveries', input: claiming },
    ],
  })
  const [row] = rows('SELECT seq, tail FROM deliveries')
  const deliveryId = eventIdOf(Number(row?.['seq']), String(row?.['tail']))
  expect(addressOf(deliveryId)).toEqual(row)
  const attempt = outcome({ clock: new FakeClock() }, { deliveryId, attemptCount: 0 }, { heldUntilUs: NOW_US + 9 })
  writer.run({ times: TIMES, calls: [{ type: 'recordAttempts', input: [outcomeRow(attempt)] }] })
  expect(rows(counts)).toMatchObject([{ deliveries: 1, attempts: 1 }])
  const sweepAt = (nowUs: number) =>
    writer.run({
      times: { nowUs, eventsExpiredUs: nowUs - 7 * 86_400_000_000, keysExpiredUs: 0 },
      calls: [{ type: 'sweep', input: { limit: 10 } }],
    })
  sweepAt(NOW_US + 8 * 86_400_000_000)
  expect(rows(counts)).toMatchObject([{ deliveries: 1, attempts: 1 }])
  sweepAt(NOW_US + 8 * 86_400_000_000 + 10)
  expect(rows(counts)).toMatchObject([{ deliveries: 0, attempts: 0 }])
  expect(rows('SELECT * FROM paces')).toEqual([])
})

it('refuses every write while another process holds the lock, and goes on reading', async () => {
  const clock = new FakeClock()
  const { store, reopen, directory } = await temporaryStore(clock)
  const harness = { store, clock, reopen, settle: async () => {} }
  const webhook = await savedWebhook(store)
  const [eventId = ''] = await createdIds(store, webhook.workspaceId, [newEvent()])
  await fanOut(store, [newDelivery(webhook, { eventId })])
  const query = claimQuery(harness, webhook)
  const { deliveries } = await store.claimDeliveries(query)
  const { workspaceId, webhookId } = webhook
  const deliveryId = deliveries[0]?.deliveryId ?? ''
  const outcomes = deliveries.map((claimed) => outcome(harness, claimed))

  const other = new DatabaseSync(join(directory, 'triggers.db'))
  onTestFinished(() => other.close())
  other.exec('BEGIN EXCLUSIVE')
  const refused = await Promise.allSettled([
    store.fanOut({ from: '0', to: '1', deliveries: [] }),
    store.claimDeliveries(query),
    store.recordAttempts(outcomes),
    store.retryDelivery(workspaceId, deliveryId, clock.nowUs()),
    store.moveDeliveries({ webhookId, to: 'cancelled', limit: 9 }),
  ])
  for (const result of refused) expect(result).toMatchObject({ status: 'rejected', reason: expect.any(StoreUnavailableError) })
  expect(await store.getDelivery(workspaceId, deliveryId)).toMatchObject({ status: 'pending' })
  expect((await store.listDeliveries({ workspaceId, webhookId, limit: 9, maxBytes: 1e6 })).deliveries).toHaveLength(1)
  expect(await store.readOutbox({ limit: 9, maxBytes: 1e6, interests: new Map([[workspaceId, ['']]]) })).toMatchObject({ events: [] })
  other.exec('ROLLBACK')
  expect(await store.recordAttempts(outcomes)).toMatchObject([{ outcome: 'recorded' }])
})
