/** What the calls on webhooks send, and what becomes of them when the server or the connection fails. */
import { inspect } from 'node:util'
import { describe, expect, expectTypeOf, it } from 'vitest'
import {
  type ApiPromise,
  ConflictError,
  ConnectionError,
  NotFoundError,
  type Replay,
  type ReplayCounted,
  type SingleReplay,
  Triggers,
  type WebhookChanges,
} from '../src/index.ts'
import { errorBody, type SeenRequest, type Step, startFaultyServer } from './faulty-server.ts'

const ID = '019aa5b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b'

/** A client of a server that answers so, with all waits cut short by `Retry-After: 0` or full jitter's lower end. */
async function clientOf(...steps: [Step, ...Step[]]) {
  const server = await startFaultyServer(...steps)
  return { triggers: new Triggers({ apiKey: 'key', baseUrl: server.url }), requests: server.requests }
}

const sent = ({ method, target, body }: SeenRequest) => [method, target, body === '' ? undefined : JSON.parse(body)]

const calls: [name: string, call: (triggers: Triggers) => PromiseLike<unknown>, request: unknown[], isRepeated: boolean][] = [
  [
    'webhooks.create',
    ({ webhooks }) => webhooks.create({ url: 'https://a.example', events: ['*'] }),
    ['POST', '/v1/webhooks', { url: 'https://a.example', events: ['*'] }],
    false,
  ],
  [
    'webhooks.list',
    ({ webhooks }) => webhooks.list({ is_active: false, limit: 2 }),
    ['GET', '/v1/webhooks?is_active=false&limit=2', undefined],
    true,
  ],
  ['webhooks.get', ({ webhooks }) => webhooks.get('a b'), ['GET', '/v1/webhooks/a%20b', undefined], true],
  ['webhooks.update', ({ webhooks }) => webhooks.update(ID, { is_active: true }), ['PUT', `/v1/webhooks/${ID}`, { is_active: true }], true],
  ['webhooks.delete', ({ webhooks }) => webhooks.delete(ID), ['DELETE', `/v1/webhooks/${ID}`, undefined], true],
  ['webhooks.test', ({ webhooks }) => webhooks.test(ID), ['POST', `/v1/webhooks/${ID}/test`, undefined], false],
  [
    'webhooks.rotateSecret',
    ({ webhooks }) => webhooks.rotateSecret(ID, { transition_days: 7, secret: 'a secret of one’s own' }),
    ['POST', `/v1/webhooks/${ID}/rotate-secret?transition_days=7`, { secret: 'a secret of one’s own' }],
    false,
  ],
  [
    'webhooks.rotateSecret, without more',
    ({ webhooks }) => webhooks.rotateSecret(ID),
    ['POST', `/v1/webhooks/${ID}/rotate-secret`, {}],
    false,
  ],
  [
    'webhooks.deliveries',
    ({ webhooks }) => webhooks.deliveries(ID, { status: 'dead' }),
    ['GET', `/v1/webhooks/${ID}/deliveries?status=dead`, undefined],
    true,
  ],
  [
    'webhooks.replay',
    ({ webhooks }) => webhooks.replay(ID, { since: '2026-01-01' }),
    ['POST', `/v1/webhooks/${ID}/replay`, { since: '2026-01-01' }],
    false,
  ],
  [
    'webhooks.replay, as a dry run',
    ({ webhooks }) => webhooks.replay(ID, { since: '2026-01-01', dry_run: true }),
    ['POST', `/v1/webhooks/${ID}/replay`, { since: '2026-01-01', dry_run: true }],
    true,
  ],
  [
    'webhooks.replays',
    ({ webhooks }) => webhooks.replays(ID, { limit: 1 }),
    ['GET', `/v1/webhooks/${ID}/replays?limit=1`, undefined],
    true,
  ],
  [
    'events.deliveries',
    ({ events }) => events.deliveries(ID, { status: 'held' }),
    ['GET', `/v1/events/${ID}/deliveries?status=held`, undefined],
    true,
  ],
  ['events.trace', ({ events }) => events.trace(ID), ['GET', `/v1/events/${ID}/trace`, undefined], true],
  ['deliveries.get', ({ deliveries }) => deliveries.get(ID), ['GET', `/v1/deliveries/${ID}`, undefined], true],
  ['deliveries.retry', ({ deliveries }) => deliveries.retry(ID), ['POST', `/v1/deliveries/${ID}/retry`, undefined], false],
  ['replays.get', ({ replays }) => replays.get(ID), ['GET', `/v1/replays/${ID}`, undefined], true],
  ['replays.cancel', ({ replays }) => replays.cancel(ID), ['POST', `/v1/replays/${ID}/cancel`, undefined], true],
]

/** Fits every call: an object, and a list of nothing. */
const ANSWER: Step = {
  status: 200,
  body: { webhooks: [], deliveries: [], replays: [], pagination: { next_cursor: null, limit: 50 }, request_id: 'r' },
}

describe.each(calls)('%s', (_, call, request, isRepeated) => {
  it('sends its request', async () => {
    const { triggers, requests } = await clientOf(ANSWER)
    await call(triggers)
    expect(requests.map(sent)).toEqual([request])
  })

  it(`is ${isRepeated ? '' : 'not '}tried again when its answer was lost`, async () => {
    const { triggers, requests } = await clientOf('reset', ANSWER)
    if (isRepeated) await call(triggers)
    else await expect(call(triggers)).rejects.toThrow(ConnectionError)
    expect(requests.map(sent)).toEqual(isRepeated ? [request, request] : [request])
  })

  it('is tried again when nothing was done', async () => {
    const busy: Step = { status: 503, headers: { 'retry-after': '0' }, body: errorBody('UNAVAILABLE') }
    const { triggers, requests } = await clientOf(busy, { ...busy, status: 429 }, ANSWER)
    await call(triggers)
    expect(requests.map(sent)).toEqual([request, request, request])
  })
})

it('rejects where an id is missing, whatever the call', async () => {
  const { triggers, requests } = await clientOf(ANSWER)
  const { webhooks, events, deliveries, replays } = triggers
  for (const call of [webhooks.deliveries(''), webhooks.replays(''), events.deliveries(''), webhooks.replay('', { since: '2026' })]) {
    await expect(call).rejects.toThrow(TypeError)
  }
  for (const call of [webhooks.rotateSecret(''), deliveries.retry(''), replays.cancel(''), replays.wait('')]) {
    await expect(call).rejects.toThrow('An id is needed')
  }
  expect(requests).toEqual([])
})

describe('a delete', () => {
  const gone: Step = { status: 404, body: errorBody('NOT_FOUND') }

  it('whose answer was lost is done when the retry finds nothing', async () => {
    const { triggers } = await clientOf('reset', gone)
    expect(await triggers.webhooks.delete(ID)).toBeUndefined()
  })

  it('of what was never there is an error', async () => {
    const { triggers } = await clientOf(gone)
    await expect(triggers.webhooks.delete(ID)).rejects.toThrow(NotFoundError)
    const busy = await clientOf({ status: 429, headers: { 'retry-after': '0' }, body: errorBody('RATE_LIMITED') }, gone)
    await expect(busy.triggers.webhooks.delete(ID)).rejects.toThrow(NotFoundError)
  })
})

describe('a cancel', () => {
  const ended = (current_status: string): Step => ({ status: 409, body: errorBody('CONFLICT', { current_status }) })
  const cancelled: Step = { status: 200, body: { replay_id: ID, status: 'cancelled' } }

  it('whose answer was lost is done when the retry finds the replay cancelled, which is read then', async () => {
    const { triggers, requests } = await clientOf('reset', ended('cancelled'), cancelled)
    expect(await triggers.replays.cancel(ID)).toEqual({ replay_id: ID, status: 'cancelled' })
    expect(requests.map(({ method }) => method)).toEqual(['POST', 'POST', 'GET'])
  })

  it('of a replay that has ended is an error', async () => {
    await expect((await clientOf(ended('cancelled'))).triggers.replays.cancel(ID)).rejects.toThrow(ConflictError)
    await expect((await clientOf('reset', ended('completed'), cancelled)).triggers.replays.cancel(ID)).rejects.toThrow(ConflictError)
  })
})

describe('a replay', () => {
  it('has the type of what was asked for', async () => {
    const { webhooks } = new Triggers({ apiKey: 'key', fetchAdapter: async () => Response.json({}) })
    const since = '2026-01-01'
    expectTypeOf(webhooks.replay(ID, { since, dry_run: true })).toEqualTypeOf<ApiPromise<ReplayCounted>>()
    expectTypeOf(webhooks.replay(ID, { since, status: 'undelivered', until: undefined })).toEqualTypeOf<ApiPromise<SingleReplay>>()
    const dry_run: boolean = Math.random() < 0.5
    expectTypeOf(webhooks.replay(ID, { since, dry_run })).toEqualTypeOf<ApiPromise<SingleReplay | ReplayCounted>>()
  })
})

describe('what was read', () => {
  it('can be sent back changed', async () => {
    const { triggers, requests } = await clientOf({ status: 200, body: { webhook_id: ID, url: 'https://a.example', filter: null } })
    const webhook = await triggers.webhooks.get(ID)
    const changes: WebhookChanges = { ...webhook, description: 'The CRM' }
    await triggers.webhooks.update(ID, changes)
    expect(JSON.parse(requests[1]?.body ?? '')).toEqual({ ...webhook, description: 'The CRM' })
  })
})

describe('waiting for a replay', () => {
  const at = (status: Replay['status'], delivered: number): Step => ({ status: 200, body: { replay_id: ID, status, delivered } })

  it.each(['completed', 'cancelled', 'failed'] as const)('ends when it is %s, and tells of each look', async (status) => {
    const { triggers, requests } = await clientOf(at('running', 0), at('running', 1), at(status, 2))
    const seen: number[] = []
    const replay = await triggers.replays.wait(ID, { intervalMs: 1, onProgress: ({ delivered }) => seen.push(delivered) })
    expect([replay.status, seen, requests.length]).toEqual([status, [0, 1, 2], 3])
  })

  it('goes on through a look that fails and is tried again', async () => {
    const { triggers } = await clientOf(at('running', 0), 'reset', at('completed', 1))
    expect((await triggers.replays.wait(ID, { intervalMs: 1 })).status).toBe('completed')
  })

  it('rejects when the replay cannot be read', async () => {
    const { triggers } = await clientOf(at('running', 0), { status: 404, body: errorBody('NOT_FOUND') })
    await expect(triggers.replays.wait(ID, { intervalMs: 1 })).rejects.toThrow(NotFoundError)
  })

  it('ends at once when it is aborted, between two looks and within one', async () => {
    const between = await clientOf(at('running', 0))
    const abort = new AbortController()
    const waiting = between.triggers.replays.wait(ID, {
      intervalMs: 600_000,
      signal: abort.signal,
      onProgress: () => setImmediate(() => abort.abort(new Error('enough'))),
    })
    await expect(waiting).rejects.toThrow('enough')
    expect(between.requests).toHaveLength(1)
    const within = await clientOf('silence')
    await expect(within.triggers.replays.wait(ID, { signal: AbortSignal.abort(new Error('never')) })).rejects.toThrow('never')
  })

  it('rejects with what onProgress throws', async () => {
    const { triggers } = await clientOf(at('running', 0))
    const onProgress = () => Promise.reject(new Error('no screen'))
    await expect(triggers.replays.wait(ID, { onProgress })).rejects.toThrow('no screen')
  })

  it('refuses an interval that would ask without end', async () => {
    const { triggers, requests } = await clientOf(at('running', 0))
    for (const intervalMs of [0, -1, Number.NaN]) await expect(triggers.replays.wait(ID, { intervalMs })).rejects.toThrow(TypeError)
    expect(requests).toEqual([])
  })
})

describe('a secret that a call sends', () => {
  const secret = 'a "secret" \\ of one’s own'
  const headers = { authorization: 'Bearer 5678-1234', 'x-tenant': 'a' }
  const writes: [string, (triggers: Triggers) => PromiseLike<unknown>][] = [
    ['create', ({ webhooks }) => webhooks.create({ url: 'https://a.example', events: ['*'], secret, headers })],
    ['update', ({ webhooks }) => webhooks.update(ID, { secret, headers })],
    ['rotateSecret', ({ webhooks }) => webhooks.rotateSecret(ID, { secret })],
  ]

  it.each(writes)('is in no error of %s, though a server repeats all that it was sent', async (_, call) => {
    const errors: unknown[] = []
    for (const repeat of [
      (body: string) => ({ error: { code: 'VALIDATION_ERROR', message: `Not this: ${body}`, details: { received: JSON.parse(body) } } }),
      (body: string) => ({
        error: {
          code: 'VALIDATION_ERROR',
          message: `Not this: ${Object.values<object>(JSON.parse(body)).flatMap((value) => Object.values(value).join(''))}`,
        },
      }),
    ]) {
      const fetchAdapter = async (...asked: Parameters<typeof fetch>) =>
        Response.json(repeat(await new Request(...asked).text()), { status: 400 })
      const log = { onRetry: ({ error }: { error: Error }) => errors.push(error) }
      const triggers = new Triggers({ apiKey: 'key-of-the-test', fetchAdapter, logger: log })
      await call(triggers).then(
        () => expect.unreachable(),
        (error) => errors.push(error, String(error), error.stack, JSON.stringify(error)),
      )
      errors.push(triggers, JSON.stringify(triggers), triggers.webhooks)
    }
    const printed = errors.map((error) => inspect(error, { depth: 9, showHidden: true })).join('\n')
    expect(printed).toContain('Not this')
    expect(printed).not.toMatch(/of one’s own|5678-1234/)
  })

  it('leaves the message whole where a header’s value is short', async () => {
    const { triggers } = await clientOf({ status: 400, body: errorBody('VALIDATION_ERROR') })
    const created = triggers.webhooks.create({ url: 'https://a.example', events: ['*'], headers: { 'x-tenant': 'i' } })
    await expect(created).rejects.toThrow('This is VALIDATION_ERROR.')
  })

  it('is blotted out as a whole where it is longer than another', async () => {
    const { triggers } = await clientOf({ status: 400, body: { error: { message: 'No: 12345678-and-more' } } })
    const sent = { url: 'https://a.example', events: ['*'], secret: '12345678-and-more', headers: { 'x-a': '12345678' } }
    await expect(triggers.webhooks.create(sent)).rejects.toThrow(/^No: \[secret\]$/)
  })
})
