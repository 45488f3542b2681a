import { describe, expect, it } from 'vitest'
import { buildApp } from '../app.ts'
import { INPUT } from '../testing/events.ts'
import { sharedApp } from '../testing/test-app.ts'

const app = await sharedApp()
const ONE_EVENT = 524_288
const BULK = 5_242_880

/** A body of that many bytes that is valid JSON but for its size: an event, then white space. */
const padded = (body: object, bytes: number) => JSON.stringify(body).padEnd(bytes)

const post = (path: string, body: string, headers: Record<string, string> = {}) => app.request(path, { method: 'POST', body, headers })

describe('the size limit', () => {
  it('is 524,288 bytes for one event', async () => {
    const within = padded(INPUT, ONE_EVENT)
    expect((await post('/v1/events', within, { 'content-length': String(ONE_EVENT) })).status).toBe(201)
    expect((await post('/v1/events', within)).status).toBe(201)
    const stated = await post('/v1/events', `${within} `, { 'content-length': String(ONE_EVENT + 1) })
    expect([stated.status, stated.body.error.code, stated.body.error.details]).toEqual([
      413,
      'PAYLOAD_TOO_LARGE',
      { limit_bytes: ONE_EVENT, actual_bytes: ONE_EVENT + 1 },
    ])
    const streamed = await post('/v1/events', `${within} `)
    expect([streamed.status, streamed.body.error.details]).toEqual([413, { limit_bytes: ONE_EVENT }])
  })

  it('is 5,242,880 bytes for a bulk create', async () => {
    const within = padded({ items: [INPUT] }, BULK)
    expect((await post('/v1/events/bulk', within, { 'content-length': String(BULK) })).status).toBe(201)
    expect((await post('/v1/events/bulk', within)).status).toBe(201)
    const stated = await post('/v1/events/bulk', `${within} `, { 'content-length': String(BULK + 1) })
    expect([stated.status, stated.body.error.details]).toEqual([413, { limit_bytes: BULK, actual_bytes: BULK + 1 }])
    expect((await post('/v1/events/bulk', `${within} `)).status).toBe(413)
  })

  it.each([
    ['POST', '/v1/events/bulk/ack'],
    ['DELETE', '/v1/events/bulk'],
    ['POST', '/v1/events/01932d5e-7c1a-7b44-9d0a-5f3e2b1c4d6e/ack'],
    ['GET', '/v1/inbox'],
    ['GET', '/v1/nothing'],
  ])('is 524,288 bytes for %s %s', async (method, path) => {
    const answer = await app.request(path, { method, headers: { 'content-length': String(ONE_EVENT + 1) } })
    expect([answer.status, answer.body.error.details]).toEqual([413, { limit_bytes: ONE_EVENT, actual_bytes: ONE_EVENT + 1 }])
  })

  it('comes before authentication', async () => {
    const answer = await app.request('/v1/events', { method: 'POST', key: undefined, body: '{}', headers: { 'content-length': '9999999' } })
    expect(answer.status).toBe(413)
  })

  it('stops reading a body of unknown length at the limit', async () => {
    let sent = 0
    const endless = new ReadableStream({
      pull(controller) {
        sent += 65_536
        controller.enqueue(new Uint8Array(65_536).fill(0x20))
      },
    })
    const request = new Request('http://localhost/v1/events', {
      method: 'POST',
      body: endless,
      headers: { 'content-type': 'application/json', 'x-api-key': app.key() },
      duplex: 'half',
    } as RequestInit)
    expect((await buildApp(app.deps).fetch(request)).status).toBe(413)
    expect(sent).toBeLessThan(ONE_EVENT + 5 * 65_536)
  })

  it('refuses a body that breaks off', async () => {
    const broken = new ReadableStream({
      start(controller) {
        controller.enqueue(new TextEncoder().encode('{"source":'))
        controller.error(new Error('the connection is gone'))
      },
    })
    const request = new Request('http://localhost/v1/events', {
      method: 'POST',
      body: broken,
      headers: { 'content-type': 'application/json', 'x-api-key': app.key() },
      duplex: 'half',
    } as RequestInit)
    expect((await buildApp(app.deps).fetch(request)).status).toBe(400)
  })
})
