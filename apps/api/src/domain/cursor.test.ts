import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type CursorBinding, decodeCursor, encodeCursor } from './cursor.ts'

const key = new Uint8Array(32).fill(1)

const binding: fc.Arbitrary<CursorBinding> = fc.record({
  call: fc.constantFrom('inbox', 'events'),
  workspaceId: fc.string(),
  order: fc.constantFrom('asc' as const, 'desc' as const),
  filter: fc.dictionary(fc.string(), fc.oneof(fc.string(), fc.integer(), fc.dictionary(fc.string(), fc.string())), {
    noNullPrototype: false,
  }),
})
const position = fc.string({ minLength: 1, unit: 'grapheme' })

const BINDING: CursorBinding = {
  call: 'inbox',
  workspaceId: 'acme',
  order: 'asc',
  filter: { source: 'shop', metadata: { a: '1', b: '2' } },
}

describe('a cursor', () => {
  it('leads back to its position', () => {
    fc.assert(fc.property(binding, position, (bound, at) => void expect(decodeCursor(key, bound, encodeCursor(key, bound, at))).toBe(at)))
  })

  it('is base64url without padding', () => {
    fc.assert(fc.property(binding, position, (bound, at) => void expect(encodeCursor(key, bound, at)).toMatch(/^[A-Za-z0-9_-]+$/)))
  })

  it('is refused when any character of it is changed, dropped or added', () => {
    const cursor = encodeCursor(key, BINDING, '1763712000000000')
    for (let at = 0; at < cursor.length; at++) {
      const other = cursor[at] === 'A' ? 'B' : 'A'
      expect(decodeCursor(key, BINDING, cursor.slice(0, at) + other + cursor.slice(at + 1))).toBeUndefined()
      expect(decodeCursor(key, BINDING, cursor.slice(0, at) + cursor.slice(at + 1))).toBeUndefined()
      expect(decodeCursor(key, BINDING, `${cursor.slice(0, at)}A${cursor.slice(at)}`)).toBeUndefined()
    }
  })

  it.each([
    ['another call', { call: 'events' }],
    ['another workspace', { workspaceId: 'other' }],
    ['another order', { order: 'desc' }],
    ['a filter more', { filter: { ...BINDING.filter, priority: 'high' } }],
    ['a filter less', { filter: { source: 'shop' } }],
    ['a filter of another value', { filter: { ...BINDING.filter, source: 'Shop' } }],
    ['another metadata filter', { filter: { source: 'shop', metadata: { a: '1', b: '3' } } }],
    ['values swapped', { filter: { source: 'shop', metadata: { a: '2', b: '1' } } }],
    ['a value of another type', { filter: { ...BINDING.filter, source: ['shop'] } }],
  ] satisfies [string, Partial<CursorBinding>][])('is refused with %s', (_, change) => {
    const cursor = encodeCursor(key, BINDING, '7')
    expect(decodeCursor(key, { ...BINDING, ...change }, cursor)).toBeUndefined()
  })

  it('is refused under another key', () => {
    expect(decodeCursor(new Uint8Array(32).fill(2), BINDING, encodeCursor(key, BINDING, '7'))).toBeUndefined()
  })

  it('is the same whatever order the filters stand in, and absent ones do not count', () => {
    const cursor = encodeCursor(key, BINDING, '7')
    expect(decodeCursor(key, { ...BINDING, filter: { metadata: { b: '2', a: '1' }, priority: undefined, source: 'shop' } }, cursor)).toBe(
      '7',
    )
  })

  it('is refused when it is anything else', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string(), fc.base64String(), fc.string({ unit: 'binary' })),
        (text) => void expect(decodeCursor(key, BINDING, text)).toBeUndefined(),
      ),
    )
  })

  it('is refused with padding or in plain base64', () => {
    const positions = Array.from({ length: 50 }, (_, index) => encodeCursor(key, BINDING, `1${index}`))
    for (const cursor of positions) {
      expect(decodeCursor(key, BINDING, `${cursor}=`)).toBeUndefined()
      const plainBase64 = cursor.replaceAll('-', '+').replaceAll('_', '/')
      if (plainBase64 !== cursor) expect(decodeCursor(key, BINDING, plainBase64)).toBeUndefined()
    }
  })
})
