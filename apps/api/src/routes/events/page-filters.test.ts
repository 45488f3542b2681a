import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { ackEvent, type Created, createEvents, expectRefused, INPUT, idsOn, readAllPages } from '../../testing/events.ts'
import { sharedApp, testApp } from '../../testing/test-app.ts'

const app = await sharedApp()
const LISTS = ['/v1/inbox', '/v1/events']

interface Model extends Created {
  source: string
  event_type: string
  status: 'pending' | 'acknowledged'
  metadata: Record<string, string | number | boolean>
}

const key = app.key()
let events: Model[] = []

beforeAll(async () => {
  const variants = Array.from({ length: 100 }, (_, index) => ({
    source: ['shop', 'crm'][index % 2] ?? '',
    event_type: ['order.paid', 'order.sent', 'user.created'][index % 3] ?? '',
    metadata: {
      priority: ['normal', 'low', 'high', 'normal', 'high'][index % 5] ?? '',
      ...(index % 4 < 2 && { region: ['eu', 'us'][index % 4] }),
      ...(index % 3 === 0 && { n: [1, '1', true, 'true', 1.5][index % 5] ?? '' }),
      ...(index % 7 === 0 && { correlation_id: `c-${index % 2}` }),
      ...(index % 10 === 0 && { idempotency_key: `i-${index}` }),
    },
  }))
  const created = await createEvents(app, key, variants.length, (index) => variants[index] ?? {})
  events = created.map((event, index) => ({
    ...event,
    ...(variants[index] as Pick<Model, 'source' | 'event_type' | 'metadata'>),
    status: 'pending',
  }))
  for (const event of events.filter((_, index) => index % 6 === 0)) {
    event.status = 'acknowledged'
    await ackEvent(app, key, event.event_id)
  }
})

/** Whether a list with these parameters has the event, by the contract. */
function matches(event: Model, parameters: Record<string, string>): boolean {
  return Object.entries(parameters).every(([name, value]) => {
    if (name === 'created_after') return event.created_at >= value
    if (name === 'created_before') return event.created_at <= value
    if (name.startsWith('metadata.')) {
      const own = event.metadata[name.slice('metadata.'.length)]
      return own !== undefined && (typeof own === 'string' ? own : JSON.stringify(own)) === value
    }
    return event[name as 'source' | 'event_type' | 'status'] === value || (name === 'priority' && event.metadata['priority'] === value)
  })
}

const query = (parameters: Record<string, string>) => new URLSearchParams(parameters).toString()
const priority = fc.constantFrom('low', 'normal', 'high')
const place = fc.nat({ max: 99 })
/** A value for each parameter; times as places in the list of events. */
const values = {
  source: fc.constantFrom('shop', 'crm'),
  event_type: fc.constantFrom('order.paid', 'order.sent', 'none'),
  priority,
  'metadata.region': fc.constantFrom('eu', 'us'),
  'metadata.n': fc.constantFrom('1', 'true', '1.5', '"1"'),
  'metadata.priority': priority,
  'metadata.correlation_id': fc.constantFrom('c-0', 'c-1'),
  'metadata.idempotency_key': fc.constantFrom('i-10', 'i-20'),
  'metadata.none': fc.constant('x'),
  created_after: place,
  created_before: place,
}
/** Up to four of them together: more would match next to nothing. */
const filters = fc
  .tuple(fc.record(values), fc.subarray(Object.keys(values), { maxLength: 4 }))
  .map(([all, names]) => Object.fromEntries(Object.entries(all).filter(([name]) => names.includes(name))))

function parametersOf(filter: Record<string, string | number>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(filter).map(([name, value]) => [name, typeof value === 'number' ? (events[value]?.created_at ?? '') : value]),
  )
}

describe('filters, alone and together', () => {
  it('let through just the events that match, in the inbox', async () => {
    await fc.assert(
      fc.asyncProperty(filters, fc.integer({ min: 1, max: 100 }), async (filter, limit) => {
        const parameters = parametersOf(filter)
        const wanted = events.filter((event) => event.status === 'pending' && matches(event, parameters)).map(({ event_id }) => event_id)
        expect((await readAllPages(app, key, `/v1/inbox?limit=${limit}&${query(parameters)}`)).flat()).toEqual(wanted)
      }),
      { numRuns: 150 },
    )
  })

  it('let through just the events that match, in the list of all', async () => {
    const more = fc.record(
      { status: fc.constantFrom('pending', 'acknowledged'), order: fc.constantFrom('asc', 'desc') },
      { requiredKeys: [] },
    )
    await fc.assert(
      fc.asyncProperty(filters, more, async (filter, { order, ...status }) => {
        const parameters = { ...parametersOf(filter), ...status }
        const wanted = events.filter((event) => matches(event, parameters)).map(({ event_id }) => event_id)
        const found = (await readAllPages(app, key, `/v1/events?limit=7&${query({ ...parameters, ...(order && { order }) })}`)).flat()
        expect(found).toEqual(order === 'asc' ? wanted : wanted.reverse())
      }),
      { numRuns: 150 },
    )
  })

  it.each([
    ['source', 'shop'],
    ['event_type', 'order.paid'],
    ['priority', 'high'],
    ['metadata.region', 'eu'],
    ['metadata.n', '1'],
    ['metadata.n', 'true'],
    ['metadata.n', '1.5'],
    ['metadata.priority', 'low'],
    ['metadata.correlation_id', 'c-1'],
    ['metadata.idempotency_key', 'i-10'],
    ['status', 'acknowledged'],
  ])('%s=%s finds some and not all', async (name, value) => {
    const found = (await readAllPages(app, key, `/v1/events?order=asc&limit=100&${query({ [name]: value })}`)).flat()
    expect(found).toEqual(events.filter((event) => matches(event, { [name]: value })).map(({ event_id }) => event_id))
    expect(found.length).toBeGreaterThan(0)
    expect(found.length).toBeLessThan(events.length)
  })
})

describe.each(LISTS)('a filter of %s', (path) => {
  const only = async (fields: object, ...names: [string, string][]) => {
    const key = app.key()
    const [event] = await createEvents(app, key, 2, (index) => (index === 0 ? fields : {}))
    for (const [name, value] of names) expect(await idsOn(app, key, `${path}?${query({ [name]: value })}`), name).toEqual([event?.event_id])
  }

  it('is trimmed as the stored text is', async () => {
    await only({ source: ' crm ', event_type: ' user.created ' }, ['source', '  crm\t'], ['event_type', 'user.created '])
  })

  it('tells upper from lower case, and takes no pattern', async () => {
    const key = app.key()
    await createEvents(app, key, 1)
    for (const source of ['SHOP', 'sho', 'shop%', 'sh_p', '*'])
      expect(await idsOn(app, key, `${path}?${query({ source })}`), source).toEqual([])
  })

  it('takes any text that can be stored', async () => {
    const text = `é 😀 & = # % + ' " \\ -- ;`
    await only(
      { source: text, event_type: text, metadata: { note: text, correlation_id: text } },
      ['source', text],
      ['event_type', text],
      ['metadata.note', text],
      ['metadata.correlation_id', text],
    )
    await only({ metadata: { note: '😀'.repeat(256) } }, ['metadata.note', '😀'.repeat(256)])
    await only({ metadata: { note: '' } }, ['metadata.note', ''])
  })

  it('takes metadata keys that mean something to JavaScript', async () => {
    const metadata = JSON.parse('{"__proto__":"a","constructor":"b","toString":"c","a.b":"d"}')
    await only({ metadata }, ['metadata.__proto__', 'a'], ['metadata.constructor', 'b'], ['metadata.toString', 'c'], ['metadata.a.b', 'd'])
  })

  it('compares a number by its JSON text', async () => {
    await only(
      { metadata: { a: 1.5, b: -0.000_000_1, c: 1e15 } },
      ['metadata.a', '1.5'],
      ['metadata.b', '-1e-7'],
      ['metadata.c', '1000000000000000'],
    )
    const key = app.key()
    await createEvents(app, key, 1, () => ({ metadata: { a: 1.5 } }))
    expect(await idsOn(app, key, `${path}?metadata.a=1.50`)).toEqual([])
  })

  it('finds an idempotency key that came by header', async () => {
    const key = app.key()
    const { body } = await app.request('/v1/events', { method: 'POST', key, body: INPUT, headers: { 'idempotency-key': 'h-1' } })
    expect(await idsOn(app, key, `${path}?metadata.idempotency_key=h-1`)).toEqual([body.event_id])
  })

  it('by a priority in the metadata that there is not finds nothing', async () => {
    expect(await idsOn(app, key, `${path}?metadata.priority=urgent`)).toEqual([])
  })

  it("shows nothing of another workspace's events", async () => {
    const stranger = app.key()
    for (const filter of ['', '?source=shop', '?priority=high', '?metadata.region=eu', '?source=shop&event_type=order.paid']) {
      expect(await idsOn(app, stranger, path + filter)).toEqual([])
    }
  })

  it('takes more metadata keys than an event has, and finds nothing', async () => {
    const many = Object.fromEntries(Array.from({ length: 23 }, (_, index) => [`metadata.k${index}`, 'v']))
    expect(await idsOn(app, key, `${path}?${query(many)}`)).toEqual([])
  })

  it.each([
    ['limit', ['0', '101', '-1', '1.5', '', 'abc', '01', '1e1', '+1', ' 1', '0x1', '99999999999999999999']],
    ['source', ['', ' ', 'x'.repeat(101), 'a\u0000', 'a\nb']],
    ['event_type', ['', '\t', '😀'.repeat(101), 'a\u007f']],
    ['priority', ['', 'urgent', 'HIGH', 'low,high']],
    ['created_after', ['', 'yesterday', '2025-02-30', '1763712000', '2025-11-21T25:00:00Z', '2025-11-21T08:00:00+25:00']],
    ['created_before', ['', 'x', '2025-13-01', '20251121']],
    ['metadata.', ['x']],
    ['metadata.a b', ['x']],
    ['metadata.{key}', ['x']],
    [`metadata.${'k'.repeat(65)}`, ['x']],
    ['metadata.region', ['x'.repeat(257), 'a\u0000b']],
    ['colour', ['red']],
    ['metadata', ['x']],
    ['Source', ['shop']],
    ['constructor', ['x']],
  ])('refuses a wrong %s', async (name, values) => {
    for (const value of values) expectRefused(await app.request(`${path}?${query({ [name]: value })}`), 422, name)
  })

  it('refuses a repeated parameter', async () => {
    expectRefused(await app.request(`${path}?source=a&source=a`), 422, 'source')
    expectRefused(await app.request(`${path}?metadata.a=1&limit=2&metadata.a=2`), 422, 'metadata.a')
    expectRefused(await app.request(`${path}?cursor=a&cursor=b`), 422, 'cursor')
  })

  it('refuses more metadata keys than an event can have', async () => {
    const many = Object.fromEntries(Array.from({ length: 1200 }, (_, index) => [`metadata.k${index}`, 'v']))
    expectRefused(await app.request(`${path}?${query(many)}`, { key }), 422, 'metadata.{key}')
  })
})

describe('the parameters of the list of all', () => {
  it.each([
    ['status', ['', 'done', 'Pending', 'pending,acknowledged']],
    ['order', ['', 'up', 'DESC']],
  ])('refuse a wrong %s', async (name, values) => {
    for (const value of values) expectRefused(await app.request(`/v1/events?${query({ [name]: value })}`), 422, name)
  })

  it('are not all known to the inbox', async () => {
    expectRefused(await app.request('/v1/inbox?status=pending'), 422, 'status')
    expectRefused(await app.request('/v1/inbox?order=asc'), 422, 'order')
  })
})

describe('created_after and created_before', () => {
  it('include their own instant, to the microsecond', async () => {
    const times = events.slice(10, 13).map(({ created_at }) => created_at)
    const between = (after: string, before: string) =>
      idsOn(app, key, `/v1/events?order=asc&${query({ created_after: after, created_before: before })}`)
    expect(await between(times[0] ?? '', times[2] ?? '')).toEqual(events.slice(10, 13).map(({ event_id }) => event_id))
    expect(await between(times[1] ?? '', times[1] ?? '')).toEqual([events[11]?.event_id])
    expect(await between(times[2] ?? '', times[0] ?? '')).toEqual([])
  })

  it('take offsets, no offset as UTC, and a bare date as its midnight', async () => {
    const app = await testApp()
    const key = app.key()
    const [morning] = await createEvents(app, key, 1)
    app.clock.advance({ hours: 16 })
    const [midnight] = await createEvents(app, key, 1)
    expect([morning?.created_at, midnight?.created_at]).toEqual(['2025-11-21T08:00:00.000000Z', '2025-11-22T00:00:00.000000Z'])
    const both = [morning?.event_id, midnight?.event_id]
    for (const path of ['/v1/inbox?', '/v1/events?order=asc&']) {
      const list = (name: string, value: string) => idsOn(app, key, path + query({ [name]: value }))
      for (const instant of [
        '2025-11-21T08:00:00',
        '2025-11-21T08:00',
        '2025-11-21T09:00:00+01:00',
        '2025-11-21T03:00:00.000000-05:00',
        '2025-11-21 08:00:00Z',
      ]) {
        expect(await list('created_after', instant), instant).toEqual(both)
        expect(await list('created_before', instant), instant).toEqual([both[0]])
      }
      expect(await list('created_after', '2025-11-21T08:00:00.000001')).toEqual([both[1]])
      expect(await list('created_before', '2025-11-21T07:59:59.999999')).toEqual([])
      expect(await list('created_after', '2025-11-21')).toEqual(both)
      expect(await list('created_before', '2025-11-21')).toEqual([])
      expect(await list('created_after', '2025-11-22')).toEqual([both[1]])
      expect(await list('created_before', '2025-11-22')).toEqual(both)
      expect(await list('created_after', '2025-11-23')).toEqual([])
      expect(await list('created_after', '0001-01-01T00:00:00Z')).toEqual(both)
      expect(await list('created_before', '0001-01-01T00:00:00Z')).toEqual([])
      expect(await list('created_before', '9999-12-31T23:59:59.999999Z')).toEqual(both)
      expect(await list('created_after', '9999-12-31T23:59:59.999999Z')).toEqual([])
    }
  })
})
