import { describe, expect, it } from 'vitest'
import { SCOPES } from '../../ports.ts'
import { auditOf, callKey, createKey, readKey, statusWith } from '../../testing/api-keys.ts'
import { sharedApp, testApp } from '../../testing/test-app.ts'

const app = await sharedApp()

describe('deleting a key', () => {
  it('ends all its secrets with the answer, which is empty', async () => {
    const caller = app.key()
    const { key_id, api_key } = await createKey(app, caller)
    const { api_key: second } = (await callKey(app, caller, key_id, 'POST', '/rotate')).body
    expect([await statusWith(app, api_key), await statusWith(app, second)]).toEqual([200, 200])
    const answer = await callKey(app, caller, key_id, 'DELETE')
    expect([answer.status, answer.text]).toEqual([204, ''])
    expect([await statusWith(app, api_key), await statusWith(app, second)]).toEqual([401, 401])
  })

  it('leaves the key readable', async () => {
    const caller = app.key()
    const { key_id } = await createKey(app, caller)
    const before = await readKey(app, caller, key_id)
    await callKey(app, caller, key_id, 'DELETE')
    expect(await readKey(app, caller, key_id)).toEqual({ ...before, revoked_at: '2025-11-21T08:00:00.000000Z' })
  })

  it('does nothing when it is done again', async () => {
    const app = await testApp()
    const caller = app.key()
    const { key_id } = await createKey(app, caller)
    await callKey(app, caller, key_id, 'DELETE')
    const revoked = await readKey(app, caller, key_id)
    app.clock.advance({ days: 1 })
    expect((await callKey(app, caller, key_id, 'DELETE')).status).toBe(204)
    expect(await readKey(app, caller, key_id)).toEqual(revoked)
    expect((await auditOf(app, caller)).map(({ action }: { action: string }) => action)).toEqual(['api_key.revoked', 'api_key.created'])
  })

  it('is told to the audit log', async () => {
    const caller = app.key(SCOPES, 'audited', { keyId: 'key_revoker' })
    const { key_id } = await createKey(app, caller)
    await callKey(app, caller, key_id, 'DELETE', '', { headers: { 'x-request-id': 'revoke-1' } })
    expect((await auditOf(app, caller))[0]).toMatchObject({
      action: 'api_key.revoked',
      actor: { type: 'api_key', key_id: 'key_revoker' },
      target: { type: 'api_key', id: key_id },
      changes: { revoked_at: { from: null, to: '2025-11-21T08:00:00.000000Z' } },
      ip: '127.0.0.1',
      request_id: 'revoke-1',
    })
  })

  it('is refused for a key with a scope that the caller lacks', async () => {
    const { key_id, api_key } = await createKey(app, app.key(SCOPES, 'acme'), { scopes: ['events:read', 'events:write'] })
    const answer = await callKey(app, app.key(['keys:manage', 'events:read'], 'acme'), key_id, 'DELETE')
    expect([answer.status, answer.body.error.details.missing_scopes]).toEqual([403, ['events:write']])
    expect(await statusWith(app, api_key)).toBe(200)
  })

  it('is allowed for a key that is bound less than the caller', async () => {
    const { key_id } = await createKey(app, app.key(SCOPES, 'acme'), { rate_limit_per_minute: 0 })
    const expiresAtUs = app.clock.nowUs() + 1e6
    const caller = app.key(SCOPES, 'acme', { allowedIps: ['127.0.0.1'], rateLimitPerMinute: 1, expiresAtUs })
    expect((await callKey(app, caller, key_id, 'DELETE')).status).toBe(204)
  })

  it('lets a key end itself', async () => {
    const { key_id, api_key } = await createKey(app, app.key(), { scopes: ['keys:manage'] })
    expect((await callKey(app, api_key, key_id, 'DELETE')).status).toBe(204)
    expect((await callKey(app, api_key, key_id, 'DELETE')).status).toBe(401)
  })
})
