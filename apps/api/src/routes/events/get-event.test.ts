import { expect, it } from 'vitest'
import { createEvent, getEvent } from '../../testing/events.ts'
import { sharedApp } from '../../testing/test-app.ts'

const app = await sharedApp()

it('gives the event, with the request id beside its fields', async () => {
  const key = app.key()
  const { event_id } = await createEvent(app, key)
  const { status, body } = await app.request(`/v1/events/${event_id}`, { key, headers: { 'x-request-id': 'get-1' } })
  expect([status, Object.keys(body), body.request_id]).toEqual([
    200,
    ['event_id', 'created_at', 'source', 'event_type', 'payload', 'status', 'metadata', 'acknowledged_at', 'request_id'],
    'get-1',
  ])
})

it('gives an event as the lists give it, but for the request id', async () => {
  const key = app.key()
  const { event_id } = await createEvent(app, key, { metadata: { priority: 'high', n: 1.5 } })
  const { request_id: _, ...single } = (await getEvent(app, key, event_id)).body
  for (const path of ['/v1/events', '/v1/inbox']) expect((await app.request(path, { key })).body.events, path).toEqual([single])
})

it.each(['01932d5e-7c1a-7b44-9d0a-5f3e2b1c4d6e', '7d9f2c1e-0f5a-4b63-9a55-0c9d3a1f6b2e', 'ffffffff-ffff-7fff-bfff-ffffffffffff'])(
  'is 404 for %s, which is not there',
  async (id) => {
    const answer = await getEvent(app, app.key(), id)
    expect([answer.status, answer.body.error.code, answer.body.error.details]).toEqual([
      404,
      'NOT_FOUND',
      { event_id: id, suggestion: expect.stringMatching(/.+/) },
    ])
  },
)
