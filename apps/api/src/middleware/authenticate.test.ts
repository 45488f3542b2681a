import { describe, expect, it } from 'vitest'
import { buildApp } from '../app.ts'
import { DEVELOPMENT_KEY } from '../domain/key-ring.ts'
import { SCOPES, StoreUnavailableError } from '../ports.ts'
import { sharedApp, testApp } from '../testing/test-app.ts'

const ENCRYPTION_KEY = `main:${Buffer.alloc(32, 1).toString('base64')}`

const app = await sharedApp()
const key = app.key(SCOPES, 'acme')
const whoami = (headers: Record<string, string>, peerAddress?: string) =>
  app.request('/v1/whoami', { key: undefined, headers, ...(peerAddress !== undefined && { peerAddress }) })

describe('authentication', () => {
  it('takes the key from X-API-Key', async () => {
    expect((await whoami({ 'x-api-key': key })).body.workspace_id).toBe('acme')
  })

  it.each(['Bearer', 'bearer', 'BEARER'])('takes the key from Authorization: %s', async (scheme) => {
    expect((await whoami({ authorization: `${scheme} ${key}` })).body.workspace_id).toBe('acme')
  })

  it.each([
    ['no key', {}, 'key_missing'],
    ['an unknown key', { 'x-api-key': 'unknown' }, 'key_unknown'],
    ['an empty key', { 'x-api-key': '' }, 'key_unknown'],
    ['an unknown bearer token', { authorization: 'Bearer unknown' }, 'key_unknown'],
    ['an empty bearer token', { authorization: 'Bearer ' }, 'key_missing'],
    ['another scheme', { authorization: 'Basic dGVzdDp0ZXN0' }, 'key_missing'],
    ['a key without its scheme', { authorization: key }, 'key_missing'],
    ['a key with more behind it', { 'x-api-key': `${key}x` }, 'key_unknown'],
    ['a key of 100,000 characters', { 'x-api-key': 'x'.repeat(100_000) }, 'key_unknown'],
    ['two keys', { 'x-api-key': `${key}, ${key}` }, 'key_unknown'],
  ])('refuses %s', async (_, headers, reason) => {
    const answer = await whoami(headers as Record<string, string>)
    expect([answer.status, answer.body.error.code, answer.headers.get('www-authenticate')]).toEqual([401, 'UNAUTHORIZED', 'Bearer'])
    expect(answer.body.error.details.reason).toBe(reason)
    expect(answer.body.error.details.suggestion).toContain('X-API-Key')
  })

  it('does not repeat the key that it refuses', async () => {
    expect((await whoami({ 'x-api-key': 'my-secret' })).text).not.toContain('my-secret')
  })

  it('does not wait for the body', async () => {
    const never = new ReadableStream({ pull: () => new Promise<void>(() => {}) })
    const request = new Request('http://localhost/v1/events', { method: 'POST', body: never, duplex: 'half' } as RequestInit)
    expect((await buildApp(app.deps).fetch(request)).status).toBe(401)
  })

  it('comes before the validation of what is asked', async () => {
    const answer = await app.request('/v1/events?x=1', {
      method: 'POST',
      key: undefined,
      body: '{broken',
      headers: { 'content-type': 'text/plain' },
    })
    expect(answer.status).toBe(401)
  })

  it('comes before the scope, and the scope before validation', async () => {
    expect((await app.request('/v1/inbox?limit=0', { key: app.key(['events:write']) })).status).toBe(403)
  })
})

describe('a key in the query string', () => {
  it.each(['api_key', 'apikey', 'api-key', 'x-api-key', 'X-API-Key', 'key', 'token', 'access_token'])(
    'is refused as %s, with the reason',
    async (name) => {
      const answer = await app.request(`/v1/whoami?${name}=${key}`, { key: undefined })
      expect(answer.status).toBe(401)
      expect(answer.body.error.details.suggestion).toContain('query string is not accepted')
      expect(answer.text).not.toContain(key)
    },
  )

  it('is not a parameter beside a valid one in the header, and not repeated', async () => {
    const secret = 'trg_0123456789abcdefghijABCDEFGHIJ01234567'
    for (const query of [`api_key=${secret}`, `${secret}=1`, `${secret}`]) {
      const answer = await app.request(`/v1/whoami?${query}`)
      expect(answer.status).toBe(422)
      expect(answer.text).not.toContain(secret)
    }
  })

  it('is not repeated where it strays into a path', async () => {
    const secret = 'trg_0123456789abcdefghijABCDEFGHIJ01234567'
    for (const path of [`/v1/${secret}`, `/v1/events/${secret}`, `/${secret}`]) {
      const answer = await app.request(path)
      expect(answer.status).toBeGreaterThanOrEqual(404)
      expect(answer.text).not.toContain(secret)
    }
  })
})

describe('the development key', () => {
  it('belongs to the workspace `default` and has every scope', async () => {
    expect(DEVELOPMENT_KEY).toBe('test-api-key-12345')
    const { body } = await whoami({ 'x-api-key': DEVELOPMENT_KEY })
    expect(body).toMatchObject({ workspace_id: 'default', key_id: 'key_development', scopes: [...SCOPES] })
  })

  it.each(['test-api-key-1234', 'test-api-key-123456', 'TEST-API-KEY-12345'])('is not %j', async (secret) => {
    expect((await whoami({ 'x-api-key': secret })).status).toBe(401)
  })

  it('is unknown in AUTH_MODE=keys', async () => {
    const keysOnly = await testApp({ AUTH_MODE: 'keys', ENCRYPTION_KEY })
    const answer = await keysOnly.request('/v1/whoami', { key: DEVELOPMENT_KEY })
    expect([answer.status, answer.body.error.details.reason]).toEqual([401, 'key_unknown'])
  })
})

describe('guessing', () => {
  it('is answered with 429 after 100 failures a minute from one address, where a valid key still works', async () => {
    const guess = (from: string) => whoami({ 'x-api-key': 'guess' }, from)
    for (let count = 0; count < 100; count++) expect((await guess('198.51.100.7')).status).toBe(401)
    const refused = await guess('198.51.100.7')
    expect([refused.status, refused.body.error.code]).toEqual([429, 'RATE_LIMIT_EXCEEDED'])
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThanOrEqual(1)
    expect((await whoami({}, '198.51.100.7')).status).toBe(429)
    expect((await whoami({ 'x-api-key': key }, '198.51.100.7')).status).toBe(200)
    expect((await guess('198.51.100.8')).status).toBe(401)
    expect((await guess('::ffff:198.51.100.7')).status).toBe(429)
  })

  it('counts an IPv6 /64 as one', async () => {
    const guess = (from: string) => whoami({ 'x-api-key': 'guess' }, from)
    for (let count = 0; count < 100; count++) await guess(`2001:db8:0:1::${count.toString(16)}`)
    expect((await guess('2001:db8:0:1:ffff::1')).status).toBe(429)
    expect((await guess('2001:db8:0:2::1')).status).toBe(401)
  })
})

describe('a store that is away', () => {
  it('makes an unknown key 503, never allowed and never 401', async () => {
    const away = await testApp({}, (store) =>
      Object.assign(Object.create(store), {
        findApiKeyByHash: () => Promise.reject(new StoreUnavailableError('away')),
      }),
    )
    const answer = await away.request('/v1/whoami', { key: 'any-key' })
    expect([answer.status, answer.body.error.code, answer.headers.get('retry-after')]).toEqual([503, 'SERVICE_UNAVAILABLE', '1'])
  })
})
