import { describe, expect, it } from 'vitest'
import { SCOPES } from '../../ports.ts'
import { callKey, createKey } from '../../testing/api-keys.ts'
import { expectRefused } from '../../testing/events.ts'
import { sharedApp, type TestAnswer, type TestApp, testApp } from '../../testing/test-app.ts'

const shared = await sharedApp()

async function appWithKeys(count: number) {
  const app = await testApp()
  const caller = app.key(SCOPES, 'acme')
  const ids: string[] = []
  for (let index = 0; index < count; index++) {
    app.clock.advance({ us: 1 })
    ids.unshift((await createKey(app, caller, { name: `Key ${index}` })).key_id)
  }
  return { app, caller, ids }
}

const list = (app: TestApp, key: string, query = '') => app.request(`/v1/api-keys${query}`, { key })
const idsOf = ({ body }: TestAnswer): string[] => body.api_keys.map(({ key_id }: { key_id: string }) => key_id)

describe('the list of keys', () => {
  it('has the keys of the workspace alone, newest first, as they are read one by one', async () => {
    const { app, caller, ids } = await appWithKeys(3)
    await createKey(app, app.key(SCOPES, 'other'))
    const answer = await list(app, caller)
    expect(idsOf(answer)).toEqual(ids)
    expect(answer.body.pagination).toEqual({ next_cursor: null, limit: 50 })
    const { request_id: _, ...single } = (await callKey(app, caller, ids[0] ?? '', 'GET')).body
    expect(answer.body.api_keys[0]).toEqual(single)
  })

  it('is empty, without a cursor, where there is none', async () => {
    const { body } = await list(shared, shared.key())
    expect([body.api_keys, body.pagination.next_cursor]).toEqual([[], null])
  })

  it('has revoked and expired ones too', async () => {
    const app = await testApp()
    const caller = app.key()
    const revoked = await createKey(app, caller)
    app.clock.advance({ seconds: 1 })
    await createKey(app, caller, { expires_at: '2025-11-21T09:00:00Z' })
    await callKey(app, caller, revoked.key_id, 'DELETE')
    app.clock.advance({ hours: 2 })
    const { body } = await list(app, caller)
    expect(body.api_keys.map((key: Record<string, unknown>) => [key['expires_at'], key['revoked_at']])).toEqual([
      ['2025-11-21T09:00:00.000000Z', null],
      [null, '2025-11-21T08:00:01.000000Z'],
    ])
  })

  it('is read page by page, each key once, while others make keys', async () => {
    const { app, caller, ids } = await appWithKeys(5)
    const seen: string[] = []
    let cursor: string | null = null
    let pages = 0
    do {
      const page: TestAnswer = await list(app, caller, `?limit=2${cursor === null ? '' : `&cursor=${cursor}`}`)
      seen.push(...idsOf(page))
      cursor = page.body.pagination.next_cursor
      pages++
      app.clock.advance({ us: 1 })
      await createKey(app, caller)
    } while (cursor !== null)
    expect([seen, pages]).toEqual([ids, 3])
  })

  it('has a cursor for its workspace and itself alone', async () => {
    const { app, caller } = await appWithKeys(3)
    const { next_cursor: cursor } = (await list(app, caller, '?limit=1')).body.pagination
    expect((await list(app, app.key(SCOPES, 'acme'), `?cursor=${cursor}`)).status).toBe(200)
    expectRefused(await list(app, app.key(SCOPES, 'other'), `?cursor=${cursor}`), 400, 'cursor')
    expectRefused(await list(app, caller, `?cursor=${cursor}A`), 400, 'cursor')
    for (const path of ['/v1/events', '/v1/audit-log'])
      expectRefused(await app.request(`${path}?cursor=${cursor}`, { key: caller }), 400, 'cursor')
  })

  it.each(['0', '101', '-1', '1.5', 'x', ''])('refuses the limit %j', async (limit) => {
    expectRefused(await list(shared, shared.key(), `?limit=${limit}`), 422, 'limit')
  })
})
