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
import { sharedApp } from '../../testing/test-app.ts'

const app = await sharedApp()

const deleteOne = (eventId: string, key: string) => app.request(`/v1/events/${eventId}`, { method: 'DELETE', key })
const deleteMany = (eventIds: unknown, key = app.key(), headers: Record<string, string> = {}) =>
  app.request('/v1/events/bulk', { method: 'DELETE', key, body: { event_ids: eventIds }, headers })

describe('deleting an event', () => {
  it('removes it from every read', async () => {
    const key = app.key()
    const { event_id } = await createEvent(app, key, { metadata: { region: 'eu' } })
    const answer = await app.request(`/v1/events/${event_id}`, { method: 'DELETE', key, headers: { 'x-request-id': 'del-1' } })
    expect([answer.status, answer.body]).toEqual([200, { event_id, message: expect.stringMatching(/.+/), request_id: 'del-1' }])
    expect((await getEvent(app, key, event_id)).status).toBe(404)
    expect((await ackEvent(app, key, event_id)).status).toBe(404)
    for (const path of ['/v1/inbox', '/v1/events', '/v1/events?metadata.region=eu', '/v1/inbox?source=shop', '/v1/inbox?priority=normal']) {
      expect(await readAllPages(app, key, path), path).toEqual([[]])
    }
  })

  it('removes an acknowledged one', async () => {
    const key = app.key()
    const { event_id } = await createEvent(app, key)
    await ackEvent(app, key, event_id)
    await deleteOne(event_id, key)
    expect((await getEvent(app, key, event_id)).status).toBe(404)
  })

  it('answers the same when it is gone, or never was', async () => {
    const key = app.key()
    const { event_id } = await createEvent(app, key)
    const first = await deleteOne(event_id, key)
    for (const id of [event_id, UNKNOWN_ID, '7d9f2c1e-0f5a-4b63-9a55-0c9d3a1f6b2e']) {
      const again = await deleteOne(id, key)
      expect([again.status, again.body]).toEqual([200, { event_id: id, message: first.body.message, request_id: expect.any(String) }])
    }
  })

  it('leaves the others', async () => {
    const key = app.key()
    const created = await createEvents(app, key, 3)
    await deleteOne(created[1]?.event_id ?? '', key)
    expect(await readAllPages(app, key, '/v1/inbox')).toEqual([[created[0]?.event_id, created[2]?.event_id]])
  })
})

describe('deleting events in bulk', () => {
  it('removes them, and answers each as a single delete does, with its index', async () => {
    const key = app.key()
    const ids = (await createEvents(app, key, 3)).map(({ event_id }) => event_id)
    const gone = ids.slice(0, 2)
    const answer = await deleteMany(gone, key, { 'x-request-id': 'del-2' })
    expect([answer.status, answer.body]).toEqual([
      200,
      { successful: gone.map((event_id, index) => ({ index, event_id, message: expect.any(String) })), failed: [], request_id: 'del-2' },
    ])
    expect(await readAllPages(app, key, '/v1/events')).toEqual([[ids[2]]])
    expect({ ...(await deleteMany(gone, key)).body, request_id: '' }).toEqual({ ...answer.body, request_id: '' })
  })

  it('counts one that is not there, or comes twice, as deleted; a malformed one fails alone', async () => {
    const key = app.key()
    const { event_id } = await createEvent(app, key)
    const { status, body } = await deleteMany([UNKNOWN_ID, 'x', event_id, event_id, null, 7, event_id.toUpperCase(), [event_id]], key)
    expect(status).toBe(200)
    expect(body.successful.map(({ index }: { index: number }) => index)).toEqual([0, 2, 3])
    expect(body.failed.map(({ index, error }: { index: number; error: { code: string } }) => [index, error.code])).toEqual(
      [1, 4, 5, 6, 7].map((index) => [index, 'VALIDATION_ERROR']),
    )
    expect((await getEvent(app, key, event_id)).status).toBe(404)
  })

  it('is 200 when all are malformed', async () => {
    const { status, body } = await deleteMany(['x', null])
    expect([status, body.successful, body.failed.length]).toEqual([200, [], 2])
  })

  it('takes 25', async () => {
    const key = app.key()
    const ids = (await createEvents(app, key, 25)).map(({ event_id }) => event_id)
    expect((await deleteMany(ids, key)).body.successful).toHaveLength(25)
    expect(await readAllPages(app, key, '/v1/events')).toEqual([[]])
  })

  it.each(WRONG_ID_LISTS)('refuses %s instead of a list', async (_, eventIds) => {
    expectRefused(await deleteMany(eventIds), 400, 'event_ids')
  })

  it('refuses an Idempotency-Key header', async () => {
    expectRefused(await deleteMany([UNKNOWN_ID], app.key(), { 'idempotency-key': 'k' }), 400, 'Idempotency-Key')
  })
})
