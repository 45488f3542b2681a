import { describe, expect, it } from 'vitest'
import { ackEvent, expectRefused, getEvent, INPUT, readAllPages } from '../../testing/events.ts'
import { sharedApp, type TestApp, testApp } from '../../testing/test-app.ts'

const shared = await sharedApp()

const withKey = (idempotencyKey: string, fields: object = {}, metadata: object = {}) => ({
  ...INPUT,
  ...fields,
  metadata: { ...metadata, idempotency_key: idempotencyKey },
})

const post = (key: string, body: unknown, header?: string, app: TestApp = shared) =>
  app.request('/v1/events', { method: 'POST', key, body, headers: header === undefined ? {} : { 'idempotency-key': header } })

const postText = (key: string, payload: string, metadata = '') =>
  post(key, `{"source":"shop","event_type":"order.paid","payload":${payload},"metadata":{"idempotency_key":"k"${metadata}}}`)

const stored = async (key: string, app: TestApp = shared) => (await readAllPages(app, key, '/v1/events')).flat()

describe('the same idempotency key with the same content', () => {
  it('answers as the first time, and makes no second event', async () => {
    const key = shared.key()
    const first = await post(key, withKey('k'))
    const again = await post(key, withKey('k'))
    expect([first.status, first.headers.get('idempotent-replayed')]).toEqual([201, null])
    expect([again.status, again.headers.get('idempotent-replayed')]).toEqual([201, 'true'])
    expect({ ...again.body, request_id: '' }).toEqual({ ...first.body, request_id: '' })
    expect(again.body.request_id).not.toBe(first.body.request_id)
    expect(await stored(key)).toEqual([first.body.event_id])
  })

  it('may come by header, and is shown in the metadata', async () => {
    const key = shared.key()
    const first = await post(key, INPUT, 'k')
    expect((await getEvent(shared, key, first.body.event_id)).body.metadata).toEqual({ priority: 'normal', idempotency_key: 'k' })
    expect((await post(key, INPUT, 'k')).body.event_id).toBe(first.body.event_id)
    expect((await post(key, withKey('k'))).body.event_id).toBe(first.body.event_id)
    expect((await post(key, withKey('k'), 'k')).body.event_id).toBe(first.body.event_id)
    expect(await stored(key)).toHaveLength(1)
  })

  it('makes an event in each workspace', async () => {
    const [one, other] = [shared.key(), shared.key()]
    const first = await post(one, withKey('k'))
    const second = await post(other, withKey('k', { payload: { other: true } }))
    expect([second.status, second.headers.get('idempotent-replayed')]).toEqual([201, null])
    expect(second.body.event_id).not.toBe(first.body.event_id)
  })

  it('makes one event of fifty at once, and fifty 201s', async () => {
    const key = shared.key()
    const answers = await Promise.all(Array.from({ length: 50 }, () => post(key, withKey('k'))))
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([201]))
    expect(new Set(answers.map(({ body }) => body.event_id)).size).toBe(1)
    expect(answers.filter(({ headers }) => headers.get('idempotent-replayed') === null)).toHaveLength(1)
    expect(await stored(key)).toHaveLength(1)
  })

  it('answers the same after the event was acknowledged, and after it was deleted', async () => {
    const key = shared.key()
    const { event_id, created_at } = (await post(key, withKey('k'))).body
    await ackEvent(shared, key, event_id)
    expect((await post(key, withKey('k'))).body).toMatchObject({ event_id, created_at, status: 'pending' })
    expect((await shared.request('/v1/inbox', { key })).body.events).toEqual([])
    await shared.request(`/v1/events/${event_id}`, { method: 'DELETE', key })
    const replay = await post(key, withKey('k'))
    expect([replay.body.event_id, replay.headers.get('idempotent-replayed')]).toEqual([event_id, 'true'])
    expect(await stored(key)).toEqual([])
  })
})

describe('the same content', () => {
  it.each([
    ['key order', '{"a":1,"b":2}', '{"b":2,"a":1}'],
    ['white space', '{"a":[1,2]}', '{ "a" : [ 1 , 2 ] }'],
    ['escapes', '{"a":"é/"}', '{"\\u0061":"\\u00e9\\/"}'],
    ['the spelling of numbers', '{"n":[1,100,0.5,0]}', '{"n":[1.0,1e2,5E-1,-0.0]}'],
    ['the spelling of numbers beyond 2^53', '{"n":9007199254740993}', '{"n":9007199254740993.0}'],
  ])('does not depend on %s of the payload', async (_, first, second) => {
    const key = shared.key()
    const { event_id } = (await postText(key, first)).body
    expect((await postText(key, second)).body.event_id).toBe(event_id)
  })

  it.each([
    ['trimming', { source: ' shop ', event_type: 'order.paid\t' }, {}, {}, {}],
    ['the default priority', {}, {}, { priority: 'normal' }, {}],
    ['null members', {}, { region: null, correlation_id: null }, {}, {}],
    ["the metadata's order", {}, { a: '1', b: 2, correlation_id: 'c' }, {}, { correlation_id: 'c', b: 2, a: '1' }],
  ])('does not depend on %s', async (_, fields, metadata, moreMetadata, others) => {
    const key = shared.key()
    const { event_id } = (await post(key, withKey('k', fields, { ...metadata, ...moreMetadata }))).body
    expect((await post(key, withKey('k', {}, others))).body.event_id).toBe(event_id)
  })

  it("does not depend on the spelling of the metadata's numbers", async () => {
    const key = shared.key()
    const { event_id } = (await postText(key, '{}', ',"n":1.50')).body
    expect((await postText(key, '{}', ',"n":15e-1')).body.event_id).toBe(event_id)
  })
})

describe('the same idempotency key with other content', () => {
  it.each([
    ['source', { source: 'shop2' }, {}],
    ['event type', { event_type: 'order.sent' }, {}],
    ['payload', { payload: { total: 13 } }, {}],
    ['a key more in the payload', { payload: { total: 12, x: null } }, {}],
    ['priority', {}, { priority: 'high' }],
    ['correlation id', {}, { correlation_id: 'c' }],
    ['a metadata value of another type', {}, { n: '1' }],
  ])('is refused: %s', async (_, fields, metadata) => {
    const key = shared.key()
    const first = await post(key, withKey('k', {}, { n: 1 }))
    const other = await post(key, withKey('k', fields, { n: 1, ...metadata }))
    expect([other.status, other.body.error.code]).toEqual([422, 'IDEMPOTENCY_KEY_REUSED'])
    expect((await post(key, withKey('k', {}, { n: 1 }))).body.event_id).toBe(first.body.event_id)
    expect(await stored(key)).toEqual([first.body.event_id])
  })

  it.each([
    ['{"n":9007199254740993}', '{"n":9007199254740992}'],
    ['{"n":0.1}', '{"n":0.10000000000000000001}'],
    ['{"n":1}', '{"n":"1"}'],
    ['{"a":[1,2]}', '{"a":[2,1]}'],
    ['{"a":null}', '{}'],
    ['{"s":"\\ud800"}', '{"s":"\\ud801"}'],
  ])('is refused: payload %s, then %s', async (first, second) => {
    const key = shared.key()
    expect((await postText(key, first)).status).toBe(201)
    expect((await postText(key, second)).body.error?.code).toBe('IDEMPOTENCY_KEY_REUSED')
  })
})

describe('an idempotency key', () => {
  it('given differently by body and header is refused', async () => {
    const key = shared.key()
    expectRefused(await post(key, withKey('k'), 'other'), 400, 'Idempotency-Key')
    expect(await stored(key)).toEqual([])
  })

  it.each(['', 'x'.repeat(257), 'é', 'a\tb'])('by header that is %j is refused', async (header) => {
    expectRefused(await post(shared.key(), INPUT, header), 400, 'idempotency-key')
  })

  it('may have 1 to 256 characters', async () => {
    const key = shared.key()
    for (const idempotencyKey of ['a', 'x'.repeat(256)]) {
      expect((await post(key, INPUT, idempotencyKey)).status).toBe(201)
      expect((await post(key, withKey(idempotencyKey))).headers.get('idempotent-replayed')).toBe('true')
    }
    expect((await post(key, withKey('😀'.repeat(256)))).status).toBe(201)
  })

  it('is told apart from one that differs in case alone', async () => {
    const key = shared.key()
    await post(key, withKey('k'))
    expect((await post(key, withKey('K', { payload: {} }))).status).toBe(201)
  })

  it.each([
    ['not valid', { metadata: { idempotency_key: 'k', priority: 'urgent' } }, 400],
    ['too large', { payload: { t: 'x'.repeat(409_600) } }, 413],
  ])('stays free when the create is refused because it is %s', async (_, fields, status) => {
    const key = shared.key()
    expect((await post(key, { ...withKey('k'), ...fields }, 'k')).status).toBe(status)
    const created = await post(key, withKey('k'), 'k')
    expect([created.status, created.headers.get('idempotent-replayed')]).toEqual([201, null])
  })

  it('holds for 24 hours, however often it is used', async () => {
    const app = await testApp()
    const key = app.key()
    const first = await post(key, withKey('k'), undefined, app)
    for (const hours of [12, 11]) {
      app.clock.advance({ hours })
      expect((await post(key, withKey('k'), undefined, app)).body.event_id).toBe(first.body.event_id)
    }
    app.clock.advance({ seconds: 3599 })
    expect((await post(key, withKey('k', { payload: {} }), undefined, app)).status).toBe(422)
    app.clock.advance({ seconds: 2 })
    const second = await post(key, withKey('k', { payload: {} }), undefined, app)
    expect([second.status, second.headers.get('idempotent-replayed')]).toEqual([201, null])
    expect(second.body.event_id).not.toBe(first.body.event_id)
    expect(await stored(key, app)).toEqual([second.body.event_id, first.body.event_id])
    expect((await post(key, withKey('k', { payload: {} }), undefined, app)).body.event_id).toBe(second.body.event_id)
  })
})
