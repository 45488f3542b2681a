import { describe, expect, it } from 'vitest'
import { updateApiKey } from '../../domain/api-keys.ts'
import { SCOPES } from '../../ports.ts'
import { auditOf, callKey, createKey } from '../../testing/api-keys.ts'
import { expectRefused } from '../../testing/events.ts'
import { sharedApp, type TestAnswer, testApp } from '../../testing/test-app.ts'

const shared = await sharedApp()

const idsOf = ({ body }: TestAnswer): string[] => body.entries.map(({ entry_id }: { entry_id: string }) => entry_id)

/** An app where a key was made, changed, rotated twice and revoked, an hour apart. */
async function appWithHistory() {
  const app = await testApp()
  const caller = app.key(SCOPES, 'acme')
  const { key_id } = await createKey(app, caller)
  for (const [method, below, body] of [
    ['PATCH', '', { name: 'Renamed' }],
    ['POST', '/rotate'],
    ['POST', '/rotate'],
    ['DELETE', ''],
  ] as const) {
    app.clock.advance({ hours: 1 })
    await callKey(app, caller, key_id, method, below, body && { body })
  }
  const list = (query: string, key = caller) => app.request(`/v1/audit-log${query}`, { key })
  return {
    app,
    caller,
    list,
    actionsOf: async (query: string) => (await list(query)).body.entries.map(({ action }: { action: string }) => action),
  }
}

const ALL = ['api_key.revoked', 'api_key.rotated', 'api_key.rotated', 'api_key.updated', 'api_key.created']

describe('the audit log', () => {
  it('has what was done, newest first', async () => {
    const { list, actionsOf } = await appWithHistory()
    expect(await actionsOf('')).toEqual(ALL)
    expect((await list('')).body.pagination).toEqual({ next_cursor: null, limit: 50 })
  })

  it('has the entries of the workspace alone, and none of the installation', async () => {
    const { app } = await appWithHistory()
    await app.deps.store.appendAuditEntry({
      workspaceId: null,
      action: 'encryption_key.changed',
      actor: { type: 'operator', keyId: null },
      target: { type: 'encryption_key', id: 'k2' },
      changes: {},
      ip: null,
      requestId: null,
    })
    expect(await auditOf(app, app.key())).toEqual([])
    expect(await auditOf(app, app.key(SCOPES, 'acme'))).toHaveLength(5)
  })

  it("shows the operator's changes, without address and request", async () => {
    const caller = shared.key(SCOPES, 'operated')
    const { key_id } = await createKey(shared, caller)
    await updateApiKey(shared.deps, { principal: null, ip: null, requestId: null }, null, key_id, { name: 'By hand' })
    expect((await auditOf(shared, caller))[0]).toMatchObject({
      action: 'api_key.updated',
      actor: { type: 'operator', key_id: null },
      ip: null,
      request_id: null,
    })
  })

  it('has no address where none is known', async () => {
    const caller = shared.key()
    const input = { name: 'Shop', scopes: ['events:read'] }
    await shared.request('/v1/api-keys', { method: 'POST', key: caller, body: input, peerAddress: '' })
    expect((await auditOf(shared, caller))[0].ip).toBeNull()
  })

  it.each([
    ['?action=api_key.rotated', ['api_key.rotated', 'api_key.rotated']],
    ['?action=webhook.created', []],
    ['?created_after=2025-11-21T10:00:00Z', ALL.slice(0, 3)],
    ['?created_before=2025-11-21T09:00:00Z', ALL.slice(3)],
    ['?created_after=2025-11-21T09:00:00Z&created_before=2025-11-21T10:00:00Z', ['api_key.rotated', 'api_key.updated']],
    ['?created_after=2025-11-21T09:00:00Z&action=api_key.updated', ['api_key.updated']],
    ['?created_after=2025-11-22', []],
  ])('is filtered by %s, both bounds included', async (query, actions) => {
    const { actionsOf } = await appWithHistory()
    expect(await actionsOf(query)).toEqual(actions)
  })

  it('is read page by page, each entry once, while others are written', async () => {
    const { app, caller, list } = await appWithHistory()
    const all = idsOf(await list(''))
    const seen: string[] = []
    let query = '?limit=2'
    for (let pages = 1; ; pages++) {
      const page = await list(query)
      seen.push(...idsOf(page))
      const { next_cursor } = page.body.pagination
      if (next_cursor === null) {
        expect(pages).toBe(3)
        break
      }
      query = `?limit=2&cursor=${next_cursor}`
      await createKey(app, caller)
    }
    expect(seen).toEqual(all)
  })

  it('has cursors for the workspace and the filters that they were made with alone', async () => {
    const { app, caller, list } = await appWithHistory()
    const { next_cursor: cursor } = (await list('?limit=1&action=api_key.rotated')).body.pagination
    expect((await list(`?limit=9&action=api_key.rotated&cursor=${cursor}`)).body.entries).toHaveLength(1)
    expectRefused(await list(`?cursor=${cursor}`), 400, 'cursor')
    expectRefused(await list(`?action=api_key.created&cursor=${cursor}`), 400, 'cursor')
    expectRefused(await list(`?action=api_key.rotated&created_after=2025-01-01&cursor=${cursor}`), 400, 'cursor')
    expectRefused(await list(`?action=api_key.rotated&cursor=${cursor}`, app.key(SCOPES, 'other')), 400, 'cursor')
    expectRefused(await app.request(`/v1/api-keys?cursor=${cursor}`, { key: caller }), 400, 'cursor')
  })

  it.each([
    ['action', '?action='],
    ['action', '?action=API_KEY.ROTATED'],
    ['action', '?action=api_key'],
    ['action', `?action=${'a'.repeat(60)}.b`],
    ['created_after', '?created_after=yesterday'],
    ['created_before', '?created_before='],
    ['limit', '?limit=0'],
    ['actor', '?actor=key_1'],
  ])('refuses a wrong %s: %s', async (field, query) => {
    expectRefused(await shared.request(`/v1/audit-log${query}`), 422, field)
  })
})

it('shows each secret once, in the answer that made it, and stores none', async () => {
  const app = await testApp()
  const caller = app.key()
  const secrets: string[] = []
  const others: string[] = []
  const keep = (answer: TestAnswer) => {
    const { api_key, signing_secret, ...rest } = answer.body ?? {}
    secrets.push(...[api_key, signing_secret].filter((secret) => secret !== undefined))
    others.push(JSON.stringify(rest), JSON.stringify([...answer.headers]))
    return answer
  }
  const input = { name: 'Shop', scopes: ['keys:manage', 'events:read'], require_signature: true }
  const { key_id } = keep(await app.request('/v1/api-keys', { method: 'POST', key: caller, body: input })).body
  for (const [method, below, body] of [
    ['POST', '/rotate'],
    ['POST', '/signing-secret?transition_days=1'],
    ['PATCH', '', { require_signature: false, allowed_ips: ['127.0.0.1'] }],
    ['POST', '/rotate?revoke_previous=true'],
    ['POST', '/rotate?transition_days=0'],
    ['POST', '/signing-secret'],
    ['GET', ''],
    ['GET', '/versions'],
    ['DELETE', ''],
    ['POST', '/rotate'],
    ['POST', '/signing-secret'],
    ['PATCH', '', { name: 'x' }],
    ['GET', ''],
  ] as const) {
    keep(await callKey(app, caller, key_id, method, below, body && { body }))
  }
  for (const path of ['/v1/api-keys', '/v1/audit-log']) keep(await app.request(path, { key: caller }))
  expect([secrets.length, new Set(secrets).size]).toEqual([6, 6])
  const record = await app.deps.store.getApiKey(key_id)
  const hidden = [...(record?.versions ?? []).map(({ hash }) => hash), ...(record?.signingSecrets ?? []).map(({ sealed }) => sealed)]
  expect(hidden).toHaveLength(4)
  const shown = others.join('\n')
  for (const secret of [...secrets, ...hidden]) expect(shown).not.toContain(secret)
  const stored = await app.storedBytes()
  expect(stored.some((bytes) => bytes.includes(key_id))).toBe(true)
  for (const secret of secrets) expect(stored.filter((bytes) => bytes.includes(secret))).toEqual([])
})
