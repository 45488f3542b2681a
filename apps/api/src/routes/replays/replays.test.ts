import { describe, expect, it } from 'vitest'
import { SCOPES } from '../../ports.ts'
import { auditOf } from '../../testing/api-keys.ts'
import { createEvent, createEvents, expectRefused, UNKNOWN_ID } from '../../testing/events.ts'
import { sharedApp, type TestApp, testApp } from '../../testing/test-app.ts'
import { callWebhook, createWebhook, putWebhook, takeJobs } from '../../testing/webhooks.ts'

const app = await sharedApp()

const SINCE = '2025-11-20T00:00:00Z'

const replay = (key: string, webhookId: string, body: object = { since: SINCE }, from: TestApp = app) =>
  callWebhook(from, key, webhookId, 'POST', '/replay', { body })

async function startReplay(key: string, webhookId: string, body?: object, from: TestApp = app) {
  const answer = await replay(key, webhookId, body, from)
  expect(answer.status, answer.text).toBe(202)
  const { request_id: _, ...started } = answer.body
  return started
}

const read = (key: string, replayId: string, from: TestApp = app) => from.request(`/v1/replays/${replayId}`, { key })
const cancel = (key: string, replayId: string, from: TestApp = app) =>
  from.request(`/v1/replays/${replayId}/cancel`, { method: 'POST', key })

describe('starting a replay', () => {
  it('answers with the replay, and tells a worker', async () => {
    const key = app.key()
    const { webhook_id } = await createWebhook(app, key)
    await takeJobs(app)
    const started = await startReplay(key, webhook_id)
    expect(started).toEqual({
      replay_id: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-/),
      webhook_id,
      status: 'running',
      since: '2025-11-20T00:00:00.000000Z',
      until: '2025-11-21T08:00:00.000000Z',
      rate: 50,
      matched: 0,
      enqueued: 0,
      delivered: 0,
      dead: 0,
      cancelled: 0,
      created_at: expect.stringMatching(/^2025-11-21T08:00:00/),
      completed_at: null,
    })
    expect(await takeJobs(app)).toEqual([{ type: 'replay', replayId: started.replay_id }])
    expect((await read(key, started.replay_id)).body).toMatchObject(started)
  })

  it('keeps what is given, and the microseconds of its span', async () => {
    const key = app.key()
    const { webhook_id } = await createWebhook(app, key)
    const filter = { source: ['shop'], metadata: { region: 'eu' } }
    const body = {
      since: '2025-11-20T01:00:00.0000011+01:00',
      until: '2025-11-20T05:00:00.1234569Z',
      rate: 1000,
      status: 'undelivered',
      filter,
    }
    const started = await startReplay(key, webhook_id, body)
    expect(started).toMatchObject({ since: '2025-11-20T00:00:00.000002Z', until: '2025-11-20T05:00:00.123456Z', rate: 1000 })
    expect(await app.deps.store.getReplay(started.replay_id)).toMatchObject({ filter, selection: 'undelivered', rate: 1000 })
  })

  it("has the webhook's rate unless told", async () => {
    const key = app.key()
    const { webhook_id } = await createWebhook(app, key, { rate_limit: 7 })
    expect((await startReplay(key, webhook_id)).rate).toBe(7)
    expect((await startReplay(key, webhook_id, { since: SINCE, rate: 3 })).rate).toBe(3)
  })

  it('ends now when `until` is later, or null', async () => {
    const key = app.key()
    const { webhook_id } = await createWebhook(app, key)
    for (const until of ['2030-01-01', null]) {
      expect((await startReplay(key, webhook_id, { since: SINCE, until })).until).toBe('2025-11-21T08:00:00.000000Z')
    }
  })

  it('is told to the audit log', async () => {
    const key = app.key(SCOPES, 'audited', { keyId: 'key_replayer' })
    const { webhook_id } = await createWebhook(app, key)
    const { replay_id } = await startReplay(key, webhook_id, { since: SINCE, status: 'dead' })
    expect((await auditOf(app, key))[0]).toMatchObject({
      action: 'replay.started',
      actor: { type: 'api_key', key_id: 'key_replayer' },
      target: { type: 'replay', id: replay_id },
      changes: {
        webhook_id: { from: null, to: webhook_id },
        since: { from: null, to: '2025-11-20T00:00:00.000000Z' },
        rate: { from: null, to: 50 },
        status: { from: null, to: 'dead' },
      },
    })
  })

  it.each([
    ['since', {}],
    ['since', { since: null }],
    ['since', { since: 'yesterday' }],
    ['since', { since: 1_763_712_000 }],
    ['since', { since: '2025-11-21T08:00:00.000001Z' }],
    ['since', { since: '2025-11-21', until: '2025-11-20' }],
    ['since', { since: '9999-12-31' }],
    ['until', { since: SINCE, until: 'now' }],
    ['rate', { since: SINCE, rate: 0 }],
    ['rate', { since: SINCE, rate: 1001 }],
    ['rate', { since: SINCE, rate: 0.5 }],
    ['status', { since: SINCE, status: 'pending' }],
    ['filter.sources', { since: SINCE, filter: { sources: ['a'] } }],
    ['filter.payload.0.path', { since: SINCE, filter: { payload: [{ path: 'a', op: 'exists' }] } }],
    ['dry_run', { since: SINCE, dry_run: 'true' }],
    ['from', { since: SINCE, from: SINCE }],
  ])('refuses %s in %j, and stores nothing', async (field, body) => {
    const key = app.key()
    const { webhook_id } = await createWebhook(app, key)
    expectRefused(await replay(key, webhook_id, body), 400, field)
    expect((await callWebhook(app, key, webhook_id, 'GET', '/replays')).body.replays).toEqual([])
  })

  it.each(['2025-11-22', '9999-12-31'])('takes an end in the future, %s, as now', async (until) => {
    const key = app.key()
    const { webhook_id } = await createWebhook(app, key)
    expect((await replay(key, webhook_id, { since: SINCE, until })).body.until).toBe('2025-11-21T08:00:00.000000Z')
  })

  it('is 409 for a webhook that is not active; counting is not', async () => {
    const key = app.key()
    const { webhook_id } = await createWebhook(app, key, { is_active: false })
    const answer = await replay(key, webhook_id)
    expect([answer.status, answer.body.error.details]).toEqual([
      409,
      {
        webhook_id,
        current_status: 'inactive',
        disabled_at: '2025-11-21T08:00:00.000000Z',
        disabled_reason: 'manual',
        suggestion: expect.any(String),
      },
    ])
    expect((await replay(key, webhook_id, { since: SINCE, dry_run: true })).body.matched).toBe(0)
  })
})

describe('a dry run', () => {
  it('counts what matches the webhook and the filter, and starts nothing', async () => {
    const own = await testApp()
    const key = own.key()
    await createEvents(own, key, 600, (index) => ({ event_type: index % 2 ? 'user.a' : 'order.b', source: index % 3 ? 'shop' : 'other' }))
    await createEvent(own, own.key(), { event_type: 'user.a' })
    const { webhook_id } = await createWebhook(own, key, { events: ['user.*'] })
    own.clock.advance({ seconds: 1 })
    await takeJobs(own)
    const count = async (fields: object) => (await replay(key, webhook_id, { since: SINCE, dry_run: true, ...fields }, own)).body
    expect(await count({})).toEqual({ matched: 300, request_id: expect.any(String) })
    expect((await count({ filter: { source: ['other'] } })).matched).toBe(100)
    expect((await count({ until: '2025-11-21T07:59:59Z' })).matched).toBe(0)
    expect((await count({ status: 'delivered' })).matched).toBe(0)
    expect((await count({ status: 'none' })).matched).toBe(300)
    expect((await callWebhook(own, key, webhook_id, 'GET', '/replays')).body.replays).toEqual([])
    expect(await takeJobs(own)).toEqual([])
  })
})

describe("a webhook's replays", () => {
  it('are listed the newest first, page by page', async () => {
    const key = app.key()
    const [one, two] = [await createWebhook(app, key), await createWebhook(app, key)]
    const ids: string[] = []
    for (let count = 0; count < 3; count++) ids.unshift((await startReplay(key, one.webhook_id)).replay_id)
    await startReplay(key, two.webhook_id)
    const first = await callWebhook(app, key, one.webhook_id, 'GET', '/replays?limit=2')
    const { next_cursor } = first.body.pagination
    const second = await callWebhook(app, key, one.webhook_id, 'GET', `/replays?limit=2&cursor=${next_cursor}`)
    expect([...first.body.replays, ...second.body.replays].map(({ replay_id }: { replay_id: string }) => replay_id)).toEqual(ids)
    expect(second.body.pagination).toEqual({ next_cursor: null, limit: 2 })
    expectRefused(await callWebhook(app, key, two.webhook_id, 'GET', `/replays?cursor=${next_cursor}`), 400, 'cursor')
    expectRefused(await callWebhook(app, key, one.webhook_id, 'GET', '/replays?status=running'), 422, 'status')
  })
})

describe('cancelling a replay', () => {
  it('ends it, and cancels its deliveries that wait, and no other', async () => {
    const own = await testApp()
    const key = own.key()
    const { webhook_id } = await createWebhook(own, key)
    const events = await createEvents(own, key, 2)
    const { replay_id } = await startReplay(key, webhook_id, undefined, own)
    const deliveries = events.map(({ event_id }) => ({
      webhookId: webhook_id,
      eventId: event_id,
      eventType: 'order.paid',
      dueAtUs: own.clock.nowUs(),
      replayId: replay_id,
      ownEvent: null,
    }))
    const step = { replayId: replay_id, from: null, to: 'x', matched: 2, deliveries, isWalked: true }
    expect(await own.deps.store.advanceReplay(step)).toMatchObject({ enqueued: 2 })
    await takeJobs(own)
    own.clock.advance({ seconds: 1 })
    const answer = await cancel(key, replay_id, own)
    expect(answer.status, answer.text).toBe(200)
    expect(answer.body).toMatchObject({ status: 'cancelled', enqueued: 2, cancelled: 2, completed_at: '2025-11-21T08:00:01.000000Z' })
    const { body } = await callWebhook(own, key, webhook_id, 'GET', '/deliveries')
    expect(body.deliveries).toMatchObject([
      { status: 'cancelled', replay_id },
      { status: 'cancelled', replay_id },
    ])
    expect(await takeJobs(own)).toEqual([{ type: 'deliver', webhookId: webhook_id, replayId: replay_id }])
    expect((await auditOf(own, key))[0]).toMatchObject({
      action: 'replay.cancelled',
      target: { type: 'replay', id: replay_id },
      changes: { status: { from: 'running', to: 'cancelled' } },
    })
  })

  it('is 409 when it has ended', async () => {
    const key = app.key()
    const { webhook_id } = await createWebhook(app, key)
    const { replay_id } = await startReplay(key, webhook_id)
    const answers = await Promise.all([1, 2, 3].map(() => cancel(key, replay_id)))
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 409, 409])
    const answer = await cancel(key, replay_id)
    expect(answer.body.error.details).toEqual({
      replay_id,
      current_status: 'cancelled',
      completed_at: expect.stringMatching(/^2025-11-21T08:00:00/),
      suggestion: expect.any(String),
    })
  })
})

it('says which replay is not there', async () => {
  for (const answer of [await read(app.key(), UNKNOWN_ID), await cancel(app.key(), UNKNOWN_ID)]) {
    expect([answer.status, answer.body.error.details]).toEqual([404, { replay_id: UNKNOWN_ID, suggestion: expect.any(String) }])
  }
  expect((await putWebhook(app, app.key(), UNKNOWN_ID, {})).status).toBe(404)
})
