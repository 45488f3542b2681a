import { describe, expect, it } from 'vitest'
import { type NewEvent, SCOPES } from '../../ports.ts'
import { ackEvent, createEvent, createEvents, INPUT, idsOf, readAllPages } from '../../testing/events.ts'
import { sharedApp } from '../../testing/test-app.ts'

const app = await sharedApp()
const LISTS = ['/v1/inbox', '/v1/events', '/v1/events?order=asc']
const withParameters = (path: string, parameters: string) => `${path}${path.includes('?') ? '&' : '?'}${parameters}`
const deleteEvent = (key: string, id: string) => app.request(`/v1/events/${id}`, { method: 'DELETE', key })

describe.each(LISTS)('a page of %s', (path) => {
  it('of an empty workspace is empty', async () => {
    const { status, body } = await app.request(path, { key: app.key(), headers: { 'x-request-id': 'page-1' } })
    expect([status, body]).toEqual([200, { events: [], pagination: { next_cursor: null, limit: 50 }, request_id: 'page-1' }])
  })

  it('has 50 events unless told, and 100 at the most', async () => {
    const key = app.key()
    await createEvents(app, key, 101)
    expect((await readAllPages(app, key, path)).map((page) => page.length)).toEqual([50, 50, 1])
    expect((await readAllPages(app, key, withParameters(path, 'limit=100'))).map((page) => page.length)).toEqual([100, 1])
    expect((await app.request(withParameters(path, 'limit=7'), { key })).body.pagination.limit).toBe(7)
  })

  it.each([
    ['without a filter', ''],
    ['under one filter', 'source=rare'],
    ['under a metadata filter', 'metadata.rare=true'],
    ['under several filters', 'source=rare&event_type=order.paid&metadata.rare=true&priority=high'],
  ])('is full whenever that many events match, and the last has no cursor, %s', async (_, filter) => {
    const key = app.key()
    const every = filter === '' ? 1 : 4
    const rare = { source: 'rare', metadata: { rare: true, priority: 'high' } }
    const all = await createEvents(app, key, 12 * every, (index) => (index % every === 0 ? rare : {}))
    const wanted = all.filter((_, index) => index % every === 0).map(({ event_id }) => event_id)
    if (path === '/v1/events') wanted.reverse()
    for (let limit = 1; limit <= 13; limit++) {
      const pages = await readAllPages(app, key, withParameters(path, `limit=${limit}&${filter}`.replace(/&$/, '')))
      expect(pages.flat()).toEqual(wanted)
      const full = Array.from({ length: Math.floor(12 / limit) }, () => limit)
      expect(pages.map((page) => page.length)).toEqual(12 % limit === 0 ? full : [...full, 12 % limit])
    }
  })

  it('ends before its body would pass 5 MB', async () => {
    const key = app.key()
    const payload = { t: 'x'.repeat(409_600 - 8) }
    const created = [...(await bulk(key, 7, payload)), ...(await bulk(key, 7, payload))]
    const first = await app.request(path, { key })
    expect(first.text.length).toBeLessThanOrEqual(5_000_000)
    expect([first.status, first.body.events.length, typeof first.body.pagination.next_cursor]).toEqual([200, 12, 'string'])
    const pages = await readAllPages(app, key, path)
    expect(pages.map((page) => page.length)).toEqual([12, 2])
    expect(pages.flat()).toEqual(path === '/v1/events' ? created.reverse() : created)
  })

  it('stays under 5 MB with texts that take the most bytes', async () => {
    const key = app.key()
    const text = '😀'.repeat(100)
    const metadata = Object.fromEntries(Array.from({ length: 20 }, (_, index) => [`${index}`.padStart(64, 'k'), '😀'.repeat(256)]))
    await createEvents(app, key, 50, () => ({ source: text, event_type: text, metadata, payload: { t: 'x'.repeat(90_000) } }))
    const pages = await readAllPages(app, key, path, async () => {})
    expect(pages.flat()).toHaveLength(50)
    expect(Buffer.byteLength((await app.request(path, { key })).text)).toBeLessThanOrEqual(5_000_000)
  })

  it.each(['', 'source=shop', 'metadata.region=eu', 'source=shop&priority=normal&metadata.region=eu'])(
    'skips nothing and repeats nothing while others write, acknowledge and delete (%s)',
    async (filter) => {
      const key = app.key()
      const metadata = { region: 'eu' }
      const initial = (await createEvents(app, key, 40, () => ({ metadata }))).map(({ event_id }) => event_id)
      const unread = new Set(initial)
      const gone = new Set<string>()
      let writes: Promise<unknown>[] = []
      const pages = await readAllPages(app, key, withParameters(path, `limit=4&${filter}`.replace(/&$/, '')), async (ids) => {
        for (const id of ids) unread.delete(id)
        await Promise.all(writes)
        const [acked, deleted] = [[...unread].at(-3), [...unread].at(3)]
        for (const id of [acked, deleted]) if (id !== undefined) unread.delete(id)
        if (acked !== undefined && path === '/v1/inbox') gone.add(acked)
        if (deleted !== undefined) gone.add(deleted)
        // Under way while the next page is read.
        writes = [
          ...(writes.length === 0 || unread.size > 0 ? [createEvent(app, key, { metadata }), createEvent(app, key, { metadata })] : []),
          ackEvent(app, key, ids[0] ?? initial[0] ?? ''),
          ...(acked === undefined ? [] : [ackEvent(app, key, acked)]),
          ...(deleted === undefined ? [] : [deleteEvent(key, deleted)]),
        ]
      })
      await Promise.all(writes)
      const seen = pages.flat()
      expect(seen).toEqual([...new Set(seen)].sort((a, b) => (a < b === (path !== '/v1/events') ? -1 : 1)))
      expect(initial.filter((id) => !seen.includes(id) && !gone.has(id))).toEqual([])
      // Whoever reads forwards sees all that was there before the last event that it saw.
      const last = seen.at(-1) ?? ''
      const before = (await readAllPages(app, key, '/v1/events?order=asc')).flat().filter((id) => id <= last)
      if (path !== '/v1/events') expect(before.filter((id) => !seen.includes(id) && !gone.has(id))).toEqual([])
      expect(gone.size).toBeGreaterThan(3)
    },
  )
})

async function bulk(key: string, count: number, payload: object): Promise<string[]> {
  const items = Array.from({ length: count }, () => ({ ...INPUT, payload }))
  const { body } = await app.request('/v1/events/bulk', { method: 'POST', key, body: { items } })
  return body.successful.map(({ event_id }: { event_id: string }) => event_id)
}

describe('the inbox', () => {
  it('is oldest first: times and ids never decrease along it', async () => {
    const key = app.key()
    await Promise.all(
      Array.from({ length: 60 }, (_, index) => createEvent(app, key, { metadata: { priority: ['low', 'normal', 'high'][index % 3] } })),
    )
    const { events } = (await app.request('/v1/inbox?limit=100', { key })).body
    expect(events).toHaveLength(60)
    for (const field of ['created_at', 'event_id']) {
      const values = events.map((event: Record<string, string>) => event[field])
      expect(values).toEqual([...values].sort())
    }
  })

  it('has pending events only', async () => {
    const key = app.key()
    const [first, second] = await createEvents(app, key, 2)
    await ackEvent(app, key, first?.event_id ?? '')
    const page = await app.request('/v1/inbox', { key })
    expect([idsOf(page), page.body.events[0].status]).toEqual([[second?.event_id], 'pending'])
  })
})

describe('the list of all', () => {
  it('is newest first unless asked otherwise, and has every status', async () => {
    const key = app.key()
    const ids = (await createEvents(app, key, 5)).map(({ event_id }) => event_id)
    await ackEvent(app, key, ids[1] ?? '')
    await ackEvent(app, key, ids[4] ?? '')
    expect(await readAllPages(app, key, '/v1/events')).toEqual([[...ids].reverse()])
    expect(await readAllPages(app, key, '/v1/events?order=desc')).toEqual([[...ids].reverse()])
    expect(await readAllPages(app, key, '/v1/events?order=asc&limit=2')).toEqual([ids.slice(0, 2), ids.slice(2, 4), ids.slice(4)])
    expect(await readAllPages(app, key, '/v1/events?status=acknowledged')).toEqual([[ids[4], ids[1]]])
    expect(await readAllPages(app, key, '/v1/events?status=pending&order=asc')).toEqual([[ids[0], ids[2], ids[3]]])
  })
})

describe('a page under several filters', () => {
  it('ends early only after examining 10,000 events, with a cursor, and the cursors lead to every match', async () => {
    const key = app.key(SCOPES, 'large')
    const event = (source: string, eventType: string): NewEvent => ({
      source,
      eventType,
      priority: 'normal',
      metadata: '{"priority":"normal"}',
      payload: '{}',
    })
    // Neither filter is rare; both let through the 10,000th and the 10,001st event of each.
    for (let left = 9999; left > 0; left -= 1111) {
      const noise = Array.from({ length: 2222 }, (_, index) => (index % 2 === 0 ? event('shop', 'noise') : event('noise', 'order.paid')))
      await app.deps.store.createEvents('large', noise)
    }
    const results = await app.deps.store.createEvents('large', [event('shop', 'order.paid'), event('shop', 'order.paid')])
    const matches = results.map((result) => ('eventId' in result ? result.eventId : ''))

    for (const path of ['/v1/inbox', '/v1/events?order=asc', '/v1/events']) {
      const pages = await readAllPages(app, key, withParameters(path, 'source=shop&event_type=order.paid&limit=100'))
      expect(pages.flat(), path).toEqual(path === '/v1/events' ? [...matches].reverse() : matches)
      expect(pages[0], path).toContain(matches[0])
      expect(pages.length, path).toBeLessThanOrEqual(2)
      expect((await app.request(withParameters(path, 'source=shop&limit=100'), { key })).body.events, path).toHaveLength(100)
    }
  })
})
