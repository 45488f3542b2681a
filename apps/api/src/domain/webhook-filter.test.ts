import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { eventRecord } from '../testing/webhook-records.ts'
import type { PayloadCondition, PayloadRange, WebhookFilter } from '../webhook-ports.ts'
import { filterMismatch } from './webhook-filter.ts'

const PAYLOAD = `{
  "user": {"id": 42, "name": "Ada", "vip": true, "boss": null, "tags": ["a", "b"]},
  "items": [{"sku": "x-1", "price": 19.90}, {"sku": "y-2", "price": 9007199254740993}],
  "when": "2025-11-21", "a b": 1.0, "__proto__": {"constructor": "own"}, "huge": 1e400, "tiny": 1e-400
}`
const event = eventRecord({
  source: 'shop',
  payload: PAYLOAD,
  metadata: '{"priority":"high","correlation_id":"c-1","region":"eu","tries":5,"vip":true,"zip":"05","__proto__":"own"}',
})

const matches = (filter: WebhookFilter, one = event) => filterMismatch(filter, one) === undefined
const holds = (condition: PayloadCondition, one = event) => matches({ payload: [condition] }, one)

describe('a filter', () => {
  it('of nothing matches', () => {
    expect(matches({})).toBe(true)
    expect(matches({ metadata: {}, payload: [] })).toBe(true)
  })

  it('wants one of its sources and one of its priorities', () => {
    expect(matches({ source: ['other', 'shop'], priority: ['low', 'high'] })).toBe(true)
    expect(filterMismatch({ source: ['Shop', 'shop.'] }, event)).toBe('source is shop, the filter wants Shop or shop.')
    expect(filterMismatch({ priority: ['low'] }, event)).toBe('priority is high, the filter wants low')
  })

  it('wants all of its parts', () => {
    const parts: WebhookFilter = {
      source: ['shop'],
      priority: ['high'],
      metadata: { region: 'eu', tries: 5 },
      payload: [
        { path: '$.user.id', op: 'equals', value: 42 },
        { path: '$.when', op: 'prefix', value: '2025-' },
      ],
    }
    expect(matches(parts)).toBe(true)
    for (const wrong of [
      { source: ['x'] },
      { priority: ['low' as const] },
      { metadata: { region: 'eu', tries: 6 } },
      { payload: [...(parts.payload ?? []), { path: '$.user.id', op: 'equals' as const, value: 43 }] },
    ])
      expect([wrong, matches({ ...parts, ...wrong })]).toEqual([wrong, false])
  })

  it('compares metadata as text, as the filters of lists do', () => {
    for (const metadata of [
      { region: 'eu' },
      { tries: 5 },
      { tries: '5' },
      { vip: true },
      { vip: 'true' },
      { correlation_id: 'c-1' },
      { priority: 'high' },
    ])
      expect([metadata, matches({ metadata })]).toEqual([metadata, true])
    expect(matches({ metadata: JSON.parse('{"__proto__":"own"}') })).toBe(true)
    const others: Record<string, string | number>[] = [
      { region: 'EU' },
      { tries: '5.0' },
      { zip: 5 },
      { vip: 'True' },
      { other: 'x' },
      { constructor: String(Object) },
      { toString: String(Object.prototype.toString) },
    ]
    for (const metadata of others) expect([metadata, matches({ metadata })]).toEqual([metadata, false])
  })
})

describe('equals', () => {
  it.each([
    ['$.user.id', 42],
    ['$.user.name', 'Ada'],
    ['$.user.vip', true],
    ['$.user.boss', null],
    ['$.user.tags[1]', 'b'],
    ['$.items[0].price', 19.9],
    ["$['a b']", 1],
    ['$.__proto__.constructor', 'own'],
  ])('%s is %j', (path, value) => {
    expect(holds({ path, op: 'equals', value })).toBe(true)
    expect(holds({ path, op: 'in', value: ['other', value] })).toBe(true)
  })

  it.each([
    ['$.user.id', '42'],
    ['$.user.id', true],
    ['$.user.name', 'ada'],
    ['$.user.vip', 'true'],
    ['$.user.vip', 1],
    ['$.user.boss', false],
    ['$.user.boss', 'null'],
    ['$.user.boss', 0],
    ['$.user.tags', 'a,b'],
    ['$.user', '[object Object]'],
    ['$.missing', null],
    ['$.user.tags[2]', null],
    ['$.user.tags.length', 2],
    ['$.constructor.name', 'Object'],
    ['$.items[1].price', 9007199254740992],
    ['$.huge', Number.MAX_VALUE],
    ['$.tiny', 0],
  ])('%s is not %j', (path, value) => {
    expect(holds({ path, op: 'equals', value })).toBe(false)
    expect(holds({ path, op: 'in', value: [value, 'other'] })).toBe(false)
  })

  it('is exact for every number, however it is spelt', () => {
    const number = fc.double({ noNaN: true, noDefaultInfinity: true })
    fc.assert(
      fc.property(number, number, (a, b) => {
        const [one, exponent = '0'] = JSON.stringify(a).split('e')
        for (const text of [JSON.stringify(a), `${one}${one?.includes('.') ? '' : '.0'}00E${exponent}`]) {
          const spelt = eventRecord({ payload: `{"n":${text}}` })
          expect(holds({ path: '$.n', op: 'equals', value: a }, spelt)).toBe(true)
          expect(holds({ path: '$.n', op: 'equals', value: b }, spelt)).toBe(a === b)
        }
        const [digits = '', power = '0'] = JSON.stringify(a).split('e')
        const near = eventRecord({ payload: `{"n":${digits}${digits.includes('.') ? '' : '.'}00000000000000000001e${power}}` })
        expect(holds({ path: '$.n', op: 'equals', value: a }, near)).toBe(false)
      }),
    )
  })
})

describe('exists', () => {
  it.each([
    ['$.user', true],
    ['$.user.boss', true],
    ['$.user.tags[0]', true],
    ['$.missing', false],
    ['$.user.name.length', false],
    ['$.user.tags[2]', false],
    ['$.toString', false],
    ['$.hasOwnProperty', false],
  ])('%s: %j', (path, there) => {
    expect(holds({ path, op: 'exists' })).toBe(there)
    expect(holds({ path, op: 'exists', value: true })).toBe(there)
    expect(holds({ path, op: 'exists', value: false })).toBe(!there)
  })
})

describe('prefix', () => {
  it('is for strings alone', () => {
    expect(holds({ path: '$.items[0].sku', op: 'prefix', value: 'x-' })).toBe(true)
    expect(holds({ path: '$.items[0].sku', op: 'prefix', value: '' })).toBe(true)
    expect(holds({ path: '$.items[0].sku', op: 'prefix', value: 'X' })).toBe(false)
    expect(holds({ path: '$.user.id', op: 'prefix', value: '4' })).toBe(false)
    expect(holds({ path: '$.user.tags', op: 'prefix', value: 'a' })).toBe(false)
    expect(holds({ path: '$.user.boss', op: 'prefix', value: '' })).toBe(false)
  })
})

describe('range', () => {
  const ranges: [path: string, range: PayloadRange, within: boolean][] = [
    ['$.user.id', { gt: 41, lt: 43 }, true],
    ['$.user.id', { gte: 42, lte: 42 }, true],
    ['$.user.id', { gt: 42 }, false],
    ['$.user.id', { lt: 42 }, false],
    ['$.user.id', { gt: '0' }, false],
    ['$.user.id', { gte: 40, lte: '99' }, false],
    ['$.items[0].price', { gte: 19.9, lt: 19.91 }, true],
    ['$.items[1].price', { gt: 9007199254740992 }, true],
    ['$.items[1].price', { lte: 9007199254740992 }, false],
    ['$.huge', { gt: Number.MAX_VALUE }, true],
    ['$.when', { gte: '2025-11-01', lt: '2025-12-01' }, true],
    ['$.when', { lt: '2025-11-21' }, false],
    ['$.when', { gte: '2025-11-2' }, true],
    ['$.when', { gt: 0 }, false],
    ['$.user.vip', { gte: 0 }, false],
    ['$.user.boss', { gte: 0, lte: 0 }, false],
    ['$.user.tags', { gte: '' }, false],
    ['$.missing', { gte: 0 }, false],
  ]
  it.each(ranges)('%s in %j: %j', (path, value, within) => {
    expect(holds({ path, op: 'range', value })).toBe(within)
  })

  it('has strings in the order of their code points', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b', '\ud7ff', '\ue000', '\uffff', '😀', '\u{10ffff}') })
    const points = (one: string) => [...one].map((character) => String(character.codePointAt(0)).padStart(7, '0')).join()
    fc.assert(
      fc.property(text, text, (a, b) => {
        const one = eventRecord({ payload: JSON.stringify({ a }) })
        expect(holds({ path: '$.a', op: 'range', value: { lt: b } }, one)).toBe(points(a) < points(b))
        expect(holds({ path: '$.a', op: 'range', value: { gte: b } }, one)).toBe(points(a) >= points(b))
      }),
    )
  })
})

describe('what does not match', () => {
  it.each<[PayloadCondition, string]>([
    [{ path: '$.user.id', op: 'equals', value: 43 }, 'payload $.user.id has another value than the filter wants'],
    [{ path: '$.nothing.there', op: 'equals', value: 43 }, 'payload $.nothing.there is missing'],
    [{ path: '$.user.name', op: 'in', value: ['Grace'] }, 'payload $.user.name has none of the values that the filter wants'],
    [{ path: '$.user.name', op: 'prefix', value: 'G' }, 'payload $.user.name does not begin as the filter wants'],
    [{ path: '$.user.id', op: 'range', value: { gt: 42 } }, 'payload $.user.id is not in the range that the filter wants'],
    [{ path: '$.user', op: 'exists', value: false }, 'payload $.user is there, the filter wants it absent'],
    [{ path: '$.none', op: 'exists' }, 'payload $.none is missing'],
    [{ path: '$..id', op: 'exists', value: false }, 'payload $..id is not a path'],
  ])('%j', (condition, detail) => {
    expect(filterMismatch({ payload: [condition] }, event)).toBe(detail)
  })

  it('is told in few words, and without what the payload and the metadata hold', () => {
    const secret = eventRecord({ payload: '{"password":"hunter2"}', metadata: '{"priority":"low","token":"hunter2"}' })
    const path = `$.password${'.x'.repeat(2000)}`
    const sources = Array.from({ length: 20 }, (_, index) => `${index}${'x'.repeat(98)}`)
    const filters: WebhookFilter[] = [
      { metadata: { token: 'guess' } },
      { payload: [{ path: '$.password', op: 'equals', value: 'guess' }] },
      { payload: [{ path: '$.password', op: 'range', value: { lt: 'guess' } }] },
      { payload: [{ path, op: 'exists' }] },
      { source: sources },
    ]
    for (const filter of filters) {
      const detail = filterMismatch(filter, secret) ?? ''
      expect(detail).toMatch(/^(source|metadata|payload)/)
      expect(detail).not.toMatch(/hunter2|guess/)
      expect(detail.length).toBeLessThan(500)
    }
  })
})
