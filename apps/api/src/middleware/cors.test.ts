import { describe, expect, it } from 'vitest'
import { sharedApp } from '../testing/test-app.ts'

const app = await sharedApp({ CORS_ORIGINS: 'https://app.example.com, https://admin.example.com:8443' })
const ALLOWED = [
  'https://app.example.com',
  'https://admin.example.com:8443',
  'http://localhost:5173',
  'https://localhost',
  'http://127.0.0.1:3000',
  'http://[::1]:80',
]
const FOREIGN = [
  'https://evil.example',
  'http://app.example.com',
  'https://app.example.com.evil.example',
  'https://app.example.com:8443',
  'http://localhost.evil.example',
  'http://127.0.0.1.evil.example',
  'http://localhost:5173.evil.example',
  'null',
]

const preflight = (origin: string, path = '/v1/events', headers: Record<string, string> = {}) =>
  app.request(path, { method: 'OPTIONS', key: undefined, headers: { origin, 'access-control-request-method': 'POST', ...headers } })

describe('a preflight', () => {
  it.each(ALLOWED)('from %s is 204 before authentication', async (origin) => {
    const answer = await preflight(origin, '/v1/events', { 'access-control-request-headers': 'x-api-key,content-type' })
    expect([answer.status, answer.text, answer.headers.get('access-control-allow-origin')]).toEqual([204, '', origin])
    expect(answer.headers.get('access-control-allow-headers')).toBe('x-api-key,content-type')
    expect(answer.headers.get('access-control-allow-methods')?.split(', ')).toEqual(['GET', 'POST', 'PUT', 'PATCH', 'DELETE'])
    expect(answer.headers.get('vary')).toContain('Origin')
  })

  it('allows the headers of the API when it asks for none', async () => {
    const allowed = (await preflight('http://localhost:5173')).headers.get('access-control-allow-headers')?.toLowerCase()
    for (const header of ['content-type', 'x-api-key', 'authorization', 'idempotency-key', 'x-request-id'])
      expect(allowed).toContain(header)
  })

  it.each(FOREIGN)('from %s is not answered as one', async (origin) => {
    const answer = await preflight(origin)
    expect([answer.status, answer.headers.get('access-control-allow-origin')]).toEqual([401, null])
  })

  it('needs the method that it asks for', async () => {
    const answer = await app.request('/v1/events', { method: 'OPTIONS', key: undefined, headers: { origin: 'http://localhost:5173' } })
    expect(answer.status).toBe(401)
  })
})

describe('an answer', () => {
  it.each(ALLOWED)('lets a page of %s read it', async (origin) => {
    const answer = await app.request('/v1/inbox', { headers: { origin } })
    expect([answer.status, answer.headers.get('access-control-allow-origin')]).toEqual([200, origin])
    expect(answer.headers.get('vary')).toContain('Origin')
  })

  it('exposes the headers that clients need', async () => {
    const { headers } = await app.request('/v1/inbox', { headers: { origin: 'http://localhost:5173' } })
    expect(headers.get('access-control-expose-headers')?.toLowerCase().split(', ').sort()).toEqual(
      [
        'x-request-id',
        'x-ratelimit-limit',
        'x-ratelimit-remaining',
        'x-ratelimit-reset',
        'ratelimit-policy',
        'ratelimit',
        'retry-after',
        'idempotent-replayed',
      ].sort(),
    )
  })

  it('carries the headers when it is an error', async () => {
    const headers = { origin: 'https://app.example.com' }
    const errors = [
      await app.request('/v1/inbox', { key: undefined, headers }),
      await app.request('/v1/inbox', { headers: { ...headers, 'content-length': '9999999' } }),
      await app.request('/v1/nothing', { headers }),
      await app.request('/v1/inbox', { method: 'PUT', headers }),
      await app.request('/v1/events', { method: 'POST', body: '{', headers }),
    ]
    expect(errors.map(({ status }) => status)).toEqual([401, 413, 404, 405, 400])
    for (const error of errors) {
      expect(error.headers.get('access-control-allow-origin')).toBe('https://app.example.com')
      expect(error.headers.get('access-control-expose-headers')).toContain('X-Request-ID')
    }
  })

  it.each(FOREIGN)('gives a page of %s no access', async (origin) => {
    const answer = await app.request('/v1/inbox', { headers: { origin } })
    expect([answer.status, answer.headers.get('access-control-allow-origin'), answer.headers.get('vary')]).toEqual([200, null, 'Origin'])
  })

  it('has no such headers without an origin', async () => {
    expect((await app.request('/v1/inbox')).headers.get('access-control-allow-origin')).toBeNull()
  })
})
