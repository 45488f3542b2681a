import { beforeEach, describe, expect, it } from 'vitest'
import { type Store, StoreUnavailableError } from './ports.ts'
import { endpoints } from './routes/index.ts'
import { createEvent, INPUT, readAllPages } from './testing/events.ts'
import { sampleRequest } from './testing/sample-request.ts'
import { sharedApp } from './testing/test-app.ts'

const INTERNALS = /SQLITE|SELECT|event_metadata|\.ts:|node_modules|at \w+ \(/

/** What the store's calls fail with at present. */
let fault: Error | undefined

const failing = (store: Store): Store =>
  new Proxy(store, {
    get: (target, name) => {
      const member = Reflect.get(target, name)
      return typeof member === 'function' ? (...input: unknown[]) => (fault ? Promise.reject(fault) : member.apply(target, input)) : member
    },
  })

const app = await sharedApp({}, failing)

/** A request for each call that uses the store. */
const calls = endpoints
  .filter(({ route }) => !['getHealth', 'getWhoami'].includes(route.operationId))
  .map((endpoint) => {
    const { method, path, body } = sampleRequest(endpoint)
    return { name: endpoint.route.operationId, path, options: { method, ...(body !== undefined && { body }) } }
  })

describe('while the storage is unavailable', () => {
  beforeEach(() => {
    fault = new StoreUnavailableError('SQLITE_FULL: database or disk is full, INSERT INTO event_metadata')
  })

  it.each(calls)('$name is 503 with Retry-After, and says nothing of its insides', async ({ path, options }) => {
    const answer = await app.request(path, options)
    expect([answer.status, answer.body.error.code]).toEqual([503, 'SERVICE_UNAVAILABLE'])
    expect(answer.headers.get('retry-after')).toMatch(/^[1-9]\d*$/)
    expect(answer.text).not.toMatch(INTERNALS)
  })

  it('the server answers whether it runs, and who asks', async () => {
    expect((await app.request('/v1/health')).status).toBe(200)
    expect((await app.request('/v1/whoami')).status).toBe(200)
  })

  it('a create stores nothing and leaves its idempotency key free; afterwards all works without a restart', async () => {
    const key = app.key()
    const body = { ...INPUT, metadata: { idempotency_key: 'k' } }
    expect((await app.request('/v1/events', { method: 'POST', key, body })).status).toBe(503)
    fault = undefined
    expect(await readAllPages(app, key, '/v1/events')).toEqual([[]])
    const created = await app.request('/v1/events', { method: 'POST', key, body })
    expect([created.status, created.headers.get('idempotent-replayed')]).toEqual([201, null])
    expect(await readAllPages(app, key, '/v1/inbox')).toEqual([[created.body.event_id]])
  })

  it('pages of other origins see when to come back', async () => {
    const { headers } = await app.request('/v1/inbox', { headers: { origin: 'http://localhost:5173' } })
    expect(headers.get('access-control-allow-origin')).toBe('http://localhost:5173')
    expect(headers.get('access-control-expose-headers')).toContain('Retry-After')
  })

  it('a request that is wrong is told so', async () => {
    expect((await app.request('/v1/events', { method: 'POST', body: {} })).status).toBe(400)
  })
})

describe('a crash in a handler', () => {
  beforeEach(() => {
    fault = new TypeError('SELECT secret FROM event_metadata')
  })

  it.each(calls)('$name is 500 in the envelope, without message, stack or SQL', async ({ path, options }) => {
    const answer = await app.request(path, { ...options, headers: { 'x-request-id': 'crash-1' } })
    expect([answer.status, answer.body.error.code, answer.body.error.request_id]).toEqual([500, 'INTERNAL_ERROR', 'crash-1'])
    expect(answer.text).not.toMatch(INTERNALS)
    expect(answer.text).not.toContain('secret')
  })

  it('leaves the server alive', async () => {
    expect((await app.request('/v1/inbox')).status).toBe(500)
    fault = undefined
    await createEvent(app, app.key())
  })

  it('is logged with its cause, under the request id', async () => {
    const lines: object[] = []
    Object.assign(app.deps.log, { error: (entry: object) => lines.push(entry) })
    await app.request('/v1/inbox', { headers: { 'x-request-id': 'crash-2' } })
    expect(lines).toEqual([expect.objectContaining({ requestId: 'crash-2', err: fault })])
  })
})
