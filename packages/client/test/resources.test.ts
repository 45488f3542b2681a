/** Every call, against the real server. */
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  AuthenticationError,
  ConflictError,
  type EventInput,
  NotFoundError,
  PermissionError,
  Triggers,
  ValidationError,
} from '../src/index.ts'
import { startServer, type TestServer } from './server.ts'

let server: TestServer
let triggers: Triggers

beforeAll(async () => {
  server = await startServer()
  triggers = new Triggers({ apiKey: server.apiKey, baseUrl: server.url })
})
afterAll(() => server.stop())

/** An interface, as users have them: without an index signature. */
interface Order {
  order: number
}

function order(source: string, number = 1): EventInput<Order> {
  return { source, event_type: 'order.placed', payload: { order: number } }
}

describe('events', () => {
  it('creates an event that can be read, with the payload typed', async () => {
    const created = await triggers.events.create<Order>({ ...order('typed', 7), metadata: { priority: 'high', region: 'eu' } })
    expect(created).toMatchObject({ status: 'pending', message: expect.any(String), request_id: expect.any(String) })
    const event = await triggers.events.get<Order>(created.event_id)
    const number: number = event.payload.order
    expect(number).toBe(7)
    expect(event.metadata).toMatchObject({ priority: 'high', region: 'eu' })
  })

  it('gives each create an idempotency key of its own, in the metadata', async () => {
    const [one, other] = await Promise.all([triggers.events.create(order('keys')), triggers.events.create(order('keys'))])
    expect(one.event_id).not.toBe(other.event_id)
    const { metadata } = await triggers.events.get(one.event_id)
    expect(metadata.idempotency_key).toMatch(/^[0-9a-f-]{36}$/)
  })

  it('takes an idempotency key from the options or the metadata, and answers with the first event', async () => {
    const first = await triggers.events.create(order('given'), { idempotencyKey: 'order-1' })
    const second = await triggers.events.create({ ...order('given'), metadata: { idempotency_key: 'order-1' } }).withResponse()
    expect(second.data.event_id).toBe(first.event_id)
    expect(second.headers['idempotent-replayed']).toBe('true')
  })

  it('does not change the event that it is given', async () => {
    const event = Object.freeze({ ...order('frozen'), metadata: Object.freeze({ region: 'eu' }) })
    await triggers.events.create(event)
    expect(event).toEqual({ ...order('frozen'), metadata: { region: 'eu' } })
  })

  it('sends text as it is: emoji, lone surrogates and all', async () => {
    const payload = { 'k€y': '🚀 \ud800 ünï' }
    const { event_id } = await triggers.events.create({ source: 'text', event_type: 'text', payload })
    expect((await triggers.events.get(event_id)).payload).toEqual(payload)
  })

  it('deletes an event, also one that is not there', async () => {
    const { event_id } = await triggers.events.create(order('deleted'))
    expect(await triggers.events.delete(event_id)).toMatchObject({ event_id, request_id: expect.any(String) })
    await triggers.events.delete(event_id)
    await expect(triggers.events.get(event_id)).rejects.toThrow(NotFoundError)
  })

  it('filters with characters that a URL would not take', async () => {
    const source = "it's 100% (a&b=c)*! ☂ +"
    const { event_id } = await triggers.events.create({ ...order(source), metadata: { 'a.b': 'x y', n: 5 } })
    await triggers.events.create(order('another'))
    const { data } = await triggers.events.list({ source, 'metadata.a.b': 'x y', 'metadata.n': 5, event_type: undefined })
    expect(data.map((event) => event.event_id)).toEqual([event_id])
  })
})

describe('lists', () => {
  it('gives a page that knows the next one', async () => {
    for (let n = 0; n < 5; n++) await triggers.events.create(order('pages', n))
    const page = await triggers.inbox.list<Order>({ source: 'pages', limit: 2 })
    expect(page).toMatchObject({ has_more: true, next_cursor: expect.any(String), request_id: expect.any(String) })
    expect(page.data.map(({ payload }) => payload.order)).toEqual([0, 1])
    const second = await page.nextPage()
    const third = await second?.nextPage()
    expect(third?.data.map(({ payload }) => payload.order)).toEqual([4])
    expect(third).toMatchObject({ has_more: false, next_cursor: null })
    expect(await third?.nextPage()).toBeUndefined()
  })

  it('follows the cursors in for await, as far as it is asked to', async () => {
    for (let n = 0; n < 7; n++) await triggers.events.create(order('iterated', n))
    const seen: number[] = []
    for await (const { payload } of triggers.events.list<Order>({ source: 'iterated', limit: 3, order: 'asc' })) {
      seen.push(payload.order)
    }
    expect(seen).toEqual([0, 1, 2, 3, 4, 5, 6])

    const first = triggers.events.list<Order>({ source: 'iterated', limit: 3 })
    for await (const { payload } of first) if (payload.order === 5) break
    const rest: number[] = []
    const { next_cursor } = await first
    for await (const { payload } of triggers.events.list<Order>({ source: 'iterated', limit: 3, cursor: next_cursor ?? '' })) {
      rest.push(payload.order)
    }
    expect(rest).toEqual([3, 2, 1, 0])
  })

  it('rejects in for await as an awaited call does', async () => {
    const read = async () => {
      for await (const _ of triggers.inbox.list({ limit: 1000 })) void _
    }
    await expect(read()).rejects.toThrow(ValidationError)
  })
})

describe('the inbox', () => {
  it('acknowledges once', async () => {
    const { event_id } = await triggers.events.create(order('acked'))
    expect(await triggers.inbox.ack(event_id)).toMatchObject({ event_id, status: 'acknowledged', acknowledged_at: expect.any(String) })
    const second = triggers.inbox.ack(event_id)
    await expect(second).rejects.toThrow(ConflictError)
    await expect(second).rejects.toMatchObject({ status: 409, code: 'CONFLICT', details: { event_id } })
    expect((await triggers.inbox.list({ source: 'acked' })).data).toEqual([])
  })
})

describe('API keys and the audit log', () => {
  it('does all that can be done to a key', async () => {
    const created = await triggers.apiKeys.create({ name: 'Shop', scopes: ['events:write', 'events:read'], require_signature: true })
    const { key_id, api_key, signing_secret } = created
    expect((await triggers.apiKeys.get(key_id)).name).toBe('Shop')
    expect((await triggers.apiKeys.update(key_id, { name: 'Shop 2', allowed_ips: undefined })).name).toBe('Shop 2')
    const names: string[] = []
    for await (const { name } of triggers.apiKeys.list({ limit: 1 })) names.push(name)
    expect(names).toContain('Shop 2')

    const signing = new Triggers({ apiKey: api_key, baseUrl: `${server.url}/v1/`, signingSecret: signing_secret })
    const { event_id } = await signing.events.create(order('signed'))
    expect(event_id).toEqual(expect.any(String))
    for await (const { source } of signing.events.list({ source: "sig'n*(e)d ☂", limit: 1 })) expect(source).toBe('signed')
    const unsigned = new Triggers({ apiKey: api_key, baseUrl: server.url })
    await expect(unsigned.events.create(order('unsigned'))).rejects.toThrow(AuthenticationError)
    await expect(signing.apiKeys.list()).rejects.toThrow(PermissionError)

    const rotated = await triggers.apiKeys.rotate(key_id, { transition_days: 3 })
    expect(rotated).toMatchObject({ key_id, version: 2, previous_version: 1, api_key: expect.any(String) })
    expect((await triggers.apiKeys.versions(key_id)).versions.map(({ version }) => version)).toEqual([2, 1])
    expect((await triggers.apiKeys.createSigningSecret(key_id)).signing_secret).not.toBe(signing_secret)

    expect(await triggers.apiKeys.delete(key_id)).toBeUndefined()
    expect(await triggers.apiKeys.delete(key_id).withResponse()).toMatchObject({ data: undefined, status: 204 })
    const actions: string[] = []
    for await (const { action, target } of triggers.auditLog.list({ limit: 2 })) if (target.id === key_id) actions.push(action)
    expect(actions).toContain('api_key.rotated')
  })
})

describe('the client itself', () => {
  it('says who it is, and that the server runs', async () => {
    expect(await triggers.whoami()).toMatchObject({ workspace_id: 'default' })
    expect(await triggers.health()).toMatchObject({ status: 'healthy' })
  })

  it('names its calls, or takes their name', async () => {
    const { requestId, headers, status, data } = await triggers.whoami().withResponse()
    expect({ requestId, status }).toEqual({ requestId: data.request_id, status: 200 })
    expect(headers['x-request-id']).toBe(requestId)
    expect((await triggers.whoami({ headers: { 'X-Request-Id': 'my-call' } })).request_id).toBe('my-call')
  })
})

it('has a method for every operation of the document', async () => {
  const document: { paths: Record<string, Record<string, { operationId: string }>> } = JSON.parse(
    readFileSync(new URL('../../../apps/api/openapi.json', import.meta.url), 'utf8'),
  )
  const operations = Object.entries(document.paths).flatMap(([path, item]) =>
    Object.keys(item)
      .filter((method) => method !== 'parameters')
      .map((method) => `${method.toUpperCase()} ${path}`),
  )
  const asked = new Set<string>()
  const recorder = new Triggers({
    apiKey: 'key',
    maxRetries: 0,
    logger: {
      onRequest: ({ method, url }) => asked.add(`${method} ${new URL(url).pathname.replace('/ID', '/{id}')}`),
    },
    fetchAdapter: async () => Response.json({}),
  })
  const { events, inbox, webhooks, deliveries, replays, apiKeys, auditLog } = recorder
  const calls = [
    () => events.create(order('s')),
    () => events.createMany([order('s')]),
    () => events.get('ID'),
    () => events.list(),
    () => events.delete('ID'),
    () => events.deleteMany(['ID']),
    () => events.deliveries('ID'),
    () => events.trace('ID'),
    () => inbox.list(),
    () => inbox.ack('ID'),
    () => inbox.ackMany(['ID']),
    () => webhooks.create({ url: 'https://a.example', events: ['*'] }),
    () => webhooks.list(),
    () => webhooks.get('ID'),
    () => webhooks.update('ID', {}),
    () => webhooks.delete('ID'),
    () => webhooks.test('ID'),
    () => webhooks.rotateSecret('ID'),
    () => webhooks.deliveries('ID'),
    () => webhooks.replay('ID', { since: '2026-01-01' }),
    () => webhooks.replays('ID'),
    () => deliveries.get('ID'),
    () => deliveries.retry('ID'),
    () => replays.get('ID'),
    () => replays.cancel('ID'),
    () => apiKeys.create({ name: 'n', scopes: [] }),
    () => apiKeys.list(),
    () => apiKeys.get('ID'),
    () => apiKeys.update('ID', {}),
    () => apiKeys.delete('ID'),
    () => apiKeys.rotate('ID'),
    () => apiKeys.versions('ID'),
    () => apiKeys.createSigningSecret('ID'),
    () => auditLog.list(),
    () => recorder.whoami(),
    () => recorder.health(),
  ]
  for (const call of calls) await call().then(undefined, () => undefined)
  expect([...asked].sort()).toEqual(operations.map((operation) => operation.replace(/\{\w+\}/, '{id}')).sort())
})
