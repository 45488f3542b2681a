import { describe, expect, it } from 'vitest'
import {
  ackEvent,
  createEvent,
  createEvents,
  expectRefused,
  getEvent,
  readAllPages,
  UNKNOWN_ID,
  WRONG_ID_LISTS,
} from '../../testing/events.ts'
import { sharedApp, testApp } from '../../testing/test-app.ts'

const app = await sharedApp()

const ackMany = (eventIds: unknown, key = app.key(), headers: Record<string, string> = {}) =>
  app.request('/v1/events/bulk/ack', { method: 'POST', key, body: { event_ids: eventIds }, headers })

describe('acknowledging an event', () => {
  it('answers when, and takes it out of the inbox; it stays readable', async () => {
    const app = await testApp()
    const key = app.key()
    const created = await createEvent(app, key)
    const before = await getEvent(app, key, created.event_id)
    app.clock.advance({ seconds: 5, us: 7 })
    const answer = await app.request(`/v1/events/${created.event_id}/ack`, { method: 'POST', key, headers: { 'x-request-id': 'ack-1' } })
    const acknowledged = { event_id: created.event_id, status: 'acknowledged', acknowledged_at: '2025-11-21T08:00:05.000007Z' }
    expect([answer.status, answer.body]).toEqual([200, { ...acknowledged, message: expect.stringMatching(/.+/), request_id: 'ack-1' }])
    const after = await getEvent(app, key, created.event_id)
    expect(after.body).toEqual({ ...before.body, ...acknowledged, request_id: expect.any(String) })
    expect(await readAllPages(app, key, '/v1/inbox')).toEqual([[]])
    expect(await readAllPages(app, key, '/v1/events')).toEqual([[created.event_id]])
  })

  it('leaves the others in the inbox', async () => {
    const key = app.key()
    const created = await createEvents(app, key, 3)
    await ackEvent(app, key, created[1]?.event_id ?? '')
    expect(await readAllPages(app, key, '/v1/inbox')).toEqual([[created[0]?.event_id, created[2]?.event_id]])
  })

  it('is 409 the second time, with the first time', async () => {
    const key = app.key()
    const { event_id } = await createEvent(app, key)
    const { acknowledged_at } = (await ackEvent(app, key, event_id)).body
    const again = await ackEvent(app, key, event_id)
    expect([again.status, again.body.error.code, again.body.error.details]).toEqual([
      409,
      'CONFLICT',
      { event_id, current_status: 'acknowledged', acknowledged_at, suggestion: expect.stringMatching(/.+/) },
    ])
  })

  it('of fifty at once is one 200 and 49 times 409', async () => {
    const key = app.key()
    const { event_id } = await createEvent(app, key, { metadata: { region: 'eu' } })
    const answers = await Promise.all(Array.from({ length: 50 }, () => ackEvent(app, key, event_id)))
    expect(answers.map(({ status }) => status).sort()).toEqual([200, ...Array.from({ length: 49 }, () => 409)])
    expect(await readAllPages(app, key, '/v1/events?metadata.region=eu')).toEqual([[event_id]])
  })

  it.each([
    UNKNOWN_ID,
    '7d9f2c1e-0f5a-4b63-9a55-0c9d3a1f6b2e',
    'ffffffff-ffff-7fff-bfff-ffffffffffff',
    '00000000-0000-0000-0000-000000000000',
  ])('of %s, which is not there, is 404', async (id) => {
    const answer = await ackEvent(app, app.key(), id)
    expect([answer.status, answer.body.error.details]).toEqual([404, { event_id: id, suggestion: expect.stringMatching(/.+/) }])
  })

  it('of an id that differs in its last digit is 404', async () => {
    const key = app.key()
    const { event_id } = await createEvent(app, key)
    const other = event_id.slice(0, -1) + (event_id.endsWith('0') ? '1' : '0')
    expect((await ackEvent(app, key, other)).status).toBe(404)
    expect((await getEvent(app, key, other)).status).toBe(404)
  })
})

describe('acknowledging events in bulk', () => {
  it('answers each as a single ack does, with its index', async () => {
    const key = app.key()
    const ids = (await createEvents(app, key, 25)).map(({ event_id }) => event_id)
    const answer = await ackMany(ids, key, { 'x-request-id': 'ack-2' })
    expect([answer.status, answer.body.failed, answer.body.request_id]).toEqual([200, [], 'ack-2'])
    expect(answer.body.successful).toEqual(
      ids.map((event_id, index) => ({
        index,
        event_id,
        status: 'acknowledged',
        acknowledged_at: expect.any(String),
        message: expect.any(String),
      })),
    )
    const { acknowledged_at } = (await getEvent(app, key, ids[3] ?? '')).body
    expect(acknowledged_at).toBe(answer.body.successful[3].acknowledged_at)
    expect(await readAllPages(app, key, '/v1/inbox')).toEqual([[]])
  })

  it('fails a malformed, a missing, an acknowledged and a repeated one alone', async () => {
    const key = app.key()
    const [first, second] = await createEvents(app, key, 2)
    await ackEvent(app, key, first?.event_id ?? '')
    const { status, body } = await ackMany(['x', first?.event_id, UNKNOWN_ID, second?.event_id, null, second?.event_id], key)
    expect(status).toBe(200)
    expect(body.successful.map(({ index }: { index: number }) => index)).toEqual([3])
    expect(body.failed.map(({ index, error }: { index: number; error: { code: string } }) => [index, error.code])).toEqual([
      [0, 'VALIDATION_ERROR'],
      [1, 'CONFLICT'],
      [2, 'NOT_FOUND'],
      [4, 'VALIDATION_ERROR'],
      [5, 'CONFLICT'],
    ])
    expect(body.failed[0].error.details.field).toBe('event_ids.0')
    expect(body.failed[1].error.details).toMatchObject({
      event_id: first?.event_id,
      current_status: 'acknowledged',
      acknowledged_at: expect.any(String),
    })
    expect(body.failed[2].error.details).toMatchObject({ event_id: UNKNOWN_ID })
  })

  it('fails one alone that the storage could not take; a single one is 503 with Retry-After', async () => {
    const app = await testApp({}, (store) => ({
      ...store,
      ackEvents: async (workspaceId, [, ...others]) => [{ outcome: 'unavailable' }, ...(await store.ackEvents(workspaceId, others))],
    }))
    const key = app.key()
    const ids = (await createEvents(app, key, 2)).map(({ event_id }) => event_id)
    const { status, body } = await app.request('/v1/events/bulk/ack', { method: 'POST', key, body: { event_ids: ids } })
    expect([status, body.successful.map(({ index }: { index: number }) => index)]).toEqual([200, [1]])
    expect(body.failed).toEqual([{ index: 0, error: expect.objectContaining({ code: 'SERVICE_UNAVAILABLE' }) }])
    const single = await app.request(`/v1/events/${ids[0]}/ack`, { method: 'POST', key })
    expect([single.status, single.body.error.code]).toEqual([503, 'SERVICE_UNAVAILABLE'])
    expect(single.headers.get('retry-after')).toMatch(/^[1-9]\d*$/)
  })

  it('is 200 when all fail', async () => {
    const { status, body } = await ackMany([null, UNKNOWN_ID])
    expect([status, body.successful, body.failed.length]).toEqual([200, [], 2])
  })

  it('of fifty at once acknowledges each event once', async () => {
    const key = app.key()
    const ids = (await createEvents(app, key, 5)).map(({ event_id }) => event_id)
    const answers = await Promise.all(Array.from({ length: 50 }, () => ackMany(ids, key)))
    expect(answers.flatMap(({ body }) => body.successful)).toHaveLength(5)
    expect(answers.flatMap(({ body }) => body.failed)).toHaveLength(245)
  })

  it.each(WRONG_ID_LISTS)('refuses %s instead of a list', async (_, eventIds) => {
    expectRefused(await ackMany(eventIds), 400, 'event_ids')
  })

  it('refuses an Idempotency-Key header', async () => {
    expectRefused(await ackMany([UNKNOWN_ID], app.key(), { 'idempotency-key': 'k' }), 400, 'Idempotency-Key')
  })
})
