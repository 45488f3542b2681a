/** What is tried again, how often, and when. */
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import {
  ApiError,
  ConflictError,
  ConnectionError,
  NotFoundError,
  RateLimitError,
  ServerError,
  signRequest,
  TimeoutError,
  Triggers,
  type TriggersOptions,
  ValidationError,
} from '../src/index.ts'
import { parseRetryAfter, retryDelayMs } from '../src/retry.ts'
import { errorBody, type FaultyServer, type Step, startFaultyServer } from './faulty-server.ts'
import { startServer, type TestServer } from './server.ts'

const EVENT = { source: 'shop', event_type: 'order.placed', payload: { order: 1 } }
const CREATED = {
  status: 201,
  body: { event_id: 'e', status: 'pending', created_at: 'now', message: 'Event stored.', request_id: 'r' },
} as const
const BUSY = { status: 503, body: errorBody('SERVICE_UNAVAILABLE') } as const
const CRASH = { status: 500, body: errorBody('INTERNAL_ERROR') } as const

let real: TestServer
beforeAll(async () => {
  real = await startServer()
})
afterAll(() => real.stop())

// No wait between the tries, unless a Retry-After says so.
beforeEach(() => {
  const random = vi.spyOn(Math, 'random').mockReturnValue(0)
  return () => random.mockRestore()
})

async function clientOf(steps: [Step, ...Step[]], options: TriggersOptions = {}): Promise<{ triggers: Triggers; server: FaultyServer }> {
  const server = await startFaultyServer(...steps)
  return { server, triggers: new Triggers({ apiKey: real.apiKey, baseUrl: server.url, ...options }) }
}

function keyOf(body: string): string {
  return JSON.parse(body).metadata.idempotency_key
}

describe('a create', () => {
  const failures: [string, Step][] = [
    ['503', BUSY],
    ['500', CRASH],
    ['502 of a proxy', { status: 502, headers: { 'content-type': 'text/html' }, text: '<h1>Bad gateway</h1>' }],
    ['408', { status: 408, body: errorBody('REQUEST_TIMEOUT') }],
    ['429', { status: 429, headers: { 'retry-after': '0' }, body: errorBody('RATE_LIMIT_EXCEEDED') }],
    ['a reset', 'reset'],
    ['half an answer', 'half'],
    ['an answer cut without its length', { status: 201, text: '{"event_id":' }],
  ]
  it.each(failures)('is tried again after %s, with the same key and the same request id', async (_, failure) => {
    const { triggers, server } = await clientOf([failure, failure, CREATED])
    expect((await triggers.events.create(EVENT)).event_id).toBe('e')
    expect(server.requests).toHaveLength(3)
    expect(new Set(server.requests.map(({ body }) => keyOf(body))).size).toBe(1)
    expect(new Set(server.requests.map(({ headers }) => headers['x-request-id'])).size).toBe(1)
  })

  it('is tried four times by default, then rejects with the last failure', async () => {
    const { triggers, server } = await clientOf([CRASH])
    await expect(triggers.events.create(EVENT)).rejects.toThrow(ServerError)
    expect(server.requests).toHaveLength(4)
  })

  it('is tried as often as the client, or the call, says', async () => {
    const { triggers, server } = await clientOf([CRASH], { maxRetries: 1 })
    await expect(triggers.events.create(EVENT)).rejects.toThrow(ServerError)
    expect(server.requests).toHaveLength(2)
    await expect(triggers.events.create(EVENT, { maxRetries: 0 })).rejects.toThrow(ServerError)
    expect(server.requests).toHaveLength(3)
  })

  it('is not tried again after an error that would come again', async () => {
    const { triggers, server } = await clientOf([{ status: 400, body: errorBody('VALIDATION_ERROR') }])
    await expect(triggers.events.create(EVENT)).rejects.toThrow(ValidationError)
    expect(server.requests).toHaveLength(1)
  })

  it('whose answer was lost gives the same event', async () => {
    const { triggers, server } = await clientOf([{ loseAnswerOf: real.url }, { passOnTo: real.url }])
    const created = await triggers.events.create({ ...EVENT, source: 'lost' })
    expect(server.requests).toHaveLength(2)
    const direct = new Triggers({ apiKey: real.apiKey, baseUrl: real.url })
    expect((await direct.inbox.list({ source: 'lost' })).data.map(({ event_id }) => event_id)).toEqual([created.event_id])
  })

  it('is signed anew for each try', async () => {
    let nowMs = 1_763_712_000_000
    const clock = vi.spyOn(Date, 'now').mockImplementation(() => nowMs)
    const onRetry = () => {
      nowMs += 30_000
    }
    const { triggers, server } = await clientOf([BUSY, CREATED], { signingSecret: 'sign_secret', logger: { onRetry } })
    await triggers.events.create(EVENT).finally(() => clock.mockRestore())
    expect(server.requests.map(({ headers }) => headers['x-signature-timestamp'])).toEqual(['1763712000', '1763712030'])
    for (const { method, target, body, headers } of server.requests) {
      const timestamp = Number(headers['x-signature-timestamp'])
      const expected = await signRequest({ method, target, body, secret: 'sign_secret', timestamp })
      expect(headers['x-signature']).toBe(expected['X-Signature'])
    }
  })
})

describe('a write without an idempotency key', () => {
  const rotate = (triggers: Triggers) => triggers.apiKeys.rotate('key_1')
  const ROTATED = { status: 200, body: { key_id: 'key_1' } } as const

  it.each<[string, Step]>([
    ['500', CRASH],
    ['408', { status: 408, body: errorBody('REQUEST_TIMEOUT') }],
    ['a reset', 'reset'],
    ['half an answer', 'half'],
  ])('is not tried again after %s: it may have been done', async (_, failure) => {
    const { triggers, server } = await clientOf([failure, ROTATED])
    await expect(rotate(triggers)).rejects.toThrow()
    expect(server.requests).toHaveLength(1)
  })

  it.each<[string, Step]>([
    ['503', BUSY],
    ['429', { status: 429, headers: { 'retry-after': '0' }, body: errorBody('RATE_LIMIT_EXCEEDED') }],
  ])('is tried again after %s: nothing was done', async (_, failure) => {
    const { triggers, server } = await clientOf([failure, ROTATED])
    expect((await rotate(triggers)).key_id).toBe('key_1')
    expect(server.requests).toHaveLength(2)
  })

  it('is tried again when the connection is refused', async () => {
    const attempts: number[] = []
    const triggers = new Triggers({
      apiKey: 'k',
      baseUrl: await closedUrl(),
      logger: { onRequest: ({ attempt }) => attempts.push(attempt) },
    })
    await expect(rotate(triggers)).rejects.toMatchObject({ name: 'ConnectionError', code: 'ECONNREFUSED' })
    expect(attempts).toEqual([1, 2, 3, 4])
  })
})

describe('an ack', () => {
  async function eventId(): Promise<string> {
    return (await new Triggers({ apiKey: real.apiKey, baseUrl: real.url }).events.create(EVENT)).event_id
  }

  it('whose answer was lost is done, when the retry finds it acknowledged', async () => {
    const { triggers, server } = await clientOf([{ loseAnswerOf: real.url }, { passOnTo: real.url }])
    const id = await eventId()
    const { data, requestId } = await triggers.inbox.ack(id).withResponse()
    const { acknowledged_at } = await new Triggers({ apiKey: real.apiKey, baseUrl: real.url }).events.get(id)
    expect(data).toEqual({ event_id: id, status: 'acknowledged', acknowledged_at, message: 'Event acknowledged.', request_id: requestId })
    expect(server.requests).toHaveLength(2)
  })

  it('stays done when between the lost answer and the conflict nothing was done', async () => {
    const { triggers } = await clientOf([{ loseAnswerOf: real.url }, BUSY, { passOnTo: real.url }])
    const id = await eventId()
    expect(await triggers.inbox.ack(id)).toMatchObject({ event_id: id, status: 'acknowledged' })
  })

  it('is a conflict when no earlier try can have reached the server', async () => {
    const id = await eventId()
    const { triggers } = await clientOf([{ passOnTo: real.url }])
    await triggers.inbox.ack(id)
    await expect(triggers.inbox.ack(id)).rejects.toThrow(ConflictError)
    const { triggers: busy, server } = await clientOf([BUSY, { status: 429, headers: { 'retry-after': '0' } }, { passOnTo: real.url }])
    await expect(busy.inbox.ack(id)).rejects.toThrow(ConflictError)
    expect(server.requests).toHaveLength(3)
  })
})

describe('a delete', () => {
  const GONE = { status: 404, body: errorBody('NOT_FOUND') } as const

  it('that finds nothing any more after a lost answer is done', async () => {
    const { triggers } = await clientOf(['reset', GONE])
    expect(await triggers.apiKeys.delete('key_1')).toBeUndefined()
    const { triggers: other } = await clientOf(['reset', GONE])
    expect(await other.events.delete('e')).toMatchObject({ event_id: 'e', request_id: 'request-of-the-server' })
  })

  it('that finds nothing at once is not', async () => {
    const { triggers } = await clientOf([BUSY, GONE])
    await expect(triggers.apiKeys.delete('key_1')).rejects.toThrow(NotFoundError)
  })
})

describe('the wait before a retry', () => {
  const failure = (retryAfterMs?: number) =>
    new RateLimitError({ status: 429, code: 'RATE_LIMIT_EXCEEDED', message: '', requestId: '', details: {}, headers: {}, retryAfterMs })

  it('is what the server asks for, at most a minute', () => {
    expect(retryDelayMs(failure(1500), 0, () => 0.5)).toBe(1500)
    expect(retryDelayMs(failure(0), 3, () => 0.5)).toBe(0)
    expect(retryDelayMs(failure(3_600_000), 0, () => 0.5)).toBe(60_000)
  })

  it('else is anywhere up to a limit that doubles, from half a second to eight', () => {
    expect([0, 1, 2, 3, 4, 5, 50].map((retries) => retryDelayMs(failure(), retries, () => 1))).toEqual([
      500, 1000, 2000, 4000, 8000, 8000, 8000,
    ])
    expect(retryDelayMs(failure(), 2, () => 0.25)).toBe(500)
    expect(retryDelayMs(failure(), 2, () => 0)).toBe(0)
  })

  it('reads Retry-After as seconds or as a date', () => {
    const nowMs = Date.UTC(2025, 10, 21, 8)
    expect(parseRetryAfter('3', nowMs)).toBe(3000)
    expect(parseRetryAfter('Fri, 21 Nov 2025 08:00:09 GMT', nowMs)).toBe(9000)
    expect(parseRetryAfter('Fri, 21 Nov 2025 07:00:00 GMT', nowMs)).toBe(0)
    expect(parseRetryAfter('soon', nowMs)).toBeUndefined()
    expect(parseRetryAfter('', nowMs)).toBeUndefined()
    expect(parseRetryAfter(undefined, nowMs)).toBeUndefined()
  })

  it('is kept: the next try comes after it', async () => {
    const { triggers, server } = await clientOf([{ ...BUSY, headers: { 'retry-after': '1' } }, CREATED])
    const startedAt = performance.now()
    await triggers.events.create(EVENT)
    expect(performance.now() - startedAt).toBeGreaterThan(950)
    expect(server.requests).toHaveLength(2)
  })

  it('is not begun when it would outlast the call', async () => {
    const { triggers, server } = await clientOf([{ ...BUSY, headers: { 'retry-after': '30' } }])
    await expect(triggers.events.create(EVENT, { totalTimeoutMs: 5_000 })).rejects.toMatchObject({ status: 503, retryAfterMs: 30_000 })
    expect(server.requests).toHaveLength(1)
  })

  it('ends with the signal', async () => {
    const { triggers } = await clientOf([{ ...BUSY, headers: { 'retry-after': '30' } }])
    const controller = new AbortController()
    const reason = new Error('enough')
    const call = triggers.events.create(EVENT, { signal: controller.signal })
    setTimeout(() => controller.abort(reason), 50)
    await expect(call).rejects.toBe(reason)
  })
})

describe('time', () => {
  it('tries again when one try takes too long, and says so in the end', async () => {
    const { triggers, server } = await clientOf(['silence'], { timeoutMs: 60, maxRetries: 1 })
    const call = triggers.inbox.list()
    await expect(call).rejects.toThrow(TimeoutError)
    await expect(call).rejects.toMatchObject({ scope: 'try', timeoutMs: 60, message: expect.stringContaining('timeoutMs') })
    expect(server.requests).toHaveLength(2)
  })

  it('counts to the end of an answer, not to its beginning', async () => {
    const { triggers } = await clientOf(['slow'], { timeoutMs: 80, maxRetries: 0 })
    await expect(triggers.inbox.list()).rejects.toMatchObject({ name: 'TimeoutError', scope: 'try' })
  })

  it('ends the call after its total time, whatever tries are left', async () => {
    const { triggers, server } = await clientOf(['silence'], { timeoutMs: 60, totalTimeoutMs: 100, maxRetries: 50 })
    await expect(triggers.inbox.list()).rejects.toMatchObject({ name: 'TimeoutError', scope: 'total', timeoutMs: 100 })
    expect(server.requests).toHaveLength(2)
  })

  it('leaves a write alone whose try took too long, as it may have been done', async () => {
    const { triggers, server } = await clientOf(['silence'], { timeoutMs: 60 })
    await expect(triggers.apiKeys.update('key_1', {})).rejects.toThrow(TimeoutError)
    expect(server.requests).toHaveLength(1)
  })

  it('does not run out where there is no limit', async () => {
    const { triggers } = await clientOf([CREATED], { timeoutMs: Number.POSITIVE_INFINITY, totalTimeoutMs: Number.POSITIVE_INFINITY })
    expect((await triggers.events.create(EVENT)).event_id).toBe('e')
  })
})

describe('a signal', () => {
  it('ends a try that is under way, with its own reason', async () => {
    const { triggers, server } = await clientOf(['silence'])
    const controller = new AbortController()
    const call = triggers.events.create(EVENT, { signal: controller.signal })
    await vi.waitFor(() => expect(server.requests).toHaveLength(1))
    controller.abort('no longer needed')
    await expect(call).rejects.toBe('no longer needed')
    expect(server.requests).toHaveLength(1)
  })

  it('that is aborted already sends nothing', async () => {
    const { triggers, server } = await clientOf([CREATED])
    await expect(triggers.events.create(EVENT, { signal: AbortSignal.abort() })).rejects.toMatchObject({ name: 'AbortError' })
    expect(server.requests).toHaveLength(0)
  })

  it('keeps no listener of a call that is over', async () => {
    const { triggers } = await clientOf([BUSY, CREATED])
    const { signal } = new AbortController()
    const added = vi.spyOn(signal, 'addEventListener')
    const removed = vi.spyOn(signal, 'removeEventListener')
    await triggers.events.create(EVENT, { signal })
    expect(added.mock.calls.length).toBeGreaterThan(0)
    expect(removed).toHaveBeenCalledTimes(added.mock.calls.length)
  })
})

describe('hooks', () => {
  it('hear of every try, and change nothing by throwing', async () => {
    const { triggers, server } = await clientOf([BUSY, 'reset', CREATED])
    const heard: string[] = []
    const logging = new Triggers({
      apiKey: 'canary-key',
      baseUrl: triggers.baseUrl,
      logger: {
        onRequest: ({ method, attempt }) => void heard.push(`${method} ${attempt}`),
        onResponse: ({ status, durationMs }) => void heard.push(`${status} ${durationMs >= 0}`),
        onRetry({ delayMs, error, url }) {
          heard.push(`again ${delayMs} ${error.name} ${new URL(url).pathname}`)
          throw new Error('of the hook')
        },
      },
    })
    await logging.events.create(EVENT)
    expect(server.requests).toHaveLength(3)
    expect(heard).toEqual([
      'POST 1',
      '503 true',
      'again 0 ServerError /v1/events',
      'POST 2',
      'again 0 ConnectionError /v1/events',
      'POST 3',
      '201 true',
    ])
  })
})

it('knows an answer that is not of this API', async () => {
  const { triggers, server } = await clientOf([{ status: 200, headers: { 'content-type': 'text/html' }, text: '<h1>Hello</h1>' }])
  await expect(triggers.whoami()).rejects.toMatchObject({ name: 'ApiError', status: 200, message: expect.stringContaining('baseUrl') })
  expect(server.requests).toHaveLength(1)
})

it('follows no redirect, which could take the key elsewhere', async () => {
  const { triggers, server } = await clientOf([{ status: 307, headers: { location: 'http://127.0.0.1:1/v1/whoami' } }])
  const call = triggers.whoami()
  await expect(call).rejects.toThrow(ApiError)
  await expect(call).rejects.toMatchObject({ status: 307, code: 'HTTP_307' })
  expect(server.requests).toHaveLength(1)
})

it('does as much over fetch', async () => {
  const { triggers, server } = await clientOf(['reset', BUSY, 'half', CREATED], { fetchAdapter: true })
  expect((await triggers.events.create(EVENT)).event_id).toBe('e')
  expect(server.requests).toHaveLength(4)
  const { triggers: slow } = await clientOf(['slow'], { fetchAdapter: true, timeoutMs: 60, maxRetries: 0 })
  await expect(slow.inbox.list()).rejects.toMatchObject({ name: 'TimeoutError', scope: 'try' })
  const refused = new Triggers({ apiKey: 'k', baseUrl: await closedUrl(), fetchAdapter: true })
  await expect(refused.apiKeys.rotate('key_1')).rejects.toThrow(ConnectionError)
  await expect(refused.apiKeys.rotate('key_1')).rejects.toMatchObject({ code: 'ECONNREFUSED' })
})

/** Where nothing listens. */
async function closedUrl(): Promise<string> {
  const { createServer } = await import('node:net')
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  return `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`
}
