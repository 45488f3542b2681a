import { describe, expect, it } from 'vitest'
import type { PayloadCondition } from '../webhook-ports.ts'
import { filterProblems } from './webhook-filter.ts'

describe('filterProblems', () => {
  it('has none with a filter that can match', () => {
    expect(
      filterProblems({
        source: ['shop'],
        priority: ['low'],
        metadata: JSON.parse('{"__proto__":"x","n":1.5}'),
        payload: [
          { path: '$.a', op: 'equals', value: Number.MAX_SAFE_INTEGER },
          { path: '$.a', op: 'in', value: [1, 'x', null, true] },
          { path: "$['__proto__']", op: 'exists' },
          { path: '$[0]', op: 'prefix', value: '' },
          { path: '$.a', op: 'range', value: { gte: 1, lte: 1 } },
          { path: '$.a', op: 'range', value: { gt: 'a', lt: 'b' } },
          { path: '$.a', op: 'range', value: { gt: 1, gte: 0, lt: 2, lte: 3 } },
        ],
      }),
    ).toEqual([])
  })

  it.each<[PayloadCondition, 'path' | 'value', string]>([
    [{ path: '$.a[*]', op: 'exists' }, 'path', 'must not have wildcards'],
    [{ path: '$.a', op: 'equals', value: 2 ** 53 }, 'value', 'has an integer beyond'],
    [{ path: '$.a', op: 'in', value: ['x', -(2 ** 60)] }, 'value', 'has an integer beyond'],
    [{ path: '$.a', op: 'equals', value: Number.POSITIVE_INFINITY }, 'value', 'is beyond the range'],
    [{ path: '$.a', op: 'range', value: {} }, 'value', 'must have at least one'],
    [{ path: '$.a', op: 'range', value: { gt: undefined } }, 'value', 'must have at least one'],
    [{ path: '$.a', op: 'range', value: { gt: 1, lt: '2' } }, 'value', 'must have bounds of one kind'],
    [{ path: '$.a', op: 'range', value: { gte: 2 ** 53 } }, 'value', 'has an integer beyond'],
    [{ path: '$.a', op: 'range', value: { gt: 1, lt: 1 } }, 'value', 'must have an upper bound'],
    [{ path: '$.a', op: 'range', value: { gt: 1, lte: 1 } }, 'value', 'must have an upper bound'],
    [{ path: '$.a', op: 'range', value: { gte: 'b', lte: 'a' } }, 'value', 'must have an upper bound'],
  ])('%j', (condition, field, message) => {
    expect(filterProblems({ payload: [{ path: '$.a', op: 'exists' }, condition] })).toEqual([
      { path: ['payload', 1, field], message: expect.stringContaining(message) },
    ])
  })

  it('names metadata that no event can have, and filters that are too large', () => {
    expect(filterProblems({ metadata: { n: 2 ** 53 } })).toEqual([
      { path: ['metadata', 'n'], message: expect.stringContaining('has an integer') },
    ])
    const value = Array.from({ length: 17 }, () => 'é'.repeat(500))
    expect(filterProblems({ payload: [{ path: '$.a', op: 'in', value }] })).toEqual([
      { path: [], message: 'must have at most 16384 bytes as JSON' },
    ])
  })
})
