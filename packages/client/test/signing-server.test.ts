/** Signed requests that the client did not send, against the real server. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { Triggers } from '../src/index.ts'
import { signTestRequest } from '../src/testing.ts'
import { startServer, type TestServer } from './server.ts'

let server: TestServer
let key: { apiKey: string; secret: string }

beforeAll(async () => {
  server = await startServer()
  const triggers = new Triggers({ apiKey: server.apiKey, baseUrl: server.url })
  const created = await triggers.apiKeys.create({ name: 'signed', scopes: ['events:write', 'inbox:consume'], require_signature: true })
  key = { apiKey: created.api_key, secret: created.signing_secret ?? '' }
})
afterAll(() => server.stop())

const BODY = JSON.stringify({ source: 'my shop', event_type: 'order.placed', payload: { name: 'Zoë' } })

it('are taken, with a body and with a query', async () => {
  const created = await fetch(`${server.url}/v1/events`, await signTestRequest({ ...key, url: `${server.url}/v1/events`, body: BODY }))
  expect(created.status).toBe(201)
  const url = new URL('/v1/inbox?source=my%20shop&limit=10', server.url)
  const listed = await fetch(url, await signTestRequest({ ...key, url }))
  expect(await listed.json()).toMatchObject({ events: [{ payload: { name: 'Zoë' } }] })
})

it.each([
  ['another body', { body: BODY.replace('Zoë', 'Zoe') }, 'signature_mismatch'],
  ['another method', { method: 'PUT' }, 'signature_mismatch'],
])('are refused with %s', async (_, change, reason) => {
  const url = `${server.url}/v1/events`
  const response = await fetch(url, { ...(await signTestRequest({ ...key, url, body: BODY })), ...change })
  expect([response.status, await response.json()]).toMatchObject([401, { error: { details: { reason } } }])
})

it.each([
  [-301, 'stale_timestamp'],
  [301, 'future_timestamp'],
])('are refused when they are signed for a time %i seconds away', async (seconds, reason) => {
  const url = `${server.url}/v1/inbox`
  const timestamp = Math.floor(Date.now() / 1000) + Math.sign(seconds) * 2 + seconds
  const response = await fetch(url, await signTestRequest({ ...key, url, timestamp }))
  expect([response.status, await response.json()]).toMatchObject([401, { error: { details: { reason } } }])
})
