import { beforeAll, describe, expect, it } from 'vitest'
import { encodeCursor } from '../../domain/cursor.ts'
import { SCOPES } from '../../ports.ts'
import { ackEvent, createEvents, expectRefused, idsOf } from '../../testing/events.ts'
import { sharedApp } from '../../testing/test-app.ts'

const app = await sharedApp()
const LISTS = ['/v1/inbox', '/v1/events']
const key = app.key(SCOPES, 'acme')
let ids: string[] = []

beforeAll(async () => {
  const metadata = { priority: 'high', region: 'eu', n: 1 }
  ids = (await createEvents(app, key, 6, () => ({ metadata }))).map(({ event_id }) => event_id)
  await createEvents(app, app.key(SCOPES, 'other'), 3)
})

async function cursorOf(path: string, owner = key): Promise<string> {
  const answer = await app.request(path, { key: owner })
  expect(answer.body.pagination?.next_cursor, answer.text).toMatch(/^[A-Za-z0-9_-]+$/)
  return answer.body.pagination.next_cursor
}

const follow = (path: string, cursor: string, owner = key) =>
  app.request(`${path}${path.includes('?') ? '&' : '?'}cursor=${encodeURIComponent(cursor)}`, { key: owner })

describe.each(LISTS)('a cursor of %s', (path) => {
  const order = () => (path === '/v1/inbox' ? ids : [...ids].reverse())

  it('leads on behind the last page', async () => {
    const cursor = await cursorOf(`${path}?limit=2`)
    const next = await follow(`${path}?limit=2`, cursor)
    expect(idsOf(next)).toEqual(order().slice(2, 4))
    expect(next.body.pagination).toEqual({ next_cursor: expect.any(String), limit: 2 })
  })

  it('goes with another limit', async () => {
    const cursor = await cursorOf(`${path}?limit=2`)
    expect(idsOf(await follow(`${path}?limit=1`, cursor))).toEqual(order().slice(2, 3))
    expect(idsOf(await follow(path, cursor))).toEqual(order().slice(2))
  })

  it('can be followed again', async () => {
    const cursor = await cursorOf(`${path}?limit=2`)
    const [first, second] = [await follow(path, cursor), await follow(path, cursor)]
    expect(idsOf(first)).toEqual(idsOf(second))
  })

  it('goes with another key of the workspace', async () => {
    const cursor = await cursorOf(`${path}?limit=2`)
    expect((await follow(path, cursor, app.key(SCOPES, 'acme'))).status).toBe(200)
  })

  it('goes with the same filters in another order', async () => {
    const cursor = await cursorOf(`${path}?limit=2&source=shop&metadata.n=1&metadata.region=eu&priority=high`)
    expect((await follow(`${path}?metadata.region=eu&priority=high&metadata.n=1&source=shop`, cursor)).status).toBe(200)
  })

  it('shows neither position nor workspace', async () => {
    const cursor = await cursorOf(`${path}?limit=2`)
    expect(Buffer.from(cursor, 'base64url').toString('latin1')).not.toContain('acme')
  })

  it('is refused in another workspace', async () => {
    const cursor = await cursorOf(`${path}?limit=2`, app.key(SCOPES, 'other'))
    expectRefused(await follow(path, cursor), 400, 'cursor')
  })

  it('is refused by the other list', async () => {
    const other = LISTS.find((candidate) => candidate !== path) ?? ''
    expectRefused(await follow(path, await cursorOf(`${other}?limit=2`)), 400, 'cursor')
    const alike = { '/v1/inbox': '/v1/events?limit=2&status=pending&order=asc', '/v1/events': '/v1/inbox?limit=2' }[path] ?? ''
    expectRefused(await follow(path === '/v1/events' ? '/v1/events?status=pending&order=asc' : path, await cursorOf(alike)), 400, 'cursor')
  })

  it.each([
    ['source', 'shop', 'crm'],
    ['event_type', 'order.paid', 'order.sent'],
    ['priority', 'high', 'low'],
    ['metadata.region', 'eu', 'us'],
    ['metadata.n', '1', '2'],
    ['created_after', '2025-11-21', '2025-11-20'],
    ['created_before', '2025-11-22', '2025-11-23'],
  ])('is refused when %s is left out, added or changed', async (name, value, other) => {
    const filtered = `${path}?limit=2&${name}=${value}`
    const [plain, bound] = [await cursorOf(`${path}?limit=2`), await cursorOf(filtered)]
    expect((await follow(filtered, bound)).status).toBe(200)
    expectRefused(await follow(path, bound), 400, 'cursor')
    expectRefused(await follow(filtered, plain), 400, 'cursor')
    expectRefused(await follow(`${path}?${name}=${other}`, bound), 400, 'cursor')
  })

  it('is refused when two filters swap their values', async () => {
    const cursor = await cursorOf(`${path}?limit=2&metadata.region=eu&metadata.n=1`)
    expectRefused(await follow(`${path}?metadata.region=1&metadata.n=eu`, cursor), 400, 'cursor')
  })

  it('is refused when it is forged', async () => {
    const cursor = await cursorOf(`${path}?limit=2`)
    const bytes = Buffer.from(cursor, 'base64url')
    const binding = { call: path.slice(4), workspaceId: 'acme', order: path === '/v1/inbox' ? 'asc' : 'desc', filter: {} } as const
    const forged = [
      '',
      'x',
      'null',
      '0',
      '%',
      '../..',
      cursor.slice(1),
      cursor.slice(0, -1),
      `${cursor}A`,
      `${cursor}=`,
      cursor.toUpperCase(),
      Buffer.from(bytes.subarray(16)).toString('base64url'),
      Buffer.concat([Buffer.alloc(16), bytes.subarray(16)]).toString('base64url'),
      Buffer.concat([bytes.subarray(0, 16), Buffer.from('0')]).toString('base64url'),
      Buffer.from(JSON.stringify({ after: 1 })).toString('base64url'),
      encodeCursor(new Uint8Array(32), binding, '0'),
      'A'.repeat(10_000),
    ]
    for (const text of forged) expectRefused(await follow(path, text), 400, 'cursor')
  })
})

describe('a cursor of the list of all', () => {
  it('is refused in another order, and with another status', async () => {
    const cursor = await cursorOf('/v1/events?limit=2')
    expectRefused(await follow('/v1/events?order=asc', cursor), 400, 'cursor')
    expectRefused(await follow('/v1/events?status=pending', cursor), 400, 'cursor')
    expect((await follow('/v1/events?order=desc', cursor)).status).toBe(200)
  })
})

describe('a cursor of the inbox', () => {
  it('leads on after the event that it was made behind is acknowledged or deleted', async () => {
    const key = app.key()
    const ids = (await createEvents(app, key, 4)).map(({ event_id }) => event_id)
    const cursor = await cursorOf('/v1/inbox?limit=2', key)
    await ackEvent(app, key, ids[0] ?? '')
    await app.request(`/v1/events/${ids[1]}`, { method: 'DELETE', key })
    expect(idsOf(await follow('/v1/inbox', cursor, key))).toEqual(ids.slice(2))
  })

  it('leads to an empty last page when the rest is gone meanwhile', async () => {
    const key = app.key()
    const ids = (await createEvents(app, key, 3)).map(({ event_id }) => event_id)
    const cursor = await cursorOf('/v1/inbox?limit=2', key)
    await ackEvent(app, key, ids[2] ?? '')
    const last = await follow('/v1/inbox', cursor, key)
    expect([idsOf(last), last.body.pagination.next_cursor]).toEqual([[], null])
  })
})
