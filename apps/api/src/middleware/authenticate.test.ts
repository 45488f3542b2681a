import { describe, expect, it } from 'vitest'
import { DEVELOPMENT_KEY, developmentKeyRing } from '../adapters/development-key.ts'
import { buildApp } from '../app.ts'
import { SCOPES } from '../ports.ts'
import { sharedApp } from '../testing/test-app.ts'

const app = await sharedApp()
const key = app.key(SCOPES, 'acme')

const whoami = (headers: Record<string, string>) => app.request('/v1/whoami', { key: undefined, headers })

describe('authentication', () => {
  it('takes the key from X-API-Key', async () => {
    expect((await whoami({ 'x-api-key': key })).body.workspace_id).toBe('acme')
  })

  it.each(['Bearer', 'bearer', 'BEARER'])('takes the key from Authorization: %s', async (scheme) => {
    expect((await whoami({ authorization: `${scheme} ${key}` })).body.workspace_id).toBe('acme')
  })

  it.each([
    ['no key', {}],
    ['an unknown key', { 'x-api-key': 'unknown' }],
    ['an empty key', { 'x-api-key': '' }],
    ['an unknown bearer token', { authorization: 'Bearer unknown' }],
    ['an empty bearer token', { authorization: 'Bearer ' }],
    ['another scheme', { authorization: 'Basic dGVzdDp0ZXN0' }],
    ['a key without its scheme', { authorization: key }],
    ['a key with more behind it', { 'x-api-key': `${key}x` }],
  ])('refuses %s', async (_, headers) => {
    const answer = await whoami(headers as Record<string, string>)
    expect([answer.status, answer.body.error.code, answer.headers.get('www-authenticate')]).toEqual([401, 'UNAUTHORIZED', 'Bearer'])
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

describe('the development key', () => {
  it('belongs to the workspace `default` and has every scope', async () => {
    expect(DEVELOPMENT_KEY).toBe('test-api-key-12345')
    expect(await developmentKeyRing.authenticate(DEVELOPMENT_KEY)).toMatchObject({ workspaceId: 'default', scopes: SCOPES })
  })

  it.each(['', 'test-api-key-1234', 'test-api-key-123456', 'TEST-API-KEY-12345'])('is not %j', async (secret) => {
    expect(await developmentKeyRing.authenticate(secret)).toBeUndefined()
  })
})
