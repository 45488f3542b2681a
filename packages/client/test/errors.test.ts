/** What errors say, and what nothing ever says: the secrets. */
import { inspect } from 'node:util'
import { afterEach, describe, expect, it, vi } from 'vitest'
import {
  ApiError,
  AuthenticationError,
  ConflictError,
  IdempotencyKeyReusedError,
  NotFoundError,
  PayloadTooLargeError,
  PermissionError,
  RateLimitError,
  ServerError,
  Triggers,
  TriggersError,
  ValidationError,
} from '../src/index.ts'
import { errorBody, type Step, startFaultyServer } from './faulty-server.ts'

const KEY = 'trg_canary_of_the_key'
const SECRET = 'sign_canary_of_the_signing_secret'
const EVENT = { source: 'shop', event_type: 'order.placed', payload: {} }

function secretsIn(value: unknown): string[] {
  const shown = [inspect(value, { depth: 20, showHidden: true, getters: true }), String(value), JSON.stringify(value)]
  if (value instanceof Error) shown.push(value.stack ?? '', value.message, inspect(Object.getOwnPropertyDescriptors(value), { depth: 20 }))
  return shown.filter((text) => text?.includes('canary'))
}

afterEach(() => vi.unstubAllEnvs())

describe('errors', () => {
  it.each<[number, string, typeof ApiError]>([
    [400, 'VALIDATION_ERROR', ValidationError],
    [401, 'UNAUTHORIZED', AuthenticationError],
    [403, 'FORBIDDEN', PermissionError],
    [404, 'NOT_FOUND', NotFoundError],
    [405, 'METHOD_NOT_ALLOWED', ApiError],
    [409, 'CONFLICT', ConflictError],
    [413, 'PAYLOAD_TOO_LARGE', PayloadTooLargeError],
    [415, 'VALIDATION_ERROR', ValidationError],
    [422, 'VALIDATION_ERROR', ValidationError],
    [422, 'IDEMPOTENCY_KEY_REUSED', IdempotencyKeyReusedError],
    [429, 'RATE_LIMIT_EXCEEDED', RateLimitError],
    [500, 'INTERNAL_ERROR', ServerError],
    [503, 'SERVICE_UNAVAILABLE', ServerError],
  ])('%i %s is an error of its own class, with all that the server said', async (status, code, Class) => {
    const body = errorBody(code, { field: 'source', suggestion: 'Say where it comes from.' })
    const server = await startFaultyServer({ status, body, headers: { 'retry-after': '7' } })
    const error = await failureOf(new Triggers({ apiKey: KEY, baseUrl: server.url, maxRetries: 0 }).events.create(EVENT))
    expect(error).toBeInstanceOf(Class)
    expect(error).toBeInstanceOf(ApiError)
    expect(error).toBeInstanceOf(TriggersError)
    expect(error).toMatchObject({
      name: Class.name,
      status,
      code,
      message: `This is ${code}.`,
      requestId: 'request-of-the-server',
      retryAfterMs: 7000,
    })
    expect(error).toMatchObject({ details: { field: 'source', suggestion: 'Say where it comes from.' }, headers: { 'retry-after': '7' } })
    if (Class === IdempotencyKeyReusedError) expect(error).not.toBeInstanceOf(ValidationError)
  })

  it('says what a proxy said, where that is not the envelope', async () => {
    const server = await startFaultyServer({ status: 418, text: '["tea"]' })
    const error = await failureOf(new Triggers({ apiKey: KEY, baseUrl: server.url }).whoami())
    expect(error).toMatchObject({ status: 418, code: 'HTTP_418', details: {}, requestId: expect.stringMatching(/^[0-9a-f-]{36}$/) })
  })

  it.each(['', '.', '..'])('is a rejection, and no other call, for the id %j', async (id) => {
    const server = await startFaultyServer({ status: 200, body: {} })
    const triggers = new Triggers({ apiKey: KEY, baseUrl: server.url })
    await expect(triggers.events.get(id)).rejects.toThrow(TypeError)
    await expect(triggers.apiKeys.delete(id)).rejects.toThrow(TypeError)
    expect(server.requests).toEqual([])
  })

  it('escapes an id', async () => {
    const server = await startFaultyServer({ status: 200, body: {} })
    await new Triggers({ apiKey: KEY, baseUrl: server.url }).events.get('../inbox?limit=1#é')
    expect(server.requests[0]?.target).toBe('/v1/events/..%2Finbox%3Flimit%3D1%23%C3%A9')
  })
})

describe('secrets', () => {
  const failures: [string, Step | undefined][] = [
    ['401', { status: 401, body: errorBody('UNAUTHORIZED') }],
    ['503', { status: 503 }],
    ['a reset', 'reset'],
    ['half an answer', 'half'],
    ['silence', 'silence'],
    ['a redirect', { status: 302, headers: { location: '/elsewhere' } }],
    ['a refused connection', undefined],
  ]
  it.each(failures.flatMap(([name, step]) => [false, true].map((overFetch) => [name, overFetch, step] as const)))(
    'are not in the error after %s (fetch: %s)',
    async (_, fetchAdapter, step) => {
      const baseUrl = step === undefined ? 'http://127.0.0.1:9' : (await startFaultyServer(step)).url
      const told: unknown[] = []
      const tell = (info: unknown) => void told.push(info)
      const triggers = new Triggers({
        apiKey: KEY,
        signingSecret: SECRET,
        baseUrl,
        fetchAdapter,
        maxRetries: 1,
        timeoutMs: 100,
        logger: { onRequest: tell, onResponse: tell, onRetry: tell },
      })
      const error = await failureOf(triggers.events.create(EVENT))
      expect(error).toBeInstanceOf(TriggersError)
      expect(secretsIn(error)).toEqual([])
      expect(error.cause).toBeUndefined()
      expect(told.length).toBeGreaterThan(0)
      for (const info of told) expect(secretsIn(info)).toEqual([])
    },
  )

  it('are not in a client that is printed, nor in what it gives', async () => {
    const server = await startFaultyServer({ status: 200, body: { events: [], pagination: { next_cursor: 'c' }, request_id: 'r' } })
    const triggers = new Triggers({ apiKey: KEY, signingSecret: SECRET, baseUrl: server.url })
    const list = triggers.inbox.list()
    const response = await list.withResponse()
    const { events, inbox, webhooks, deliveries, replays, apiKeys } = triggers
    for (const value of [triggers, events, inbox, webhooks, deliveries, replays, apiKeys, list, await list, response]) {
      expect(secretsIn(value)).toEqual([])
    }
    expect(Object.keys({ ...triggers })).toEqual(['baseUrl', 'events', 'inbox', 'webhooks', 'deliveries', 'replays', 'apiKeys', 'auditLog'])
  })

  it('are not in what a wrong option is answered with', () => {
    for (const options of [
      { apiKey: 'canary key' },
      { apiKey: 'canary\nkey' },
      { apiKey: KEY, baseUrl: 'http://user:canary@127.0.0.1' },
      { apiKey: KEY, baseUrl: 'http://127.0.0.1/?key=canary' },
      { apiKey: KEY, signingSecret: SECRET, baseUrl: 'canary' },
    ]) {
      const error = errorOf(() => new Triggers(options))
      expect(error).toBeInstanceOf(TriggersError)
      expect(secretsIn(error)).toEqual([])
    }
  })
})

describe('options', () => {
  it('come from the environment where they are not given', async () => {
    const server = await startFaultyServer({ status: 200, body: { scopes: [] } })
    vi.stubEnv('TRIGGERS_API_KEY', 'key-of-the-environment')
    vi.stubEnv('TRIGGERS_URL', `${server.url}/v1`)
    vi.stubEnv('TRIGGERS_SIGNING_SECRET', 'sign_environment')
    await new Triggers().whoami()
    expect(server.requests[0]?.headers).toMatchObject({ 'x-api-key': 'key-of-the-environment', 'x-signature-version': 'v1' })
  })

  it('say what is missing', () => {
    vi.stubEnv('TRIGGERS_API_KEY', '')
    vi.stubEnv('TRIGGERS_URL', '')
    expect(() => new Triggers()).toThrow(/TRIGGERS_API_KEY/)
    expect(new Triggers({ apiKey: 'k' }).baseUrl).toBe('http://127.0.0.1:8080')
  })

  it.each([
    ['http://127.0.0.1:8080/', 'http://127.0.0.1:8080'],
    ['http://127.0.0.1:8080/v1', 'http://127.0.0.1:8080'],
    ['https://example.com/events/v1/', 'https://example.com/events'],
  ])('takes %s as the server at %s', (baseUrl, expected) => {
    expect(new Triggers({ apiKey: 'k', baseUrl }).baseUrl).toBe(expected)
  })

  it.each([
    [{ maxRetries: -1 }, 'maxRetries'],
    [{ maxRetries: 1.5 }, 'maxRetries'],
    [{ timeoutMs: 0 }, 'timeoutMs'],
    [{ totalTimeoutMs: Number.NaN }, 'totalTimeoutMs'],
  ])('refuse %j, for the client and for a call', async (wrong, name) => {
    expect(() => new Triggers({ apiKey: 'k', ...wrong })).toThrow(name)
    await expect(new Triggers({ apiKey: 'k' }).health(wrong)).rejects.toThrow(name)
  })

  it('adds headers, but for those that are its own', async () => {
    const server = await startFaultyServer({ status: 200, body: {} })
    const triggers = new Triggers({ apiKey: 'k', baseUrl: server.url, headers: { 'X-One': '1', 'x-two': '2', 'User-Agent': 'mine' } })
    await triggers.events.create(EVENT, {
      headers: { 'X-ONE': 'one', 'x-api-key': 'other', 'Content-Type': 'text/plain', 'x-two': undefined },
    })
    expect(server.requests[0]?.headers).toMatchObject({
      'x-one': 'one',
      'x-two': '2',
      'x-api-key': 'k',
      'content-type': 'application/json',
      'user-agent': 'mine',
    })
  })

  it.each([false, true])('sends the headers that the conventions ask for, and none of its tools (fetch: %s)', async (fetchAdapter) => {
    const server = await startFaultyServer({ status: 200, body: {} })
    const triggers = new Triggers({ apiKey: 'k', baseUrl: server.url, fetchAdapter })
    await triggers.inbox.ack('id')
    const { headers, body } = server.requests[0] ?? {}
    expect(headers).toMatchObject({
      'x-api-key': 'k',
      accept: 'application/json',
      'x-request-id': expect.stringMatching(/^[0-9a-f-]{36}$/),
    })
    expect(headers?.['user-agent']).toMatch(/^triggers-client\/\d+\.\d+\.\d+ node\/\d+/)
    expect(headers?.['content-type']).toBeUndefined()
    expect(JSON.stringify(headers)).not.toContain('axios')
    expect(body).toBe('')
  })
})

async function failureOf(call: PromiseLike<unknown>): Promise<Error> {
  try {
    await call
  } catch (error) {
    if (error instanceof Error) return error
  }
  throw new Error('It did not fail.')
}

function errorOf(act: () => unknown): Error {
  try {
    act()
  } catch (error) {
    if (error instanceof Error) return error
  }
  throw new Error('It did not throw.')
}
