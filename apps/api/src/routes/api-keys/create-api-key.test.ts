import { describe, expect, it } from 'vitest'
import { MAX_RATE_PER_MINUTE } from '../../config.ts'
import { SCOPES } from '../../ports.ts'
import { auditOf, createKey, KEY_INPUT, readKey, statusWith } from '../../testing/api-keys.ts'
import { expectRefused } from '../../testing/events.ts'
import { sharedApp } from '../../testing/test-app.ts'

const app = await sharedApp()

const create = (fields: object, caller = app.key()) =>
  app.request('/v1/api-keys', { method: 'POST', key: caller, body: { ...KEY_INPUT, ...fields } })

describe('making a key', () => {
  it('answers with the key and, this once, its secret', async () => {
    const caller = app.key(SCOPES, 'acme')
    const { api_key, key_id, request_id, ...key } = await createKey(app, caller, { name: '  Shop  ' })
    expect(api_key).toMatch(/^trg_[0-9A-Za-z]{38}$/)
    expect(key_id).toMatch(/^key_[0-9a-f]{32}$/)
    expect(request_id).toMatch(/./)
    expect(key).toEqual({
      name: 'Shop',
      workspace_id: 'acme',
      scopes: ['events:read'],
      rate_limit_per_minute: 1000,
      allowed_ips: [],
      require_signature: false,
      has_signing_secret: false,
      version: 1,
      created_at: '2025-11-21T08:00:00.000000Z',
      last_used_at: null,
      expires_at: null,
      revoked_at: null,
    })
    expect(await readKey(app, caller, key_id)).toEqual({ key_id, ...key })
  })

  it('makes a key that works at once, in its workspace, with its scopes', async () => {
    const { api_key, key_id } = await createKey(app, app.key(SCOPES, 'globex'), { name: 'Reader' })
    const { body } = await app.request('/v1/whoami', { key: api_key })
    expect(body).toMatchObject({ workspace_id: 'globex', key_id, name: 'Reader', scopes: ['events:read'] })
    expect((await app.request('/v1/events', { method: 'POST', key: api_key, body: {} })).status).toBe(403)
  })

  it('keeps all that is given', async () => {
    const caller = app.key()
    const given = { rate_limit_per_minute: 0, allowed_ips: ['127.0.0.1'], require_signature: true, expires_at: '2026-01-01T01:00:00+01:00' }
    const { key_id, signing_secret } = await createKey(app, caller, given)
    expect(signing_secret).toMatch(/^sign_[\w-]{43}$/)
    expect(await readKey(app, caller, key_id)).toMatchObject({
      ...given,
      expires_at: '2026-01-01T00:00:00.000000Z',
      has_signing_secret: true,
    })
  })

  it('makes no signing secret unless signatures are required', async () => {
    expect(await createKey(app, app.key(), { require_signature: false })).not.toHaveProperty('signing_secret')
  })

  it('counts a scope and a range once, and shows ranges in one form', async () => {
    const { scopes, allowed_ips } = await createKey(app, app.key(), {
      scopes: ['inbox:consume', 'events:write', 'inbox:consume'],
      allowed_ips: ['10.1.2.3/8', '::ffff:192.0.2.1', '2001:DB8:0::1', '10.0.0.0/8', '192.0.2.1/32'],
    })
    expect(scopes).toEqual(['events:write', 'inbox:consume'])
    expect(allowed_ips).toEqual(['10.0.0.0/8', '192.0.2.1', '2001:db8::1'])
  })

  it('reads null as the default: no rate limit of its own, no end', async () => {
    const key = await createKey(app, app.key(), { rate_limit_per_minute: null, expires_at: null })
    expect([key['rate_limit_per_minute'], key['expires_at']]).toEqual([1000, null])
  })

  it('is told to the audit log, with who did it and from where', async () => {
    const caller = app.key(SCOPES, 'audited', { keyId: 'key_maker' })
    const answer = await app.request('/v1/api-keys', {
      method: 'POST',
      key: caller,
      body: { ...KEY_INPUT, allowed_ips: ['10.0.0.0/8'] },
      headers: { 'x-request-id': 'make-1' },
      peerAddress: '192.0.2.7',
    })
    expect(await auditOf(app, caller)).toEqual([
      {
        entry_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
        created_at: expect.stringMatching(/^2025-11-21T08:00:00\.\d{6}Z$/),
        action: 'api_key.created',
        actor: { type: 'api_key', key_id: 'key_maker' },
        target: { type: 'api_key', id: answer.body.key_id },
        changes: {
          name: { from: null, to: 'Shop' },
          scopes: { from: null, to: ['events:read'] },
          allowed_ips: { from: null, to: ['10.0.0.0/8'] },
          require_signature: { from: null, to: false },
        },
        ip: '192.0.2.7',
        request_id: 'make-1',
      },
    ])
  })
})

describe('making a key refuses', () => {
  const many = Array.from({ length: 101 }, (_, index) => `10.0.${index}.1`)

  it.each([
    ['name', { name: '' }],
    ['name', { name: ' \t ' }],
    ['name', { name: 'x'.repeat(101) }],
    ['name', { name: 'a\u0000b' }],
    ['name', { name: 'a\u0085b' }],
    ['name', { name: 7 }],
    ['name', { name: undefined }],
    ['scopes', { scopes: undefined }],
    ['scopes', { scopes: [] }],
    ['scopes', { scopes: 'events:read' }],
    ['scopes.1', { scopes: ['events:read', 'events:*'] }],
    ['rate_limit_per_minute', { rate_limit_per_minute: -1 }],
    ['rate_limit_per_minute', { rate_limit_per_minute: 1.5 }],
    ['rate_limit_per_minute', { rate_limit_per_minute: MAX_RATE_PER_MINUTE + 1 }],
    ['rate_limit_per_minute', { rate_limit_per_minute: '100' }],
    ['allowed_ips', { allowed_ips: many }],
    ['allowed_ips', { allowed_ips: '10.0.0.1' }],
    ['allowed_ips', { allowed_ips: null }],
    ['allowed_ips.1', { allowed_ips: ['10.0.0.1', '10.0.0.0/33'] }],
    ['allowed_ips.0', { allowed_ips: ['localhost'] }],
    ['allowed_ips.0', { allowed_ips: [1] }],
    ['allowed_ips.0', { allowed_ips: [''] }],
    ['require_signature', { require_signature: 'true' }],
    ['require_signature', { require_signature: null }],
    ['expires_at', { expires_at: '2025-11-21T08:00:00Z' }],
    ['expires_at', { expires_at: '2020-01-01' }],
    ['expires_at', { expires_at: 'tomorrow' }],
    ['expires_at', { expires_at: 1_800_000_000 }],
    ['expires_at', { expires_at: '9999-12-31' }],
    ['key_id', { key_id: 'key_of_my_own' }],
    ['workspace_id', { workspace_id: 'other' }],
    ['api_key', { api_key: 'of-my-own' }],
    ['signing_secret', { signing_secret: 'of-my-own' }],
  ])('%s that is %j', async (field, fields) => {
    expectRefused(await create(fields), 400, field)
  })

  it('nothing at the limits', async () => {
    const at = {
      name: '😀'.repeat(100),
      allowed_ips: many.slice(1),
      rate_limit_per_minute: MAX_RATE_PER_MINUTE,
      expires_at: '2025-11-21T08:00:00.000001Z',
    }
    expect(await createKey(app, app.key(), at)).toMatchObject({ name: at.name, rate_limit_per_minute: MAX_RATE_PER_MINUTE })
  })

  it('a scope that the caller lacks, and stores nothing', async () => {
    const caller = app.key(['keys:manage', 'events:read'], 'lacking')
    const answer = await create({ scopes: ['events:read', 'events:write', 'analytics:read'] }, caller)
    expect([answer.status, answer.body.error.code, answer.body.error.details]).toEqual([
      403,
      'FORBIDDEN',
      {
        field: 'scopes',
        issue: expect.stringContaining('events:write, analytics:read'),
        missing_scopes: ['events:write', 'analytics:read'],
        suggestion: expect.any(String),
      },
    ])
    expect((await app.request('/v1/api-keys', { key: caller })).body.api_keys).toEqual([])
    expect(await auditOf(app, caller)).toEqual([])
  })
})

it('lets a key make one of equal strength, which can do the same', async () => {
  const first = await createKey(app, app.key(), { scopes: ['keys:manage', 'events:read'] })
  const second = await createKey(app, first.api_key, { scopes: ['keys:manage', 'events:read'] })
  const third = await createKey(app, second.api_key, { scopes: ['keys:manage'] })
  expect(await statusWith(app, third.api_key)).toBe(200)
})
