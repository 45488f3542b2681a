import { describe, expect, it } from 'vitest'
import { SCOPES } from '../../ports.ts'
import { auditOf, callKey, createKey, readKey } from '../../testing/api-keys.ts'
import { expectRefused } from '../../testing/events.ts'
import { sharedApp, type TestApp, testApp } from '../../testing/test-app.ts'

const shared = await sharedApp()

const make = (app: TestApp, caller: string, keyId: string, query = '') => callKey(app, caller, keyId, 'POST', `/signing-secret${query}`)

/** The signing secrets that the key's next request is checked with, the newest first. */
async function workingSecrets(app: TestApp, secret: string): Promise<string[]> {
  const found = await app.deps.keys.authenticate(secret)
  if (found.outcome !== 'known') throw new Error(`The key is ${found.outcome}.`)
  const nowUs = app.clock.nowUs()
  return found.principal.signingSecrets.filter(({ expiresAtUs }) => expiresAtUs === null || expiresAtUs > nowUs).map(({ secret }) => secret)
}

describe('a signing secret', () => {
  it('is made for a key that has none, and shown this once', async () => {
    const caller = shared.key()
    const { key_id, api_key } = await createKey(shared, caller)
    const { status, body } = await make(shared, caller, key_id)
    expect([status, body]).toEqual([
      200,
      { key_id, signing_secret: expect.stringMatching(/^sign_[\w-]{43}$/), previous_expires_at: null, request_id: expect.any(String) },
    ])
    expect(await readKey(shared, caller, key_id)).toMatchObject({ has_signing_secret: true, require_signature: false, version: 1 })
    expect(await workingSecrets(shared, api_key)).toEqual([body.signing_secret])
  })

  it('ends the former one now unless told otherwise', async () => {
    const caller = shared.key()
    const { key_id, api_key } = await createKey(shared, caller, { require_signature: true })
    const { body } = await make(shared, caller, key_id)
    expect(body.previous_expires_at).toBe('2025-11-21T08:00:00.000000Z')
    expect(await workingSecrets(shared, api_key)).toEqual([body.signing_secret])
    expect((await shared.deps.store.getApiKey(key_id))?.signingSecrets).toHaveLength(1)
  })

  it('lets the former one work for the days that are given, to the microsecond', async () => {
    const app = await testApp()
    const caller = app.key()
    const { key_id, api_key, signing_secret } = await createKey(app, caller, { require_signature: true })
    const { body } = await make(app, caller, key_id, '?transition_days=90')
    expect(body.previous_expires_at).toBe('2026-02-19T08:00:00.000000Z')
    app.clock.advance({ days: 90, us: -1 })
    expect(await workingSecrets(app, api_key)).toEqual([body.signing_secret, signing_secret])
    app.clock.advance({ us: 1 })
    expect(await workingSecrets(app, api_key)).toEqual([body.signing_secret])
  })

  it('works beside one other at the most: the oldest ends', async () => {
    const caller = shared.key()
    const { key_id, api_key } = await createKey(shared, caller)
    const made: string[] = []
    for (let count = 0; count < 3; count++) made.unshift((await make(shared, caller, key_id, '?transition_days=9')).body.signing_secret)
    expect(await workingSecrets(shared, api_key)).toEqual(made.slice(0, 2))
  })

  it('does not outlive the key', async () => {
    const caller = shared.key()
    const { key_id } = await createKey(shared, caller, { require_signature: true, expires_at: '2025-11-22T08:00:00Z' })
    expect((await make(shared, caller, key_id, '?transition_days=9')).body.previous_expires_at).toBe('2025-11-22T08:00:00.000000Z')
  })

  it('is told to the audit log, without itself', async () => {
    const caller = shared.key(SCOPES, 'audited')
    const { key_id } = await createKey(shared, caller)
    await make(shared, caller, key_id)
    await make(shared, caller, key_id, '?transition_days=1')
    const entries = await auditOf(shared, caller)
    expect(entries.map(({ action }: { action: string }) => action)).toEqual([
      'api_key.signing_secret_replaced',
      'api_key.signing_secret_replaced',
      'api_key.created',
    ])
    expect([entries[1].changes, entries[0].changes]).toEqual([
      { has_signing_secret: { from: false, to: true } },
      { previous_expires_at: { from: null, to: '2025-11-22T08:00:00.000000Z' } },
    ])
  })

  it.each(['-1', '91', '1.5', '00', '', 'x'])('is refused for transition_days=%s', async (days) => {
    const caller = shared.key()
    const { key_id } = await createKey(shared, caller)
    expectRefused(await make(shared, caller, key_id, `?transition_days=${days}`), 422, 'transition_days')
    expect((await readKey(shared, caller, key_id)).has_signing_secret).toBe(false)
  })

  it('is refused for a revoked key', async () => {
    const caller = shared.key()
    const { key_id } = await createKey(shared, caller)
    await callKey(shared, caller, key_id, 'DELETE')
    const answer = await make(shared, caller, key_id)
    expect([answer.status, answer.body.error.code, answer.body.error.details.key_id]).toEqual([409, 'CONFLICT', key_id])
  })

  it('is refused for a key with a scope that the caller lacks', async () => {
    const { key_id } = await createKey(shared, shared.key(SCOPES, 'lacking'), { scopes: ['events:write'] })
    const answer = await make(shared, shared.key(['keys:manage'], 'lacking'), key_id)
    expect([answer.status, answer.body.error.details.missing_scopes]).toEqual([403, ['events:write']])
  })
})
