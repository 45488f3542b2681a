import { describe, expect, it } from 'vitest'
import { MAX_RATE_PER_MINUTE } from '../../config.ts'
import { SCOPES } from '../../ports.ts'
import { auditOf, callKey, createKey, readKey, statusWith } from '../../testing/api-keys.ts'
import { expectRefused } from '../../testing/events.ts'
import { sharedApp, testApp } from '../../testing/test-app.ts'

const app = await sharedApp()
const patch = (caller: string, keyId: string, body: unknown) => callKey(app, caller, keyId, 'PATCH', '', { body })

const FULL = {
  scopes: ['events:read', 'inbox:consume'],
  rate_limit_per_minute: 60,
  allowed_ips: ['127.0.0.1'],
  require_signature: true,
  expires_at: '2026-11-21T08:00:00.123456Z',
}

describe('changing a key', () => {
  it.each([
    ['name', 'Other', 'Other'],
    ['name', '  Trimmed ', 'Trimmed'],
    ['scopes', ['events:write', 'events:read'], ['events:write', 'events:read']],
    ['rate_limit_per_minute', 5, 5],
    ['rate_limit_per_minute', 0, 0],
    ['rate_limit_per_minute', null, 1000],
    ['allowed_ips', [], []],
    ['allowed_ips', ['10.9.9.9/8'], ['10.0.0.0/8']],
    ['require_signature', false, false],
    ['expires_at', '2027-01-01', '2027-01-01T00:00:00.000000Z'],
    ['expires_at', null, null],
  ])('changes %s to %j, and nothing else', async (field, given, read) => {
    const caller = app.key()
    const { key_id } = await createKey(app, caller, FULL)
    const before = await readKey(app, caller, key_id)
    const answer = await patch(caller, key_id, { [field]: given })
    expect(answer.status, answer.text).toBe(200)
    const { request_id: _, ...after } = answer.body
    expect(after).toEqual({ ...before, [field]: read })
    expect(await readKey(app, caller, key_id)).toEqual(after)
  })

  it('acts on the next request of the key', async () => {
    const caller = app.key()
    const { key_id, api_key } = await createKey(app, caller)
    expect(await statusWith(app, api_key)).toBe(200)
    await patch(caller, key_id, { allowed_ips: ['10.0.0.0/8'] })
    expect(await statusWith(app, api_key)).toBe(403)
    await patch(caller, key_id, { allowed_ips: [], scopes: ['inbox:consume'] })
    expect((await app.request('/v1/whoami', { key: api_key })).body.scopes).toEqual(['inbox:consume'])
  })

  it('takes back a key as it was read, and changes what was changed in it', async () => {
    const caller = app.key()
    const { key_id } = await createKey(app, caller, FULL)
    const read = (await callKey(app, caller, key_id, 'GET')).body
    const answer = await patch(caller, key_id, { ...read, name: 'Renamed' })
    expect(answer.status, answer.text).toBe(200)
    expect({ ...answer.body, request_id: '' }).toEqual({ ...read, name: 'Renamed', request_id: '' })
    expect((await auditOf(app, caller))[0].changes).toEqual({ name: { from: 'Shop', to: 'Renamed' } })
  })

  it('ignores whatever stands in read-only fields', async () => {
    const caller = app.key()
    const { key_id } = await createKey(app, caller)
    const before = await readKey(app, caller, key_id)
    const others = {
      key_id: 'key_other',
      workspace_id: ['other'],
      has_signing_secret: 'x',
      version: 99,
      created_at: {},
      last_used_at: 0,
      revoked_at: '2025-01-01',
      request_id: null,
    }
    expect((await patch(caller, key_id, others)).status).toBe(200)
    expect(await readKey(app, caller, key_id)).toEqual(before)
  })

  it('leaves a key on the default that is sent back with its number', async () => {
    const own = await testApp({ RATE_LIMIT_PER_MINUTE: '500' })
    const caller = own.key()
    const { key_id } = await createKey(own, caller)
    const read = (await callKey(own, caller, key_id, 'GET')).body
    await callKey(own, caller, key_id, 'PATCH', '', { body: { ...read, name: 'Other' } })
    expect((await own.deps.store.getApiKey(key_id))?.rateLimitPerMinute).toBeNull()
    await callKey(own, caller, key_id, 'PATCH', '', { body: { rate_limit_per_minute: 499 } })
    expect((await own.deps.store.getApiKey(key_id))?.rateLimitPerMinute).toBe(499)
  })

  it('writes nothing when nothing changes', async () => {
    const caller = app.key()
    const { key_id } = await createKey(app, caller, { ...FULL, allowed_ips: ['10.0.0.0/8'] })
    const same = [
      {},
      { name: ' Shop ' },
      { allowed_ips: ['10.1.1.1/8'] },
      { scopes: ['inbox:consume', 'events:read', 'events:read'] },
      FULL.expires_at,
    ]
    for (const body of same.filter((body) => typeof body === 'object')) expect((await patch(caller, key_id, body)).status).toBe(200)
    expect((await patch(caller, key_id, { expires_at: FULL.expires_at, require_signature: true })).status).toBe(200)
    expect(await auditOf(app, caller)).toHaveLength(1)
    expect((await app.deps.store.getApiKey(key_id))?.revision).toBe(1)
  })

  it('is told to the audit log: what was, what is, who and from where', async () => {
    const caller = app.key(SCOPES, 'audited', { keyId: 'key_changer' })
    const { key_id } = await createKey(app, caller, FULL)
    await callKey(app, caller, key_id, 'PATCH', '', {
      body: { rate_limit_per_minute: null, allowed_ips: ['10.0.0.0/8'], expires_at: null, name: 'Shop' },
      headers: { 'x-request-id': 'change-1' },
      peerAddress: '::1',
    })
    const [entry] = await auditOf(app, caller)
    expect(entry).toMatchObject({
      action: 'api_key.updated',
      actor: { type: 'api_key', key_id: 'key_changer' },
      target: { type: 'api_key', id: key_id },
      ip: '::1',
      request_id: 'change-1',
    })
    expect(entry.changes).toEqual({
      rate_limit_per_minute: { from: 60, to: null },
      allowed_ips: { from: ['127.0.0.1'], to: ['10.0.0.0/8'] },
      expires_at: { from: '2026-11-21T08:00:00.123456Z', to: null },
    })
  })
})

describe('changing a key refuses', () => {
  it.each([
    ['name', { name: '' }],
    ['name', { name: null }],
    ['scopes', { scopes: [] }],
    ['scopes', { scopes: null }],
    ['scopes.0', { scopes: ['admin'] }],
    ['rate_limit_per_minute', { rate_limit_per_minute: MAX_RATE_PER_MINUTE + 1 }],
    ['allowed_ips.0', { allowed_ips: ['10.0.0.1/8/8'] }],
    ['require_signature', { require_signature: 1 }],
    ['expires_at', { expires_at: '2025-11-21T07:59:59Z' }],
    ['colour', { colour: 'red' }],
    ['api_key', { api_key: 'trg_x' }],
    ['secret', { secret: 'x' }],
  ])('%s: %j', async (field, body) => {
    const caller = app.key()
    const { key_id } = await createKey(app, caller)
    expectRefused(await patch(caller, key_id, body), 400, field)
  })

  it('to require signatures of a key without a signing secret, until it has one', async () => {
    const caller = app.key()
    const { key_id } = await createKey(app, caller)
    const answer = await patch(caller, key_id, { require_signature: true })
    expectRefused(answer, 400, 'require_signature')
    expect(answer.body.error.details.suggestion).toContain('signing-secret')
    await callKey(app, caller, key_id, 'POST', '/signing-secret')
    expect((await patch(caller, key_id, { require_signature: true })).body).toMatchObject({
      require_signature: true,
      has_signing_secret: true,
    })
  })

  it('a revoked key', async () => {
    const caller = app.key()
    const { key_id } = await createKey(app, caller)
    await callKey(app, caller, key_id, 'DELETE')
    const answer = await patch(caller, key_id, { name: 'Other' })
    expect([answer.status, answer.body.error.code, answer.body.error.details]).toEqual([
      409,
      'CONFLICT',
      { key_id, revoked_at: '2025-11-21T08:00:00.000000Z', suggestion: expect.any(String) },
    ])
  })

  it('a key with a scope that the caller lacks, even to take that scope away', async () => {
    const { key_id } = await createKey(app, app.key(SCOPES, 'lacking'), { scopes: ['events:read', 'events:write'] })
    const caller = app.key(['keys:manage', 'events:read'], 'lacking')
    for (const body of [{ name: 'x' }, { scopes: ['events:read'] }, {}]) {
      const answer = await patch(caller, key_id, body)
      expect([answer.status, answer.body.error.details.missing_scopes]).toEqual([403, ['events:write']])
    }
  })

  it('the caller its own restrictions', async () => {
    const caller = await createKey(app, app.key(), {
      scopes: ['keys:manage', 'events:read'],
      allowed_ips: ['127.0.0.0/8'],
      expires_at: '2026-01-01',
      rate_limit_per_minute: 100,
    })
    const looser = [
      { allowed_ips: [] },
      { allowed_ips: ['0.0.0.0/0'] },
      { expires_at: null },
      { expires_at: '2026-01-02' },
      { rate_limit_per_minute: null },
      { rate_limit_per_minute: 0 },
      { rate_limit_per_minute: 101 },
      { scopes: ['keys:manage', 'events:write'] },
    ]
    for (const body of looser) {
      const answer = await patch(caller.api_key, caller.key_id, body)
      expect([answer.status, answer.body.error.details.field]).toEqual([403, Object.keys(body)[0]])
    }
    const tighter = { allowed_ips: ['127.0.0.1'], expires_at: '2025-12-01', rate_limit_per_minute: 99, scopes: ['keys:manage'] }
    expect((await patch(caller.api_key, caller.key_id, tighter)).status).toBe(200)
    expect((await patch(caller.api_key, caller.key_id, { rate_limit_per_minute: 100 })).status).toBe(403)
  })
})

describe('an expired key', () => {
  it('can be changed, sent back as it was read, and made to work again', async () => {
    const app = await testApp()
    const caller = app.key()
    const { key_id, api_key } = await createKey(app, caller, { expires_at: '2025-11-21T09:00:00Z' })
    app.clock.advance({ hours: 1 })
    expect(await statusWith(app, api_key)).toBe(401)
    const read = (await callKey(app, caller, key_id, 'GET')).body
    expect((await callKey(app, caller, key_id, 'PATCH', '', { body: { ...read, name: 'Late' } })).body.name).toBe('Late')
    expectRefused(await callKey(app, caller, key_id, 'PATCH', '', { body: { expires_at: '2025-11-21T08:59:00Z' } }), 400, 'expires_at')
    expect((await callKey(app, caller, key_id, 'PATCH', '', { body: { expires_at: '2025-11-21T10:00:00Z' } })).status).toBe(200)
    expect(await statusWith(app, api_key)).toBe(200)
  })
})
