/** Bulk helpers: against the real server, and how they split, order and end, against a sender of the test's own. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { BatchInputError, type BatchItems, type BatchResult, createMany, type RunBatchesOptions, runBatches } from '../src/batches.ts'
import { ApiError, ConflictError, ConnectionError, IdempotencyKeyReusedError, PayloadTooLargeError, TriggersError } from '../src/errors.ts'
import { type EventInput, Triggers } from '../src/index.ts'
import type { RequestSpec, Transport } from '../src/transport.ts'
import { startFaultyServer } from './faulty-server.ts'
import { startServer, type TestServer } from './server.ts'

const order = (source: string, number: number): EventInput => ({ source, event_type: 'order.placed', payload: { order: number } })

/** The outcomes in short: the value's place, or the error's name. */
const outcomes = <Value extends { index: number }>(results: BatchResult<Value>[]) =>
  results.map((result) => (result.ok ? result.value.index : result.error.name))

describe('against the server', () => {
  let server: TestServer
  let triggers: Triggers

  beforeAll(async () => {
    server = await startServer()
    triggers = new Triggers({ apiKey: server.apiKey, baseUrl: server.url })
  })
  afterAll(() => server.stop())

  const stored = async (source: string) => {
    const events = []
    for await (const event of triggers.events.list({ source, order: 'asc', limit: 100 })) events.push(event)
    return events
  }

  it('creates 1,000 events and fails the invalid ones among them alone, each result in its place', async () => {
    const isBad = (index: number) => index % 7 === 3
    const items = Array.from({ length: 1000 }, (_, index) => {
      const item = order('mixed', index)
      if (!isBad(index)) return item
      // What JavaScript may give.
      const bad: unknown[] = [null, { ...item, payload: [] }, { ...item, event_type: '' }, 7, { ...item, metadata: 'x' }, undefined, {}]
      return bad[index % bad.length] as EventInput
    })
    const results = await triggers.events.createMany(items)
    expect(outcomes(results)).toEqual(items.map((_, index) => (isBad(index) ? 'ValidationError' : index)))
    const events = new Map((await stored('mixed')).map((event) => [event.event_id, event.payload['order']]))
    const made = results.flatMap((result) => (result.ok ? [result.value] : []))
    expect(events.size).toBe(made.length)
    for (const { index, event_id, status } of made) expect([events.get(event_id), status]).toEqual([index, 'pending'])
    for (const result of results) {
      if (result.ok) continue
      expect(result.error).toBeInstanceOf(ApiError)
      expect(result.error).toMatchObject({ status: 400, code: 'VALIDATION_ERROR', details: { field: expect.any(String) } })
    }
  })

  it('keeps the order of the input within one request at a time', async () => {
    await triggers.events.createMany(
      Array.from({ length: 60 }, (_, index) => order('ordered', index)),
      { concurrency: 1 },
    )
    expect((await stored('ordered')).map(({ payload }) => payload['order'])).toEqual([...Array(60).keys()])
  })

  it('gives each event a key of its own, but keeps those that are given', async () => {
    const same = { ...order('keys', 1), metadata: { idempotency_key: 'bulk-1', region: 'eu' } }
    const other = { ...same, payload: { order: 2 } }
    const results = await triggers.events.createMany([same, order('keys', 1), order('keys', 1), same, other])
    expect(outcomes(results)).toEqual([0, 1, 2, 3, 'IdempotencyKeyReusedError'])
    const ids = results.map((result) => (result.ok ? result.value.event_id : undefined))
    expect(ids[3]).toBe(ids[0])
    expect(new Set(ids.slice(0, 3)).size).toBe(3)
    expect(results[4]).toMatchObject({ error: expect.any(IdempotencyKeyReusedError) })
    const keys = (await stored('keys')).map(({ metadata }) => metadata.idempotency_key)
    expect([keys[0], new Set(keys).size]).toEqual(['bulk-1', 3])
  })

  it('splits by bytes what 25 items would make too large', async () => {
    const payload = { text: 'ü'.repeat(200_000) }
    const items = Array.from({ length: 30 }, () => ({ source: 'large', event_type: 'large', payload }))
    expect(outcomes(await triggers.events.createMany(items))).toEqual([...Array(30).keys()])
  })

  it('fails an item alone that is beyond any limit', async () => {
    const huge = { ...order('huge', 1), payload: { text: 'x'.repeat(5_300_000) } }
    const large = { ...order('huge', 2), payload: { text: 'x'.repeat(410_000) } }
    const results = await triggers.events.createMany([order('huge', 0), large, huge, order('huge', 3)], { maxRetries: 0 })
    expect(results.map(({ ok }) => ok)).toEqual([true, false, false, true])
    expect(results[1]).toMatchObject({ error: expect.any(PayloadTooLargeError) })
    // The server may close the connection before it has read so much.
    expect(results[2]).toMatchObject({ error: expect.any(TriggersError) })
    expect(await stored('huge')).toHaveLength(2)
  })

  it('sends items as they are read', async () => {
    async function* read() {
      for (let index = 0; index < 60; index++) yield order('read', index)
    }
    expect(outcomes(await triggers.events.createMany(read()))).toEqual([...Array(60).keys()])
    expect(await stored('read')).toHaveLength(60)
  })

  it('acknowledges and deletes any number of events', async () => {
    const created = await triggers.events.createMany(Array.from({ length: 60 }, (_, index) => order('acked', index)))
    const ids = created.flatMap((result) => (result.ok ? [result.value.event_id] : []))
    await triggers.inbox.ack(ids[30] ?? '')
    const missing = '01932d5e-7c1a-7b44-9d0a-5f3e2b1c4d6e'
    const acked = await triggers.inbox.ackMany([...ids, missing, 'no id'])
    const expected = [...ids.keys()].map((index) => (index === 30 ? 'ConflictError' : index))
    expect(outcomes(acked)).toEqual([...expected, 'NotFoundError', 'ValidationError'])
    expect(acked[30]).toMatchObject({ error: expect.any(ConflictError) })
    expect(acked[0]).toMatchObject({ value: { event_id: ids[0], status: 'acknowledged', acknowledged_at: expect.any(String) } })
    const deleted = await triggers.events.deleteMany(new Set([...ids, missing, 'no id']))
    expect(outcomes(deleted)).toEqual([...Array(61).keys(), 'ValidationError'])
    expect(deleted[0]).toMatchObject({ value: { event_id: ids[0], message: expect.any(String) } })
    expect(await stored('acked')).toEqual([])
  })

  it('makes no second events when an answer is lost', async () => {
    const faulty = await startFaultyServer({ loseAnswerOf: server.url }, { passOnTo: server.url })
    const client = new Triggers({ apiKey: server.apiKey, baseUrl: faulty.url })
    const results = await client.events.createMany([order('lost', 0), order('lost', 1)])
    expect(outcomes(results)).toEqual([0, 1])
    expect(faulty.requests[1]?.body).toBe(faulty.requests[0]?.body)
    expect((await stored('lost')).map(({ event_id }) => event_id)).toEqual(results.map((result) => result.ok && result.value.event_id))
  })

  it('takes a conflict for success only when an earlier try may have acknowledged the event', async () => {
    const created = await triggers.events.createMany([order('conflict', 0), order('conflict', 1)])
    const ids = created.flatMap((result) => (result.ok ? [result.value.event_id] : []))
    const faulty = await startFaultyServer({ loseAnswerOf: server.url }, { passOnTo: server.url })
    const client = new Triggers({ apiKey: server.apiKey, baseUrl: faulty.url })
    const acked = await client.inbox.ackMany([...ids, 'no id'])
    expect(outcomes(acked)).toEqual([0, 1, 'ValidationError'])
    const { acknowledged_at } = await triggers.events.get(ids[1] ?? '')
    expect(acked[1]).toMatchObject({ value: { index: 1, event_id: ids[1], status: 'acknowledged', acknowledged_at } })
    expect(outcomes(await client.inbox.ackMany(ids))).toEqual(['ConflictError', 'ConflictError'])
  })

  it('gives the error of a request to all its items', async () => {
    const stranger = new Triggers({ apiKey: 'unknown-key-0123456789', baseUrl: server.url })
    const results = await stranger.events.createMany(Array.from({ length: 30 }, (_, index) => order('stranger', index)))
    expect(outcomes(results)).toEqual(Array(30).fill('AuthenticationError'))
  })
})

type Value = { index: number }
interface Sent {
  text: string
  items: unknown[]
}

/** Answers every request, and tells what was sent. */
function recorder(answer?: (items: unknown[], place: number) => Promise<void> | void) {
  const sent: Sent[] = []
  const state = { running: 0, most: 0 }
  const send = async (text: string) => {
    const place = sent.length
    const { items } = JSON.parse(text) as { items: unknown[] }
    sent.push({ text, items })
    state.running++
    state.most = Math.max(state.most, state.running)
    try {
      await answer?.(items, place)
    } finally {
      state.running--
    }
    const data = { successful: items.map((_, index) => ({ index })), failed: [] }
    return { data, status: 201, headers: {}, requestId: 'r', maybeReachedServer: false }
  }
  const run = (items: BatchItems<unknown>, options: Partial<RunBatchesOptions<unknown, Value>> = {}) =>
    runBatches<unknown, Value>(send, items, { field: 'items', maxBytes: 1000, ...options })
  return { sent, state, run }
}

const sizes = (sent: Sent[]) => sent.map(({ items }) => items.length)
const lost = () => new ConnectionError('lost', { code: 'ECONNRESET', requestId: 'r' })

describe('splitting', () => {
  it.each([
    [0, []],
    [1, [1]],
    [25, [25]],
    [26, [25, 1]],
    [75, [25, 25, 25]],
  ])('makes of %i items requests of %j', async (count, expected) => {
    const { sent, run } = recorder()
    const results = await run([...Array(count).keys()])
    expect(sizes(sent)).toEqual(expected)
    expect(outcomes(results)).toEqual([...Array(count).keys()])
  })

  it('fills a request to the last byte, as it is sent in UTF-8, and no further', async () => {
    // {"items":["€€","€€","€€"]} has 12 bytes around three items of 8 and two commas.
    const items = ['€€', '€€', '€€', '€€']
    for (const [maxBytes, expected] of [
      [12 + 3 * 8 + 2, [3, 1]],
      [12 + 3 * 8 + 1, [2, 2]],
    ] as const) {
      const { sent, run } = recorder()
      await run(items, { maxBytes, concurrency: 1 })
      expect(sizes(sent)).toEqual(expected)
      for (const { text } of sent) expect(Buffer.byteLength(text)).toBeLessThanOrEqual(maxBytes)
    }
  })

  it('sends an item that is too large alone, and all others', async () => {
    const { sent, run } = recorder()
    expect(outcomes(await run(['a', 'x'.repeat(2000), 'b', 'c'], { concurrency: 1 }))).toEqual([0, 1, 2, 3])
    expect(sizes(sent)).toEqual([1, 1, 2])
  })

  it('fails an item alone that cannot be written as JSON', async () => {
    const circular: { self?: unknown } = {}
    circular.self = circular
    const { sent, run } = recorder()
    const results = await run([1, circular, 2n, 3])
    expect(outcomes(results)).toEqual([0, 'TriggersError', 'TriggersError', 3])
    expect(results[2]).toMatchObject({ error: { message: expect.stringMatching(/cannot be written as JSON: .*BigInt/) } })
    expect(sent.map(({ items }) => items)).toEqual([[1, 3]])
  })
})

describe('requests under way', () => {
  it.each([1, 3, 4])('are never more than %i', async (concurrency) => {
    const { sent, state, run } = recorder(() => new Promise((resolve) => setImmediate(resolve)))
    await run([...Array(250).keys()], concurrency === 4 ? {} : { concurrency })
    expect([state.most, sent.length]).toEqual([concurrency, 10])
  })

  it('hold up reading, so that no more items are in memory than are sent', async () => {
    let read = 0
    const ahead: number[] = []
    const { sent, run } = recorder(() => {
      ahead.push(read - sizes(sent).reduce((sum, size) => sum + size, 0))
    })
    function* items() {
      for (; read < 500; read++) yield read
    }
    await run(items(), { concurrency: 2 })
    expect(Math.max(...ahead)).toBeLessThanOrEqual(25)
  })

  it('fail for their own items only', async () => {
    const { run } = recorder((_, place) => {
      if (place === 1) throw lost()
    })
    const results = await run([...Array(75).keys()])
    expect(outcomes(results)).toEqual([...Array(75).keys()].map((index) => (index >= 25 && index < 50 ? 'ConnectionError' : index)))
  })

  it('that do not say what became of an item fail it', async () => {
    const response = { status: 201, headers: {}, requestId: 'r', maybeReachedServer: false }
    const options = { field: 'items', maxBytes: 1000 }
    const silent = await runBatches<number, Value>(
      async () => ({ ...response, data: { successful: [{ index: 1 }], failed: [] } }),
      [1, 2],
      options,
    )
    expect(outcomes(silent)).toEqual(['TriggersError', 1])
    const foreign = await runBatches<number, Value>(async () => ({ ...response, data: {} as never }), [1, 2], options)
    expect(foreign.map(({ ok }) => ok)).toEqual([false, false])
  })

  it.each([0, -1, 1.5, Number.NaN])('cannot be %d', async (concurrency) => {
    await expect(recorder().run([], { concurrency })).rejects.toThrow(TypeError)
  })
})

describe('an input that ends badly', () => {
  it('has its items before sent, and rejects with their results', async () => {
    async function* read() {
      for (let index = 0; index < 30; index++) yield index
      throw new Error('line 31 is broken')
    }
    const { sent, run } = recorder()
    const error = await run(read()).catch((thrown: unknown) => thrown)
    if (!(error instanceof BatchInputError)) throw error
    expect(error.message).toBe('The items could not be read on after 30: line 31 is broken')
    expect(error.cause).toEqual(new Error('line 31 is broken'))
    expect(outcomes(error.results as BatchResult<Value>[])).toEqual([...Array(30).keys()])
    expect(sizes(sent)).toEqual([25, 5])
  })
})

describe('an abort', () => {
  it('sends nothing more, and gives the results there are', async () => {
    const controller = new AbortController()
    let isClosed = false
    function* items() {
      try {
        for (let index = 0; ; index++) yield index
      } finally {
        isClosed = true
      }
    }
    const { sent, run } = recorder((_, place) => {
      if (place === 2) controller.abort(new Error('enough'))
    })
    const results = await run(items(), { concurrency: 1, signal: controller.signal })
    expect(outcomes(results.slice(0, 75))).toEqual([...Array(75).keys()])
    expect(results.length).toBeLessThanOrEqual(101)
    for (const result of results.slice(75)) expect(result).toEqual({ ok: false, error: new Error('enough') })
    expect([sent.length, isClosed]).toEqual([3, true])
  })

  it('does not wait for an item that is slow to come', async () => {
    const controller = new AbortController()
    async function* items() {
      yield 1
      setImmediate(() => controller.abort(new Error('enough')))
      await new Promise(() => {})
    }
    const { sent, run } = recorder()
    expect(await run(items(), { signal: controller.signal })).toEqual([{ ok: false, error: new Error('enough') }])
    expect(sent).toEqual([])
  })

  it('that came before reads nothing', async () => {
    const { sent, run } = recorder()
    expect(await run([1, 2], { signal: AbortSignal.abort() })).toEqual([])
    expect(sent).toEqual([])
  })
})

describe('what is sent of events', () => {
  const sendAll = async (items: unknown[]) => {
    const specs: RequestSpec<unknown>[] = []
    const transport: Transport = {
      async request<T>(spec: RequestSpec<T>) {
        specs.push(spec as RequestSpec<unknown>)
        return { data: { successful: [], failed: [] } as T, status: 201, headers: {}, requestId: 'r', maybeReachedServer: false }
      },
    }
    await createMany(transport, items as EventInput[])
    return specs
  }

  it('has a key for each, so that the request may be sent again', async () => {
    const [spec] = await sendAll([order('a', 1), { ...order('a', 2), metadata: { idempotency_key: 'mine', region: 'eu' } }, null])
    expect(spec).toMatchObject({ method: 'POST', path: '/v1/events/bulk', retry: 'idempotent-write' })
    const { items } = JSON.parse(spec?.bodyText ?? '')
    expect(items[0].metadata.idempotency_key).toMatch(/^[0-9a-f-]{36}$/)
    expect(items[1].metadata).toEqual({ idempotency_key: 'mine', region: 'eu' })
    expect(items[2]).toBe(null)
  })

  it('is at most 5,242,880 bytes', async () => {
    const specs = await sendAll(Array.from({ length: 60 }, () => ({ ...order('a', 1), payload: { text: '€'.repeat(130_000) } })))
    for (const { bodyText = '' } of specs) {
      expect(Buffer.byteLength(bodyText)).toBeLessThanOrEqual(5_242_880)
    }
    expect(specs).toHaveLength(5)
  })
})
