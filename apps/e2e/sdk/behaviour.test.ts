/** What both clients do alike, row by row of docs/SDKS.md: the same calls, the same answers, and then the same requests and outcomes. */
import { createHash, createHmac } from 'node:crypto'
import { afterAll, expect, it } from 'vitest'
import type { Call, Done, EventToCreate, Failure, Job } from './driver.ts'
import { describeClients } from './languages.ts'
import * as scripted from './scripted-server.ts'
import { AT_ONCE, failure, ID, type Scripted, type ScriptedServer } from './scripted-server.ts'

const API_KEY = 'trg_behaviour'
const EVENT: EventToCreate = { source: 'shop', event_type: 'order.placed', payload: { order: 1 } }
const CREATE: Call = { name: 'create', event: EVENT }
const ACK: Call = { name: 'ack', id: ID }
const DELETE: Call = { name: 'delete', id: ID }
const GET: Call = { name: 'get', id: ID }
const CREATE_KEY: Call = { name: 'createKey', keyName: 'A key' }

/** What each call is answered when all is well. */
const ANSWERS = new Map<Call, Scripted>([
  [CREATE, scripted.CREATED],
  [ACK, scripted.ACKNOWLEDGED],
  [DELETE, scripted.DELETED],
  [GET, { status: 200, body: { ...scripted.eventOf(ID), request_id: 'req-1' } }],
  [CREATE_KEY, scripted.KEY_CREATED],
])

const servers: ScriptedServer[] = []
afterAll(() => Promise.all(servers.map((server) => server.close())))

async function start(script: Parameters<typeof scripted.startScriptedServer>[0]): Promise<ScriptedServer> {
  const server = await scripted.startScriptedServer(script)
  servers.push(server)
  return server
}

const busy = failure(503, 'SERVICE_UNAVAILABLE', {}, AT_ONCE)
const limited = failure(429, 'RATE_LIMIT_EXCEEDED', {}, AT_ONCE)
const broken = failure(500, 'INTERNAL_ERROR', {}, AT_ONCE)

describeClients('the client', (driver) => {
  const run = (server: { url: string }, calls: Call[], settings: Job['client'] = {}, job: Partial<Job> = {}): Promise<Done> =>
    driver.run({ client: { apiKey: API_KEY, baseUrl: server.url, ...settings }, calls, ...job })
  const errorOf = ({ outcomes }: Done): Failure | undefined => outcomes[0]?.error
  const answerOf = ({ outcomes }: Done): unknown => {
    expect(outcomes[0]?.error).toBeUndefined()
    return outcomes[0]?.value
  }

  it('takes URL, API key and signing secret from the environment', async () => {
    const server = await start([scripted.WHOAMI])
    const environment = { TRIGGERS_URL: server.url, TRIGGERS_API_KEY: 'trg_environment', TRIGGERS_SIGNING_SECRET: 'sign_environment' }
    answerOf(await driver.run({ client: {}, environment, calls: [{ name: 'whoami' }] }))
    expect(server.requests).toMatchObject([
      { target: '/v1/whoami', headers: { 'x-api-key': 'trg_environment', 'x-signature-version': 'v1' } },
    ])
  })

  it('needs an API key', async () => {
    expect(errorOf(await driver.run({ client: {}, environment: { TRIGGERS_API_KEY: '' }, calls: [GET] }))?.message).toContain(
      'TRIGGERS_API_KEY',
    )
  })

  it.each(['', '/', '/v1', '/v1/'])('takes a base URL that ends in %j', async (end) => {
    const server = await start([scripted.WHOAMI])
    answerOf(await run({ url: server.url + end }, [{ name: 'whoami' }]))
    expect(server.requests.map(({ target }) => target)).toEqual(['/v1/whoami'])
  })

  it('sends what it is, a request id for the call, and the key in one header', async () => {
    const server = await start([busy, scripted.CREATED])
    answerOf(await run(server, [CREATE, CREATE]))
    const [first, again, second] = server.requests.map(({ headers }) => headers)
    expect(first).toMatchObject({ 'x-api-key': API_KEY, 'content-type': 'application/json', accept: 'application/json' })
    expect(first?.['user-agent']).toMatch(/^triggers-(client|go)\/\d+\.\d+\.\d+ /)
    expect(first?.['x-request-id']).toMatch(/^[0-9a-f-]{36}$/)
    expect(again?.['x-request-id']).toBe(first?.['x-request-id'])
    expect(second?.['x-request-id']).not.toBe(first?.['x-request-id'])
    expect(first).not.toHaveProperty('authorization')
    expect(first).not.toHaveProperty('idempotency-key')
  })

  it('adds headers of one’s own, but none that would replace the key', async () => {
    const server = await start([scripted.CREATED])
    answerOf(await run(server, [CREATE], { headers: { 'X-Mine': 'mine', 'X-API-Key': 'other', 'X-Request-ID': 'named' } }))
    expect(server.requests[0]?.headers).toMatchObject({ 'x-mine': 'mine', 'x-api-key': API_KEY, 'x-request-id': 'named' })
  })

  it('gives each create an idempotency key in its metadata, which its retries share', async () => {
    const server = await start([broken, 'reset', scripted.CREATED])
    const outcome = await run(server, [CREATE, CREATE, { ...CREATE, idempotencyKey: 'mine' }])
    expect(outcome.outcomes).toMatchObject([{ value: { event_id: ID } }, { value: { event_id: ID } }, { value: { event_id: ID } }])
    const keys = server.requests.map(({ body }) => JSON.parse(body).metadata.idempotency_key)
    expect(keys).toHaveLength(5)
    expect(new Set(keys.slice(0, 3)).size).toBe(1)
    expect(keys[3]).not.toBe(keys[0])
    expect(keys[4]).toBe('mine')
  })

  it('signs each try anew', async () => {
    const server = await start([broken, 'reset', scripted.CREATED])
    answerOf(await run(server, [CREATE], { signingSecret: 'sign_behaviour' }))
    for (const { method, target, headers, body } of server.requests) {
      const timestamp = headers['x-signature-timestamp']
      const text = [method, target, '', timestamp, createHash('sha256').update(body).digest('hex')].join('\n')
      expect(headers['x-signature']).toBe(createHmac('sha256', 'sign_behaviour').update(text).digest('base64'))
    }
    // The server takes some signatures once only: not even within one second are two the same.
    expect(new Set(server.requests.map(({ headers }) => headers['x-signature'])).size).toBe(3)
  })

  it('tries four times, then gives the last error', async () => {
    const server = await start([broken])
    expect(errorOf(await run(server, [GET]))).toMatchObject({ kind: 'api', status: 500 })
    expect(server.requests).toHaveLength(4)
  })

  it('tries as often as it is told', async () => {
    const server = await start([broken])
    await run(server, [GET], { maxRetries: 0 })
    expect(server.requests).toHaveLength(1)
  })

  const safe = [GET, CREATE, ACK, DELETE]
  const all = [...safe, CREATE_KEY]
  const statuses = [408, 429, 500, 502, 503, 504]
  const retried: [string, Scripted, Call[]][] = [
    ...statuses.map((status): [string, Scripted, Call[]] => [
      String(status),
      failure(status, 'INTERNAL_ERROR', {}, AT_ONCE),
      status === 429 || status === 503 ? all : safe,
    ]),
    ['a reset connection', 'reset', safe],
  ]
  const neverRetried = [400, 401, 403, 404, 405, 409, 413, 415, 422].map((status): [string, Scripted, Call[]] => [
    String(status),
    failure(status, 'INTERNAL_ERROR', {}, AT_ONCE),
    [],
  ])
  it.each([...retried, ...neverRetried])('after %s tries again exactly the calls that may be tried again', async (_, fault, expected) => {
    for (const call of all) {
      const server = await start([fault, ANSWERS.get(call) ?? fault])
      const outcome = await run(server, [call], { maxRetries: 1 })
      expect(server.requests.length, call.name).toBe(expected.includes(call) ? 2 : 1)
      expect(errorOf(outcome) === undefined, call.name).toBe(expected.includes(call))
    }
  })

  it('tries any call again when the connection is refused', async () => {
    const server = await scripted.startScriptedServer([])
    await server.close()
    const { outcomes, delaysMs } = await run(server, [CREATE_KEY], { maxRetries: 1 })
    expect(outcomes).toMatchObject([{ error: { kind: 'connection' } }])
    expect(delaysMs).toHaveLength(1)
  })

  it.each([
    ['seconds', () => '7', 7000],
    ['a date', () => new Date(Date.now() + 20_000).toUTCString(), 20_000],
    ['too many seconds', () => '86400', 60_000],
  ])('waits as Retry-After says, in %s', async (_, retryAfter, expectedMs) => {
    const server = await start(() => failure(429, 'RATE_LIMIT_EXCEEDED', {}, { 'Retry-After': retryAfter() }))
    const outcome = await run(server, [CREATE], {}, { abortAtDelayMs: 1000 })
    expect(outcome.delaysMs).toHaveLength(1)
    const delayMs = outcome.delaysMs[0] ?? 0
    // A date has no fractions of a second.
    expect(Math.abs(delayMs - expectedMs)).toBeLessThanOrEqual(expectedMs === 20_000 ? 2000 : 0)
    // The abort ended the wait.
    expect(errorOf(outcome)?.kind).toBe('aborted')
    expect(server.requests).toHaveLength(1)
  })

  it('else waits a random time, up to a limit that doubles', async () => {
    const server = await start(['reset'])
    const calls = Array.from({ length: 12 }, () => GET)
    const { delaysMs } = await run(server, calls, { maxRetries: 2 }, { concurrency: 12 })
    expect(delaysMs).toHaveLength(24)
    expect(new Set(delaysMs).size).toBeGreaterThan(12)
    expect(Math.max(...delaysMs)).toBeLessThanOrEqual(1000)
    expect(delaysMs.filter((delayMs) => delayMs > 500).length).toBeLessThanOrEqual(12)
  })

  it('ends a try that takes too long, and tries again', async () => {
    const server = await start(['silence', scripted.CREATED])
    answerOf(await run(server, [CREATE], { timeoutMs: 200 }))
    expect(server.requests).toHaveLength(2)
  })

  it('does not try a write without a key again whose try took too long', async () => {
    const server = await start(['silence'])
    expect(errorOf(await run(server, [CREATE_KEY], { timeoutMs: 200 }))?.kind).toBe('timeout')
    expect(server.requests).toHaveLength(1)
  })

  it('ends a call that takes too long as a whole', async () => {
    const server = await start(['silence'])
    expect(errorOf(await run(server, [GET], { totalTimeoutMs: 200 }))?.kind).toBe('timeout')
    expect(server.requests).toHaveLength(1)
  })

  it('begins no wait that goes beyond the call’s time', async () => {
    const server = await start([failure(503, 'SERVICE_UNAVAILABLE', {}, { 'Retry-After': '30' })])
    const outcome = await run(server, [GET], { totalTimeoutMs: 5000 })
    expect(errorOf(outcome)).toMatchObject({ kind: 'api', status: 503 })
    expect(outcome.delaysMs).toEqual([])
  })

  it('ends at once when it is aborted, and drops the connection', async () => {
    const server = await start(['silence'])
    expect(errorOf(await run(server, [GET], {}, { abortAfterMs: 100 }))?.kind).toBe('aborted')
    await server.givenUp
    expect(server.requests).toHaveLength(1)
  })

  it.each([
    ['an ack', ACK, scripted.ALREADY_ACKNOWLEDGED],
    ['a delete', DELETE, failure(404, 'NOT_FOUND', { event_id: ID })],
    ['a revocation', { name: 'revokeKey', id: 'key_1' } as const, failure(404, 'NOT_FOUND', { key_id: 'key_1' })],
  ])('takes the refusal of %s as success only after a try that may have reached the server', async (_, call, refusal) => {
    const after = async (...before: Scripted[]) => errorOf(await run(await start([...before, refusal]), [call]))
    for (const lost of ['reset', broken, failure(408, 'REQUEST_TIMEOUT', {}, AT_ONCE)] as const) expect(await after(lost)).toBeUndefined()
    // Once it may have been done, a later refusal to do anything takes nothing back.
    expect(await after(broken, limited, busy)).toBeUndefined()
    for (const nothing of [[], [limited], [busy], [limited, busy]]) {
      expect(await after(...nothing)).toMatchObject({ kind: 'api', status: refusal.status })
    }
  })

  it('takes no other refusal as success, whatever came before', async () => {
    for (const [call, refusal] of [
      [ACK, failure(404, 'NOT_FOUND')],
      [DELETE, failure(403, 'FORBIDDEN')],
      [CREATE, failure(409, 'CONFLICT')],
    ] as const) {
      expect(errorOf(await run(await start(['reset', refusal]), [call]))).toMatchObject({ kind: 'api', status: refusal.status })
    }
  })

  it.each([
    ['an answer', scripted.ACKNOWLEDGED],
    ['a refusal', scripted.ALREADY_ACKNOWLEDGED],
  ])('takes half of %s for none: it tries again', async (_, half) => {
    const server = await start([{ half }, scripted.ALREADY_ACKNOWLEDGED])
    expect(answerOf(await run(server, [ACK]))).toMatchObject({ event_id: ID, status: 'acknowledged' })
    expect(server.requests).toHaveLength(2)
  })

  it.each([
    [400, 'VALIDATION_ERROR', 'ValidationError'],
    [401, 'UNAUTHORIZED', 'AuthenticationError'],
    [403, 'FORBIDDEN', 'PermissionError'],
    [404, 'NOT_FOUND', 'NotFoundError'],
    [409, 'CONFLICT', 'ConflictError'],
    [413, 'PAYLOAD_TOO_LARGE', 'PayloadTooLargeError'],
    [415, 'VALIDATION_ERROR', 'ValidationError'],
    [422, 'VALIDATION_ERROR', 'ValidationError'],
    [422, 'IDEMPOTENCY_KEY_REUSED', 'IdempotencyKeyReusedError'],
    [429, 'RATE_LIMIT_EXCEEDED', 'RateLimitError'],
    [500, 'INTERNAL_ERROR', 'ServerError'],
    [503, 'SERVICE_UNAVAILABLE', 'ServerError'],
  ])('gives a %i %s as an error with all that the server said', async (status, code, typescriptName) => {
    const server = await start([failure(status, code)])
    const error = errorOf(await run(server, [CREATE], { maxRetries: 0 }))
    const name = driver.language === 'Go' ? 'Error' : typescriptName
    expect(error).toMatchObject({ kind: 'api', name, status, code, requestId: 'req-1' })
    expect(error?.message).toContain(`It is ${code}`)
  })

  it('gives an answer that is no envelope as an error with its status', async () => {
    const server = await start([{ status: 502, headers: { 'Content-Type': 'text/html' }, body: '<html>Bad gateway</html>' }])
    expect(errorOf(await run(server, [CREATE], { maxRetries: 0 }))).toMatchObject({ kind: 'api', status: 502, code: 'HTTP_502' })
  })

  it('follows no redirect', async () => {
    const elsewhere = await start([scripted.WHOAMI])
    const server = await start([{ status: 307, headers: { Location: `${elsewhere.url}/v1/whoami` } }])
    expect(errorOf(await run(server, [{ name: 'whoami' }]))).toMatchObject({ kind: 'api', status: 307 })
    expect(elsewhere.requests).toEqual([])
  })

  it('shows no secret, however it and its errors are printed and whatever is logged', async () => {
    const secrets = { apiKey: 'trg_canary', signingSecret: 'sign_canary' }
    const echo = (request: scripted.SeenRequest): Scripted =>
      failure(400, `${request.headers['x-api-key']}`, { all: Object.values(request.headers).join() })
    for (const script of [echo, ['reset'], [broken], [scripted.CREATED]] as const) {
      const { outcomes, printed } = await run(await start(script), [CREATE], { ...secrets, maxRetries: 1 })
      expect(printed).not.toBe('')
      expect(printed + JSON.stringify(outcomes)).not.toMatch(/canary/)
    }
    const { outcomes, printed } = await run({ url: 'http://trg_canary@sign_canary:x' }, [CREATE], secrets)
    expect(printed + JSON.stringify(outcomes)).not.toMatch(/canary/)
  })
})
