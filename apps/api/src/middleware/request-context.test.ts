import { describe, expect, it } from 'vitest'
import { sharedApp } from '../testing/test-app.ts'

const app = await sharedApp()
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

const requestIdOf = async (headers: Record<string, string>) => (await app.request('/v1/health', { headers })).headers.get('x-request-id')

describe('the request id', () => {
  it.each(['a', 'req-1', 'A.b_c:D-9', '0'.repeat(128)])('is taken from the request: %s', async (given) => {
    expect(await requestIdOf({ 'x-request-id': given })).toBe(given)
  })

  it.each(['', 'x'.repeat(129), 'a b', 'a/b', 'ü', '<script>', 'a,b', '{}'])('is a new UUID instead of %j', async (given) => {
    expect(await requestIdOf({ 'x-request-id': given })).toMatch(UUID)
  })

  it('is a new UUID for every request that brings none', async () => {
    const [first, second] = [await requestIdOf({}), await requestIdOf({})]
    expect(first).toMatch(UUID)
    expect(second).toMatch(UUID)
    expect(second).not.toBe(first)
  })

  it.each([
    ['an answer', 'GET', '/v1/health', 200],
    ['an unknown path', 'GET', '/v1/nothing', 404],
    ['a wrong method', 'PUT', '/v1/inbox', 405],
    ['a refused query', 'GET', '/v1/inbox?limit=0', 422],
  ])('is in the header and the body of %s', async (_, method, path, status) => {
    const answer = await app.request(path, { method, headers: { 'x-request-id': 'given' } })
    expect(answer.status).toBe(status)
    expect(answer.headers.get('x-request-id')).toBe('given')
    expect(status < 400 ? answer.body.request_id : answer.body.error.request_id).toBe('given')
  })

  it('is on refusals before authentication', async () => {
    const headers = { 'x-request-id': 'given' }
    const refusals = [
      await app.request('/v1/inbox', { key: undefined, headers }),
      await app.request('/v1/inbox', { headers: { ...headers, host: 'evil.example' } }),
      await app.request('/v1/inbox', { headers: { ...headers, 'content-length': '9999999' } }),
    ]
    expect(refusals.map(({ status, body }) => [status, body.error.request_id])).toEqual([
      [401, 'given'],
      [403, 'given'],
      [413, 'given'],
    ])
  })

  it('is a header only where the body has no place for it', async () => {
    const document = await app.request('/openapi.json', { key: undefined })
    expect(document.headers.get('x-request-id')).toMatch(UUID)
    expect(document.body).not.toHaveProperty('request_id')
    const preflight = await app.request('/v1/events', {
      method: 'OPTIONS',
      headers: { origin: 'http://localhost:5173', 'access-control-request-method': 'POST', 'x-request-id': 'given' },
    })
    expect(preflight.headers.get('x-request-id')).toBe('given')
  })
})
