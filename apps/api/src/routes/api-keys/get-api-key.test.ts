import { describe, expect, it } from 'vitest'
import { SCOPES } from '../../ports.ts'
import { callKey, createKey, KEY_INPUT } from '../../testing/api-keys.ts'
import { expectRefused } from '../../testing/events.ts'
import { sharedApp } from '../../testing/test-app.ts'

const app = await sharedApp()
const ENCRYPTION_KEY = `k1:${Buffer.alloc(32, 1).toString('base64')}`
const keysOnly = await sharedApp({ AUTH_MODE: 'keys', ENCRYPTION_KEY, RATE_LIMIT_PER_MINUTE: '250' })

describe('reading a key', () => {
  it('needs keys:manage alone, whatever the key can do', async () => {
    const { key_id } = await createKey(app, app.key(SCOPES, 'acme'), { scopes: SCOPES })
    const caller = app.key(['keys:manage'], 'acme', { allowedIps: ['127.0.0.1'], rateLimitPerMinute: 10 })
    for (const below of ['', '/versions']) expect((await callKey(app, caller, key_id, 'GET', below)).status).toBe(200)
  })

  it('shows when it was last used', async () => {
    const caller = app.key()
    const { key_id } = await createKey(app, caller)
    await app.deps.store.recordKeyUse([{ keyId: key_id, usedAtUs: app.clock.nowUs() }])
    expect((await callKey(app, caller, key_id, 'GET')).body.last_used_at).toBe('2025-11-21T08:00:00.000000Z')
  })

  it("shows the server's rate limit where the key has none of its own", async () => {
    const caller = keysOnly.key()
    expect((await createKey(keysOnly, caller))['rate_limit_per_minute']).toBe(250)
    expect((await createKey(keysOnly, caller, { rate_limit_per_minute: 1000 }))['rate_limit_per_minute']).toBe(1000)
  })
})

const calls: [method: string, below: string, body?: object][] = [
  ['GET', ''],
  ['PATCH', '', { name: 'Mine' }],
  ['DELETE', ''],
  ['POST', '/rotate'],
  ['GET', '/versions'],
  ['POST', '/signing-secret'],
]

describe.each(calls)('%s /v1/api-keys/{key_id}%s', (method, below, body) => {
  it("does not find another workspace's key, nor one that is not there, and changes nothing", async () => {
    const owner = app.key()
    const { key_id, api_key } = await createKey(app, owner)
    const before = (await callKey(app, owner, key_id, 'GET')).body
    for (const id of [key_id, 'key_019aa5b2c3d47e5f8a9b0c1d2e3f4a5b', 'key_test_1', 'key_x']) {
      const answer = await callKey(app, app.key(), id, method, below, body && { body })
      expect([answer.status, answer.body.error.code, answer.body.error.details]).toEqual([
        404,
        'NOT_FOUND',
        { key_id: id, suggestion: expect.any(String) },
      ])
    }
    expect({ ...(await callKey(app, owner, key_id, 'GET')).body, request_id: '' }).toEqual({ ...before, request_id: '' })
    expect((await app.request('/v1/whoami', { key: api_key })).status).toBe(200)
  })

  it.each(['x', 'key_', 'key-1', 'KEY_1', 'key_A', `key_${'a'.repeat(65)}`, '%00', 'key_%20', 'key_1%2f..'])(
    'refuses the id %s',
    async (id) => {
      expectRefused(await callKey(app, app.key(), id, method, below, body && { body }), 422, 'key_id')
    },
  )

  it('refuses the development key where it is accepted, and does not know it elsewhere', async () => {
    const answer = await callKey(app, 'test-api-key-12345', 'key_development', method, below, body && { body })
    expect([answer.status, answer.body.error.details]).toEqual([403, { key_id: 'key_development', suggestion: expect.any(String) }])
    expect((await callKey(keysOnly, keysOnly.key(), 'key_development', method, below, body && { body })).status).toBe(404)
  })
})

it('lets the development key make and change keys', async () => {
  const { key_id } = await createKey(app, 'test-api-key-12345', { ...KEY_INPUT, scopes: SCOPES, rate_limit_per_minute: 0 })
  for (const [method, below, body] of calls) {
    const { status } = await callKey(app, 'test-api-key-12345', key_id, method, below, body && { body })
    expect([200, 204, 409]).toContain(status)
  }
})
