import { describe, expect, it } from 'vitest'
import { SCOPES } from './ports.ts'
import { endpoints } from './routes/index.ts'
import { createEvent, expectRefused, getEvent } from './testing/events.ts'
import { parametersOf, sampleRequest, UNKNOWN_IDS } from './testing/sample-request.ts'
import { type RequestOptions, sharedApp } from './testing/test-app.ts'

const app = await sharedApp()

const calls = endpoints.map((endpoint) => ({ endpoint, name: endpoint.route.operationId, ...sampleRequest(endpoint) }))
const withKey = calls.filter(({ endpoint }) => endpoint.access !== 'public')
const withScope = withKey.filter(({ endpoint }) => endpoint.access.length > 0)
const withBody = calls.filter(({ endpoint }) => endpoint.route.request?.body !== undefined)

function ask({ method, path, body }: (typeof calls)[number], options: RequestOptions = {}, query = '') {
  return app.request(path + query, { method, ...(body !== undefined && { body }), ...options })
}

describe('every call', () => {
  it('is in the table once', () => {
    expect(new Set(calls.map(({ name }) => name)).size).toBe(calls.length)
  })

  it.each(calls)('$name works with what these tests send it', async (call) => {
    // What the sample names is not there, which a delete of an event takes for done.
    const { status } = await ask(call)
    if (call.name === 'deleteEvent') expect(status).toBe(200)
    else expect(status).toBe(parametersOf(call.endpoint).length > 0 ? 404 : Number(Object.keys(call.endpoint.success)[0]))
  })

  it.each(withKey)('$name refuses a caller without a key', async (call) => {
    const answer = await ask(call, { key: undefined })
    expect([answer.status, answer.body.error.code]).toEqual([401, 'UNAUTHORIZED'])
  })

  it.each(withScope)('$name refuses a key that has every scope but those for it', async (call) => {
    const key = app.key(SCOPES.filter((scope) => !call.endpoint.access.includes(scope as never)))
    const answer = await ask(call, { key })
    expect([answer.status, answer.body.error.code]).toEqual([403, 'FORBIDDEN'])
    expect(answer.body.error.details.required_scopes).toEqual(call.endpoint.access)
  })

  it.each(withScope.flatMap((call) => [...call.endpoint.access].map((scope) => ({ ...call, scope }))))(
    '$name accepts a key that has $scope alone',
    async ({ scope, ...call }) => {
      const answer = await ask(call, { key: app.key([scope as (typeof SCOPES)[number]]) })
      expect(answer.body?.error?.details.required_scopes).toBeUndefined()
    },
  )

  it.each(calls)('$name refuses a query parameter that it does not know, and names it', async (call) => {
    expectRefused(await ask(call, {}, '?verbose=1'), 422, 'verbose')
  })

  it.each(calls)('$name refuses the query parameter `__proto__`', async (call) => {
    expectRefused(await ask(call, {}, '?__proto__=1'), 422, '__proto__')
  })

  it.each(calls)('$name refuses a repeated query parameter, and names it', async (call) => {
    expectRefused(await ask(call, {}, '?limit=1&limit=1'), 422, 'limit')
  })
})

describe('every call with a body', () => {
  it.each(withBody)('$name refuses an unknown field, and names it', async (call) => {
    expectRefused(await ask(call, { body: { ...call.body, colour: 'red' } }), 400, 'colour')
  })

  it.each(withBody)('$name refuses the field `__proto__`', async (call) => {
    expectRefused(await ask(call, { body: JSON.stringify(call.body).replace('{', '{"__proto__":{},') }), 400, '__proto__')
  })

  it.each(withBody)('$name refuses a repeated field, and names it', async (call) => {
    const text = JSON.stringify(call.body)
    expectRefused(await ask(call, { body: text.replace(/.$/, `,${text.slice(1)}`) }), 400, Object.keys(call.body ?? {})[0] ?? '')
  })

  it.each(withBody)('$name refuses another content type, and none', async (call) => {
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/json; charset=utf-16', 'application/jsonx', '']) {
      expectRefused(await ask(call, { headers: { 'content-type': type } }), 415, 'Content-Type')
    }
  })

  it.each(withBody)('$name takes JSON with its charset named', async (call) => {
    const { status: usual } = await ask(call)
    expect((await ask(call, { headers: { 'content-type': 'application/json; charset=UTF-8' } })).status).toBe(usual)
  })

  it.each(withBody)('$name refuses a body that is no JSON object', async (call) => {
    const isOptional = call.endpoint.route.request?.body?.required === false
    for (const body of [
      ...(isOptional ? [] : ['', 'null']),
      ' ',
      '[]',
      '"text"',
      '1',
      '{',
      '{"a":1}}',
      "{'a':1}",
      '{"a":NaN}',
      '{"a":Infinity}',
      '{a:1}',
      '// x\n{}',
      '\u{feff}{}',
    ]) {
      expectRefused(await ask(call, { body }), 400, 'body')
    }
  })

  it.each(withBody)('$name refuses invalid UTF-8', async (call) => {
    const text = JSON.stringify(call.body)
    expectRefused(
      await ask(call, { body: Buffer.concat([Buffer.from(`${text.slice(0, -1)},"x":"`), Buffer.from([0xff]), Buffer.from('"}')]) }),
      400,
      'body',
    )
  })

  it.each(withBody)('$name survives nesting of 100,000 levels in an unknown field', async (call) => {
    const deep = `{"deep":${'['.repeat(100_000)}${']'.repeat(100_000)},${JSON.stringify(call.body).slice(1)}`
    expectRefused(await ask(call, { body: deep }), 400, 'deep')
  })
})

describe('every call without a body', () => {
  const bodiless = calls.filter(({ method, body }) => body === undefined && method !== 'GET')

  it.each(bodiless)('$name ignores whatever body comes', async (call) => {
    const { status: usual } = await ask(call)
    for (const body of ['', 'null', '{"unknown":1}', '{broken', Buffer.from([0xff])]) {
      expect((await ask(call, { body })).status, String(body)).toBe(usual)
    }
    expect((await ask(call, { body: 'x', headers: { 'content-type': 'text/plain' } })).status).toBe(usual)
  })
})

describe('a call that names something', () => {
  const naming = calls.flatMap((call) => parametersOf(call.endpoint).map((parameter) => ({ ...call, parameter })))

  it.each(naming)('$name refuses a malformed $parameter', async ({ method, path, body, parameter }) => {
    const known = UNKNOWN_IDS[parameter] ?? ''
    const ids = ['x', '1', known.toUpperCase(), `${known}!`, `{${known}}`, '%00', '%20', '%ff', '..%2f..%2fetc']
    for (const id of ids) {
      expectRefused(await app.request(path.replace(known, id), { method, ...(body !== undefined && { body }) }), 422, parameter)
    }
  })

  it.each(naming.filter(({ parameter, method }) => parameter === 'event_id' && method !== 'DELETE'))(
    "$name does not find another workspace's event",
    async ({ method, path, parameter }) => {
      const { event_id } = await createEvent(app, app.key())
      const answer = await app.request(path.replace(UNKNOWN_IDS[parameter] ?? '', event_id), { method, key: app.key() })
      expect([answer.status, answer.body.error.code, answer.body.error.details]).toEqual([
        404,
        'NOT_FOUND',
        { event_id, suggestion: expect.any(String) },
      ])
    },
  )

  it('leaves an event untouched that another workspace acks and deletes', async () => {
    const [owner, stranger] = [app.key(), app.key()]
    const { event_id } = await createEvent(app, owner)
    const before = await getEvent(app, owner, event_id)
    await app.request(`/v1/events/${event_id}/ack`, { method: 'POST', key: stranger })
    expect((await app.request(`/v1/events/${event_id}`, { method: 'DELETE', key: stranger })).status).toBe(200)
    await app.request('/v1/events/bulk', { method: 'DELETE', key: stranger, body: { event_ids: [event_id] } })
    const acked = await app.request('/v1/events/bulk/ack', { method: 'POST', key: stranger, body: { event_ids: [event_id] } })
    expect(acked.body.failed[0].error.code).toBe('NOT_FOUND')
    const after = await getEvent(app, owner, event_id)
    expect({ ...after.body, request_id: '' }).toEqual({ ...before.body, request_id: '' })
  })
})
