import { describe, expect, it } from 'vitest'
import { expectRefused, INPUT, readAllPages } from '../../testing/events.ts'
import { sharedApp, testApp } from '../../testing/test-app.ts'

const app = await sharedApp()

const post = (items: unknown, key = app.key(), headers: Record<string, string> = {}) =>
  app.request('/v1/events/bulk', { method: 'POST', key, body: { items }, headers })

const postText = (items: string, key = app.key()) => app.request('/v1/events/bulk', { method: 'POST', key, body: `{"items":${items}}` })
const TEXT = JSON.stringify(INPUT)

const stored = async (key: string) => (await readAllPages(app, key, '/v1/events?order=asc')).flat()

describe('creating events in bulk', () => {
  it('answers each item as a single create does, with its index', async () => {
    const key = app.key()
    const answer = await post([INPUT, { ...INPUT, source: 'other' }], key, { 'x-request-id': 'bulk-1' })
    const success = (index: number) => ({
      index,
      event_id: expect.any(String),
      created_at: expect.any(String),
      status: 'pending',
      message: expect.any(String),
    })
    expect([answer.status, answer.body]).toEqual([201, { successful: [success(0), success(1)], failed: [], request_id: 'bulk-1' }])
    expect(await stored(key)).toEqual(answer.body.successful.map(({ event_id }: { event_id: string }) => event_id))
  })

  it('gives ids and times that rise with the index', async () => {
    const { body } = await post(Array.from({ length: 25 }, () => INPUT))
    expect(body.successful.map(({ index }: { index: number }) => index)).toEqual([...Array(25).keys()])
    for (const field of ['event_id', 'created_at']) {
      const values = body.successful.map((success: Record<string, string>) => success[field])
      expect(values).toEqual([...new Set(values)].sort())
    }
  })

  it('fails an invalid item alone', async () => {
    const key = app.key()
    const items = [
      INPUT,
      null,
      { ...INPUT, payload: [] },
      INPUT,
      { ...INPUT, extra: 1 },
      7,
      'text',
      [INPUT],
      {},
      { ...INPUT, metadata: { priority: 'x' } },
    ]
    const { status, body } = await post(items, key)
    expect(status).toBe(201)
    expect(body.successful.map(({ index }: { index: number }) => index)).toEqual([0, 3])
    expect(body.failed.map(({ index, error }: { index: number; error: { code: string } }) => [index, error.code])).toEqual(
      [1, 2, 4, 5, 6, 7, 8, 9].map((index) => [index, 'VALIDATION_ERROR']),
    )
    for (const { error } of body.failed) {
      expect(Object.keys(error).sort()).toEqual(['code', 'details', 'message'])
      expect(error.details).toMatchObject({ field: expect.any(String), issue: expect.any(String), suggestion: expect.any(String) })
    }
    const fields = body.failed.map(({ error }: { error: { details: { field: string } } }) => error.details.field)
    expect([fields[1], fields[2], fields[7]]).toEqual(['payload', 'extra', 'metadata.priority'])
    expect(await stored(key)).toHaveLength(2)
  })

  it('fails an item alone whose type is one of our own events', async () => {
    const key = app.key()
    const { status, body } = await post([INPUT, { ...INPUT, event_type: 'triggers.delivery.dead' }, INPUT], key)
    expect([status, body.successful.map(({ index }: { index: number }) => index)]).toEqual([201, [0, 2]])
    expect(body.failed).toEqual([{ index: 1, error: expect.objectContaining({ code: 'VALIDATION_ERROR' }) }])
    expect(body.failed[0].error.details).toMatchObject({ field: 'event_type', suggestion: expect.any(String) })
    expect(await stored(key)).toHaveLength(2)
  })

  it('fails an item alone whose payload is too large or nested too deep', async () => {
    const nested = `{"a":${'['.repeat(100_000)}${']'.repeat(100_000)}}`
    const large = { ...INPUT, payload: { t: 'x'.repeat(409_600) } }
    const { status, body } = await postText(`[${JSON.stringify(large)},${TEXT.replace('{"total":12}', nested)},${TEXT}]`)
    expect(status).toBe(201)
    expect(body.successful.map(({ index }: { index: number }) => index)).toEqual([2])
    expect(body.failed[0].error).toMatchObject({ code: 'PAYLOAD_TOO_LARGE', details: { limit_bytes: 409_600, actual_bytes: 409_608 } })
    expect(body.failed[1].error).toMatchObject({ code: 'VALIDATION_ERROR', details: { field: 'payload' } })
  })

  it('is 201 when all items fail', async () => {
    const { status, body } = await post([null, null])
    expect([status, body.successful, body.failed.length]).toEqual([201, [], 2])
  })

  it('keeps each payload as sent', async () => {
    const key = app.key()
    await postText(`[${TEXT.replace('{"total":12}', '{ "b":9007199254740993, "a":"\\ud800" }')}]`, key)
    expect((await app.request('/v1/inbox', { key })).text).toContain('"payload":{"b":9007199254740993,"a":"\\ud800"}')
  })

  it('takes twelve payloads of the greatest size', async () => {
    const payload = { t: 'x'.repeat(409_600 - 8) }
    const { status, body } = await post(Array.from({ length: 12 }, () => ({ ...INPUT, payload })))
    expect([status, body.successful.length]).toEqual([201, 12])
  })
})

describe('a storage that can take some events of a call', () => {
  /** It takes all but those of that source. */
  const partly = () =>
    testApp({}, (store) => ({
      ...store,
      async createEvents(workspaceId, events) {
        const taken = await store.createEvents(
          workspaceId,
          events.filter(({ source }) => source !== 'unlucky'),
        )
        return events.map(({ source }) =>
          source === 'unlucky' ? { outcome: 'unavailable' } : (taken.shift() ?? { outcome: 'unavailable' }),
        )
      },
    }))

  it('lets the others fail alone, each to be sent again', async () => {
    const app = await partly()
    const key = app.key()
    const items = [INPUT, { ...INPUT, source: 'unlucky' }, { ...INPUT, extra: 1 }, INPUT]
    const { status, body } = await app.request('/v1/events/bulk', { method: 'POST', key, body: { items } })
    expect([status, body.successful.map(({ index }: { index: number }) => index)]).toEqual([201, [0, 3]])
    expect(body.failed).toEqual([
      {
        index: 1,
        error: { code: 'SERVICE_UNAVAILABLE', message: expect.stringMatching(/.+/), details: { suggestion: expect.stringMatching(/.+/) } },
      },
      { index: 2, error: expect.objectContaining({ code: 'VALIDATION_ERROR' }) },
    ])
    const ids = body.successful.map(({ event_id }: { event_id: string }) => event_id)
    expect((await readAllPages(app, key, '/v1/events?order=asc')).flat()).toEqual(ids)
  })

  it('is 503 to a single create, with Retry-After', async () => {
    const app = await partly()
    const answer = await app.request('/v1/events', { method: 'POST', body: { ...INPUT, source: 'unlucky' } })
    expect([answer.status, answer.body.error.code]).toEqual([503, 'SERVICE_UNAVAILABLE'])
    expect(answer.headers.get('retry-after')).toMatch(/^[1-9]\d*$/)
  })
})

describe('a bulk create is refused whole', () => {
  it.each([
    ['no items', []],
    ['26 items', Array.from({ length: 26 }, () => INPUT)],
    ['items that are null', null],
    ['items that are an object', { 0: INPUT }],
    ['items that are text', 'text'],
    ['missing items', undefined],
  ])('with %s', async (_, items) => {
    const key = app.key()
    expectRefused(await post(items, key), 400, 'items')
    expect(await stored(key)).toEqual([])
  })

  it.each([
    ['a duplicate key in a payload', `[${TEXT},${TEXT.replace('"total":12', '"total":12,"total":12')}]`, 'items.1.payload.total'],
    ['a duplicate field of an item', `[${TEXT},${TEXT.replace('{', '{"source":"x",')}]`, 'items.1.source'],
    ['broken JSON in an item', `[${TEXT},{]`, 'body'],
    ['NaN in an item', `[${TEXT.replace('12', 'NaN')}]`, 'body'],
  ])('for %s', async (_, items, field) => {
    const key = app.key()
    expectRefused(await postText(items, key), 400, field)
    expect(await stored(key)).toEqual([])
  })

  it('for invalid UTF-8 in an item', async () => {
    const key = app.key()
    const [before, after] = JSON.stringify({ items: [INPUT, { ...INPUT, payload: { t: '|' } }] }).split('|')
    const body = Buffer.concat([Buffer.from(before ?? ''), Buffer.from([0xff]), Buffer.from(after ?? '')])
    expectRefused(await app.request('/v1/events/bulk', { method: 'POST', key, body }), 400, 'body')
    expect(await stored(key)).toEqual([])
  })

  it('with an Idempotency-Key header', async () => {
    const key = app.key()
    expectRefused(await post([INPUT], key, { 'idempotency-key': 'k' }), 400, 'Idempotency-Key')
    expect(await stored(key)).toEqual([])
  })
})

describe('idempotency keys in a bulk create', () => {
  const keyed = (idempotencyKey: string, payload: object = {}) => ({ ...INPUT, payload, metadata: { idempotency_key: idempotencyKey } })

  it('hold within one request', async () => {
    const key = app.key()
    const { body } = await post([keyed('a'), keyed('b'), keyed('a'), keyed('a', { other: 1 })], key)
    const ids = body.successful.map(({ event_id }: { event_id: string }) => event_id)
    expect([ids.length, ids[2]]).toEqual([3, ids[0]])
    expect(body.failed).toEqual([{ index: 3, error: expect.objectContaining({ code: 'IDEMPOTENCY_KEY_REUSED' }) }])
    expect(await stored(key)).toEqual([ids[0], ids[1]])
  })

  it('hold across requests, single ones too', async () => {
    const key = app.key()
    const single = await app.request('/v1/events', { method: 'POST', key, body: keyed('a') })
    const bulk = await post([keyed('a'), keyed('b')], key)
    expect(bulk.body.successful[0]).toMatchObject({ event_id: single.body.event_id, created_at: single.body.created_at })
    const again = await app.request('/v1/events', { method: 'POST', key, body: keyed('b') })
    expect([again.body.event_id, again.headers.get('idempotent-replayed')]).toEqual([bulk.body.successful[1].event_id, 'true'])
    expect(await stored(key)).toHaveLength(2)
  })

  it('stay free when their item is refused', async () => {
    const key = app.key()
    const { body } = await post([{ ...keyed('a'), source: '' }, keyed('a')], key)
    expect(body.failed.map(({ index }: { index: number }) => index)).toEqual([0])
    expect(await stored(key)).toEqual([body.successful[0].event_id])
  })

  it('make one event of fifty requests at once', async () => {
    const key = app.key()
    const answers = await Promise.all(Array.from({ length: 50 }, () => post([keyed('a'), keyed('a')], key)))
    expect(new Set(answers.flatMap(({ body }) => body.successful.map(({ event_id }: { event_id: string }) => event_id))).size).toBe(1)
    expect(await stored(key)).toHaveLength(1)
  })
})
