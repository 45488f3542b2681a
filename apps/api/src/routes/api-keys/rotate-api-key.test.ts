import { describe, expect, it } from 'vitest'
import { SCOPES, type Store, StoreUnavailableError } from '../../ports.ts'
import { auditOf, callKey, createKey, readKey, statusWith } from '../../testing/api-keys.ts'
import { expectRefused } from '../../testing/events.ts'
import { sharedApp, type TestApp, testApp } from '../../testing/test-app.ts'

const shared = await sharedApp()

const rotate = (app: TestApp, caller: string, keyId: string, query = '') => callKey(app, caller, keyId, 'POST', `/rotate${query}`)
const statuses = (app: TestApp, secrets: readonly string[]) => Promise.all(secrets.map((secret) => statusWith(app, secret)))
const versions = async (app: TestApp, caller: string, keyId: string) =>
  (await callKey(app, caller, keyId, 'GET', '/versions')).body.versions

describe('rotating a key', () => {
  it('answers with the new secret, which works at once beside the former one', async () => {
    const caller = shared.key()
    const { key_id, api_key } = await createKey(shared, caller)
    expect(await statusWith(shared, api_key)).toBe(200)
    const { status, body } = await rotate(shared, caller, key_id)
    expect([status, body]).toEqual([
      200,
      {
        key_id,
        api_key: expect.stringMatching(/^trg_[0-9A-Za-z]{38}$/),
        version: 2,
        previous_version: 1,
        rotated_at: '2025-11-21T08:00:00.000000Z',
        expires_at: '2025-11-28T08:00:00.000000Z',
        request_id: expect.any(String),
      },
    ])
    expect(body.api_key).not.toBe(api_key)
    expect(await statuses(shared, [api_key, body.api_key])).toEqual([200, 200])
    expect(await readKey(shared, caller, key_id)).toMatchObject({ version: 2, name: 'Shop', expires_at: null })
  })

  it('lets a key rotate itself', async () => {
    const { key_id, api_key } = await createKey(shared, shared.key(), { scopes: ['keys:manage'] })
    const first = await rotate(shared, api_key, key_id)
    const second = await rotate(shared, first.body.api_key, key_id)
    expect([second.body.version, await statuses(shared, [api_key, first.body.api_key, second.body.api_key])]).toEqual([3, [401, 200, 200]])
  })

  it.each([
    ['', 7],
    ['?transition_days=1', 1],
    ['?transition_days=90', 90],
    ['?revoke_previous=false', 7],
    ['?revoke_previous=false&transition_days=2', 2],
  ])('%s ends the former secret to the microsecond after %i days', async (query, days) => {
    const app = await testApp()
    const caller = app.key()
    const { key_id, api_key } = await createKey(app, caller)
    const { body } = await rotate(app, caller, key_id, query)
    app.clock.advance({ days, us: -1 })
    expect(await statuses(app, [api_key, body.api_key])).toEqual([200, 200])
    app.clock.advance({ us: 1 })
    expect(await statuses(app, [api_key, body.api_key])).toEqual([401, 200])
  })

  it('ends the former secret now when that is asked', async () => {
    const caller = shared.key()
    const { key_id, api_key } = await createKey(shared, caller)
    expect(await statusWith(shared, api_key)).toBe(200)
    const { body } = await rotate(shared, caller, key_id, '?revoke_previous=true')
    expect(body.expires_at).toBe(body.rotated_at)
    expect(await statuses(shared, [api_key, body.api_key])).toEqual([401, 200])
  })

  it('ends the oldest of three secrets now', async () => {
    const app = await testApp()
    const caller = app.key()
    const { key_id, api_key: first } = await createKey(app, caller)
    const { api_key: second } = (await rotate(app, caller, key_id, '?transition_days=90')).body
    app.clock.advance({ days: 1 })
    const { api_key: third } = (await rotate(app, caller, key_id, '?transition_days=1')).body
    expect(await statuses(app, [first, second, third])).toEqual([401, 200, 200])
    expect(await versions(app, caller, key_id)).toEqual([
      { version: 3, status: 'active', created_at: '2025-11-22T08:00:00.000000Z', rotated_at: null, expires_at: null },
      {
        version: 2,
        status: 'rotating',
        created_at: '2025-11-21T08:00:00.000000Z',
        rotated_at: '2025-11-22T08:00:00.000000Z',
        expires_at: '2025-11-23T08:00:00.000000Z',
      },
      {
        version: 1,
        status: 'expired',
        created_at: '2025-11-21T08:00:00.000000Z',
        rotated_at: '2025-11-21T08:00:00.000000Z',
        expires_at: '2025-11-22T08:00:00.000000Z',
      },
    ])
  })

  it('does not end later a secret that had ended before', async () => {
    const app = await testApp()
    const caller = app.key()
    const { key_id } = await createKey(app, caller)
    await rotate(app, caller, key_id, '?revoke_previous=true')
    app.clock.advance({ days: 1 })
    await rotate(app, caller, key_id)
    expect((await versions(app, caller, key_id))[2]).toMatchObject({ version: 1, expires_at: '2025-11-21T08:00:00.000000Z' })
  })

  it('lets no secret outlive the key', async () => {
    const app = await testApp()
    const caller = app.key()
    const { key_id, api_key } = await createKey(app, caller, { expires_at: '2025-11-22T08:00:00Z' })
    const { body } = await rotate(app, caller, key_id)
    expect(body.expires_at).toBe('2025-11-22T08:00:00.000000Z')
    app.clock.advance({ days: 1 })
    expect(await statuses(app, [api_key, body.api_key])).toEqual([401, 401])
    expect((await versions(app, caller, key_id)).map(({ status }: { status: string }) => status)).toEqual(['expired', 'expired'])
  })

  it('is told to the audit log, without the secrets', async () => {
    const caller = shared.key(SCOPES, 'audited', { keyId: 'key_rotator' })
    const { key_id } = await createKey(shared, caller)
    await callKey(shared, caller, key_id, 'POST', '/rotate', { headers: { 'x-request-id': 'rotate-1' } })
    const [entry] = await auditOf(shared, caller)
    expect(entry).toMatchObject({
      action: 'api_key.rotated',
      actor: { type: 'api_key', key_id: 'key_rotator' },
      target: { type: 'api_key', id: key_id },
      request_id: 'rotate-1',
    })
    expect(entry.changes).toEqual({
      version: { from: 1, to: 2 },
      previous_expires_at: { from: null, to: '2025-11-28T08:00:00.000000Z' },
    })
  })

  it('keeps the last hundred versions that have ended', async () => {
    const caller = shared.key()
    const { key_id } = await createKey(shared, caller)
    const record = await shared.deps.store.getApiKey(key_id)
    if (record === undefined) throw new Error('The key is gone.')
    const { lastUsedAtUs: _, ...key } = record
    const ended = Array.from({ length: 150 }, (_, index) => ({
      version: 150 - index,
      hash: `hash-${index}`,
      createdAtUs: 1,
      rotatedAtUs: 2,
      expiresAtUs: 3,
    }))
    const [newest] = key.versions
    if (newest === undefined) throw new Error('The key has no version.')
    await shared.deps.store.saveApiKey({ ...key, versions: [{ ...newest, version: 151 }, ...ended] }, null)
    expect((await rotate(shared, caller, key_id)).body.version).toBe(152)
    const kept = await versions(shared, caller, key_id)
    expect([kept.length, kept[0].version, kept.at(-1).version]).toEqual([101, 152, 52])
  })
})

describe('rotating a key refuses', () => {
  it.each([
    ['transition_days', '?transition_days=0'],
    ['transition_days', '?transition_days=91'],
    ['transition_days', '?transition_days=1.5'],
    ['transition_days', '?transition_days=-1'],
    ['transition_days', '?transition_days=07'],
    ['transition_days', '?transition_days='],
    ['revoke_previous', '?revoke_previous=1'],
    ['revoke_previous', '?revoke_previous=TRUE'],
    ['revoke_previous', '?revoke_previous='],
    ['revoke_previous', '?revoke_previous=true&transition_days=7'],
    ['days', '?days=7'],
  ])('a wrong %s: %s', async (field, query) => {
    const caller = shared.key()
    const { key_id, api_key } = await createKey(shared, caller)
    expectRefused(await rotate(shared, caller, key_id, query), 422, field)
    expect([(await readKey(shared, caller, key_id)).version, await statusWith(shared, api_key)]).toEqual([1, 200])
  })

  it('a revoked key', async () => {
    const caller = shared.key()
    const { key_id } = await createKey(shared, caller)
    await callKey(shared, caller, key_id, 'DELETE')
    const answer = await rotate(shared, caller, key_id)
    expect([answer.status, answer.body.error.code, answer.body.error.details.key_id]).toEqual([409, 'CONFLICT', key_id])
  })

  it('an expired key, until its end is changed', async () => {
    const app = await testApp()
    const caller = app.key()
    const { key_id } = await createKey(app, caller, { expires_at: '2025-11-21T09:00:00Z' })
    app.clock.advance({ hours: 1 })
    const answer = await rotate(app, caller, key_id)
    expect([answer.status, answer.body.error.code, answer.body.error.details]).toEqual([
      409,
      'CONFLICT',
      { key_id, expires_at: '2025-11-21T09:00:00.000000Z', suggestion: expect.stringContaining('expires_at') },
    ])
    await callKey(app, caller, key_id, 'PATCH', '', { body: { expires_at: null } })
    expect((await rotate(app, caller, key_id)).status).toBe(200)
  })

  it('a key with a scope that the caller lacks', async () => {
    const { key_id } = await createKey(shared, shared.key(SCOPES, 'lacking'), { scopes: ['events:write'] })
    const answer = await rotate(shared, shared.key(['keys:manage'], 'lacking'), key_id)
    expect([answer.status, answer.body.error.details.missing_scopes]).toEqual([403, ['events:write']])
  })
})

describe('many rotations at once', () => {
  it('all succeed, one after the other: each has its version, two secrets work', async () => {
    const caller = shared.key()
    const { key_id, api_key } = await createKey(shared, caller)
    const answers = await Promise.all(Array.from({ length: 50 }, () => rotate(shared, caller, key_id)))
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]))
    const inOrder = answers.map(({ body }) => body).sort((a, b) => a.version - b.version)
    expect(inOrder.map(({ version }) => version)).toEqual(Array.from({ length: 50 }, (_, index) => index + 2))
    expect(inOrder.map(({ previous_version }) => previous_version)).toEqual(Array.from({ length: 50 }, (_, index) => index + 1))
    const working = await statuses(shared, [api_key, ...inOrder.map(({ api_key }) => api_key)])
    expect(working).toEqual([...Array.from({ length: 49 }, () => 401), 200, 200])
    expect(await auditOf(shared, caller)).toHaveLength(51)
  })

  it('lose no other change that is made meanwhile', async () => {
    const caller = shared.key()
    const { key_id } = await createKey(shared, caller)
    const answers = await Promise.all([
      rotate(shared, caller, key_id),
      callKey(shared, caller, key_id, 'PATCH', '', { body: { name: 'Renamed' } }),
      rotate(shared, caller, key_id),
      callKey(shared, caller, key_id, 'PATCH', '', { body: { rate_limit_per_minute: 7 } }),
      callKey(shared, caller, key_id, 'POST', '/signing-secret'),
    ])
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200])
    expect(await readKey(shared, caller, key_id)).toMatchObject({
      name: 'Renamed',
      rate_limit_per_minute: 7,
      version: 3,
      has_signing_secret: true,
    })
  })
})

describe('a key that another process changes meanwhile', () => {
  /** A store whose `saveApiKey` is another one from the time it is set. */
  async function appWith() {
    const over: { saveApiKey?: Store['saveApiKey'] } = {}
    const app = await testApp({}, (store) => {
      const save: Store['saveApiKey'] = (...input) => (over.saveApiKey ?? store.saveApiKey.bind(store))(...input)
      return new Proxy(store, {
        get: (target, name) => {
          if (name === 'saveApiKey') return save
          const member = Reflect.get(target, name)
          return typeof member === 'function' ? member.bind(target) : member
        },
      })
    })
    const caller = app.key()
    return { app, caller, over, key: await createKey(app, caller) }
  }

  it('is judged anew: revoked just before, it is not rotated', async () => {
    const { app, caller, over, key } = await appWith()
    over.saveApiKey = async (record, audit) => {
      delete over.saveApiKey
      await callKey(app, caller, key.key_id, 'DELETE')
      return app.deps.store.saveApiKey(record, audit)
    }
    expect((await rotate(app, caller, key.key_id)).status).toBe(409)
    expect((await auditOf(app, caller)).map(({ action }: { action: string }) => action)).toEqual(['api_key.revoked', 'api_key.created'])
  })

  it('is given up as unavailable when that never ends', async () => {
    const { app, caller, over, key } = await appWith()
    over.saveApiKey = async () => 'changed'
    const answer = await rotate(app, caller, key.key_id)
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '1'])
  })

  it('keeps its secret when the storage fails', async () => {
    const { app, caller, over, key } = await appWith()
    over.saveApiKey = () => Promise.reject(new StoreUnavailableError('away'))
    expect((await rotate(app, caller, key.key_id)).status).toBe(503)
    expect(await statusWith(app, key.api_key)).toBe(200)
  })

  it('is a fault of the server when a new secret has the hash of another', async () => {
    const { app, caller, over, key } = await appWith()
    over.saveApiKey = async () => 'hash_taken'
    expect((await rotate(app, caller, key.key_id)).status).toBe(500)
    expect((await app.request('/v1/api-keys', { method: 'POST', key: caller, body: { name: 'x', scopes: ['events:read'] } })).status).toBe(
      500,
    )
  })
})
