import { describe, expect, it } from 'vitest'
import { buildApp } from '../app.ts'
import { SCOPES, StoreUnavailableError } from '../ports.ts'
import { INPUT } from '../testing/events.ts'
import { testApp } from '../testing/test-app.ts'

const NAMES = ['x-ratelimit-limit', 'x-ratelimit-remaining', 'x-ratelimit-reset', 'ratelimit-policy', 'ratelimit']
const fieldsOf = (headers: Headers) => NAMES.map((name) => headers.get(name))

async function limitedApp(rateLimitPerMinute: number) {
  const app = await testApp()
  const key = app.key(SCOPES, 'acme', { rateLimitPerMinute })
  return { ...app, ask: (path = '/v1/whoami', options = {}) => app.request(path, { key, ...options }) }
}

describe('a rate limit', () => {
  it('is told on every answer, in both forms', async () => {
    const { ask, clock } = await limitedApp(60)
    const { status, headers } = await ask()
    expect(status).toBe(200)
    const reset = Math.ceil((clock.nowUs() + 1e6) / 1e6)
    expect(fieldsOf(headers)).toEqual(['60', '59', String(reset), '"default";q=60;w=60', '"default";r=59;t=1'])
  })

  it('refuses what goes beyond it, and says when to come back', async () => {
    const { ask, clock } = await limitedApp(3)
    for (const left of [2, 1, 0]) expect((await ask()).headers.get('x-ratelimit-remaining')).toBe(String(left))
    const refused = await ask()
    expect([refused.status, refused.body.error.code, refused.headers.get('retry-after')]).toEqual([429, 'RATE_LIMIT_EXCEEDED', '20'])
    expect(refused.headers.get('ratelimit')).toBe('"default";r=0;t=60')
    clock.advance({ us: 19_900_000 })
    expect((await ask()).status).toBe(429)
    clock.advance({ us: 100_000 })
    expect((await ask()).status).toBe(200)
    expect((await ask()).status).toBe(429)
  })

  it('counts a bulk call, a refused request and an unknown path as one each', async () => {
    const { ask } = await limitedApp(4)
    const remaining = async (path: string, options = {}) => (await ask(path, options)).headers.get('x-ratelimit-remaining')
    expect(await remaining('/v1/events/bulk', { method: 'POST', body: { items: Array.from({ length: 25 }, () => INPUT) } })).toBe('3')
    expect(await remaining('/v1/inbox?limit=0')).toBe('2')
    expect(await remaining('/v1/nothing')).toBe('1')
    expect(await remaining('/v1/inbox', { method: 'PUT' })).toBe('0')
    expect((await ask('/v1/nothing')).status).toBe(429)
  })

  it('comes before the scope and before validation', async () => {
    const app = await testApp()
    const key = app.key([], 'acme', { rateLimitPerMinute: 1 })
    expect((await app.request('/v1/inbox?limit=0', { key })).status).toBe(403)
    expect((await app.request('/v1/inbox?limit=0', { key })).status).toBe(429)
  })

  it('of 0 is none, without the headers', async () => {
    const { ask } = await limitedApp(0)
    expect(fieldsOf((await ask()).headers)).toEqual([null, null, null, null, null])
  })

  it('is the default of the server where the key has none', async () => {
    const app = await testApp({ RATE_LIMIT_PER_MINUTE: '7' })
    const { headers } = await app.request('/v1/whoami', { key: 'test-api-key-12345' })
    expect(headers.get('x-ratelimit-limit')).toBe('7')
  })

  it('is 1000 by default', async () => {
    const app = await testApp()
    expect((await app.request('/v1/whoami', { key: 'test-api-key-12345' })).headers.get('x-ratelimit-limit')).toBe('1000')
  })

  it('is not told to those without a key', async () => {
    const app = await testApp()
    expect(fieldsOf((await app.request('/v1/whoami', { key: undefined })).headers)).toEqual([null, null, null, null, null])
  })

  it('that cannot be judged is 503, not allowed', async () => {
    const app = await testApp()
    const deps = { ...app.deps, limiter: { take: () => Promise.reject(new StoreUnavailableError('away')) } }
    const key = app.key(SCOPES, 'acme', { rateLimitPerMinute: 10 })
    const answer = await buildApp(deps).request('http://localhost/v1/whoami', { headers: { 'x-api-key': key } })
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '1'])
  })
})
