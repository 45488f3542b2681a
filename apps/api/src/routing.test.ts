import { describe, expect, it } from 'vitest'
import { ERRORS } from './errors.ts'
import { sharedApp } from './testing/test-app.ts'

const app = await sharedApp()
const ID = '01932d5e-7c1a-7b44-9d0a-5f3e2b1c4d6e'

describe('an unknown path', () => {
  it.each([
    '/v1/nothing',
    '/v1',
    '/v1/',
    '/v1/events/',
    `/v1/events/${ID}/nothing`,
    '/v1/inbox/',
    '/v1/inbox/x',
    '/v1/health/',
    '/v1//inbox',
    '/V1/events',
    '/',
    '/nothing',
    '/v2/events',
  ])('%s is 404 in the envelope', async (path) => {
    const answer = await app.request(path)
    expect([answer.status, answer.body.error.code]).toEqual([404, 'NOT_FOUND'])
    expect(answer.body.error.request_id).toBe(answer.headers.get('x-request-id'))
  })

  it.each(['/v1/nothing', '/v1', '/v1/', '/v1/events/x/y/z', '/v1/health/', '/v1/health/x', '/v1/inbox/'])(
    '%s is 401 without a key',
    async (path) => {
      expect((await app.request(path, { key: undefined })).status).toBe(401)
    },
  )

  it('outside /v1 needs no key to be 404', async () => {
    expect((await app.request('/nothing', { key: undefined })).status).toBe(404)
  })

  it('is shown shortened', async () => {
    expect((await app.request(`/v1/${'x'.repeat(5000)}`)).text.length).toBeLessThan(1000)
  })
})

describe('a wrong method', () => {
  it.each([
    ['PUT', '/v1/events', 'POST, GET, HEAD'],
    ['DELETE', '/v1/events', 'POST, GET, HEAD'],
    ['POST', `/v1/events/${ID}`, 'GET, HEAD, DELETE'],
    ['PATCH', `/v1/events/${ID}`, 'GET, HEAD, DELETE'],
    ['GET', `/v1/events/${ID}/ack`, 'POST'],
    ['HEAD', `/v1/events/${ID}/ack`, 'POST'],
    ['POST', '/v1/inbox', 'GET, HEAD'],
    ['OPTIONS', '/v1/inbox', 'GET, HEAD'],
    ['GET', '/v1/events/bulk/ack', 'POST'],
    ['POST', '/v1/whoami', 'GET, HEAD'],
    ['POST', '/v1/health', 'GET, HEAD'],
    ['REPORT', '/v1/inbox', 'GET, HEAD'],
  ])('%s %s is 405 and allows %s', async (method, path, allow) => {
    const answer = await app.request(path, { method })
    expect([answer.status, sorted(answer.headers.get('allow') ?? '')]).toEqual([405, sorted(allow)])
    if (method !== 'HEAD') expect(answer.body.error.code).toBe('METHOD_NOT_ALLOWED')
  })

  it('PUT /v1/events/bulk allows the methods of the bulk calls and of an event', async () => {
    const answer = await app.request('/v1/events/bulk', { method: 'PUT' })
    expect([answer.status, sorted(answer.headers.get('allow') ?? '')]).toEqual([405, sorted('POST, DELETE, GET, HEAD')])
  })

  it.each(['/openapi.json', '/docs', '/redoc'])('POST %s is 405 and allows GET', async (path) => {
    const answer = await app.request(path, { method: 'POST', key: undefined })
    expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'GET, HEAD'])
  })

  it('is 401 without a key', async () => {
    for (const method of ['PUT', 'OPTIONS', 'HEAD']) {
      expect((await app.request('/v1/events', { method, key: undefined })).status, method).toBe(401)
    }
  })

  it('is 401 without a key on a path that takes bodies', async () => {
    expect((await app.request('/v1/events/bulk/ack', { method: 'PATCH', key: undefined, body: '{broken' })).status).toBe(401)
  })
})

function sorted(list: string): string[] {
  return list.split(', ').sort()
}

describe('HEAD', () => {
  it.each(['/v1/health', '/v1/events', '/v1/inbox', '/v1/whoami', '/openapi.json'])(
    '%s answers as GET does, without a body',
    async (path) => {
      const get = await app.request(path)
      const head = await app.request(path, { method: 'HEAD' })
      expect([head.status, head.text, head.headers.get('content-type')]).toEqual([200, '', get.headers.get('content-type')])
    },
  )

  it('answers errors without a body, too', async () => {
    const head = await app.request(`/v1/events/${ID}`, { method: 'HEAD' })
    expect([head.status, head.text]).toEqual([404, ''])
  })
})

describe('an error', () => {
  it('has a code of the table, a message, details and the request id, and nothing else', async () => {
    const { body } = await app.request('/v1/inbox?limit=0', { headers: { 'x-request-id': 'req-1' } })
    expect(Object.keys(body)).toEqual(['error'])
    expect(Object.keys(body.error).sort()).toEqual(['code', 'details', 'message', 'request_id'])
    expect(Object.keys(ERRORS)).toContain(body.error.code)
    expect(body.error.message).toContain('limit')
    expect(body.error.request_id).toBe('req-1')
  })

  it('of validation gives the first problem, and all of them in `errors`', async () => {
    const answer = await app.request('/v1/events', {
      method: 'POST',
      body: { source: '', payload: [], extra: 1, metadata: { priority: 'urgent' } },
    })
    const { errors, ...first } = answer.body.error.details
    expect(first).toEqual(errors[0])
    expect(errors.map((problem: { field: string }) => problem.field).sort()).toEqual([
      'event_type',
      'extra',
      'metadata.priority',
      'payload',
      'source',
    ])
    for (const problem of errors)
      expect(problem).toEqual({ field: expect.any(String), issue: expect.stringMatching(/.+/), suggestion: expect.stringMatching(/.+/) })
  })

  it('of validation stays small, however many problems and long names the request has', async () => {
    const body = Object.fromEntries(Array.from({ length: 1000 }, (_, index) => [`${'x'.repeat(300)}${index}`, index]))
    const answer = await app.request('/v1/events', { method: 'POST', body })
    expect(answer.status).toBe(400)
    expect(answer.text.length).toBeLessThan(20_000)
  })
})
