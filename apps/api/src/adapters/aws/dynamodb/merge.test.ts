import { expect, it } from 'vitest'
import { firstPageSize, merge, querySource, type Source } from './merge.ts'

interface Place {
  n: number
}

const byNumber = (a: Place, b: Place): number => a.n - b.n

/** A source of pages, and how often it was read from. */
function source(...pages: number[][]): Source<Place> & { reads: () => number } {
  let reads = 0
  const read: Source<Place> = async () => pages[reads++]?.map((n) => ({ n }))
  return Object.assign(read, { reads: () => reads })
}

const numbers = (places: readonly Place[]): number[] => places.map(({ n }) => n)

it('gives the values of all sources in one order, as many as asked for, and then the rest', async () => {
  const merged = merge([source([1, 4], [9]), source([2, 3, 5]), source(), source([0], [], [7, 8])], byNumber)
  expect(numbers(await merged.take(4))).toEqual([0, 1, 2, 3])
  expect(numbers(await merged.take(0))).toEqual([])
  expect(numbers(await merged.take(100))).toEqual([4, 5, 7, 8, 9])
  expect(numbers(await merged.take(1))).toEqual([])
})

it('gives nothing without sources', async () => {
  expect(await merge([], byNumber).take(3)).toEqual([])
})

it('reads no further than it must', async () => {
  const [low, high] = [source([1, 2], [3, 4], [5]), source([10, 11], [12])]
  const merged = merge([low, high], byNumber)
  await merged.take(2)
  expect([low.reads(), high.reads()]).toEqual([1, 1])
  await merged.take(1)
  expect([low.reads(), high.reads()]).toEqual([2, 1])
})

it('reads from all sources that are used up at once, but from no more than 64', async () => {
  let [underWay, most] = [0, 0]
  const slow = (n: number): Source<Place> => {
    let isRead = false
    return async () => {
      if (isRead) return undefined
      isRead = true
      most = Math.max(most, ++underWay)
      await new Promise((resolve) => setImmediate(resolve))
      underWay--
      return [{ n }]
    }
  }
  const merged = merge(
    Array.from({ length: 100 }, (_, n) => slow(n)),
    byNumber,
  )
  expect(numbers(await merged.take(100))).toEqual(Array.from({ length: 100 }, (_, n) => n))
  expect(most).toBe(64)
})

it('fails when a source fails', async () => {
  const failing: Source<Place> = () => Promise.reject(new Error('no answer'))
  await expect(merge([source([1]), failing], byNumber).take(1)).rejects.toThrow('no answer')
})

it('follows the pages of a query to its end, each larger than the one before', async () => {
  const limits: unknown[] = []
  const pages = [
    { items: [{ pk: 'p', sk: '1' }], next: { sk: '1' } },
    { items: [], next: { sk: '2' } },
    { items: [], next: undefined },
  ]
  const query = async ({ limit, from }: { limit?: number; from?: unknown }) => {
    limits.push([limit, from])
    return pages[limits.length - 1] ?? { items: [], next: undefined }
  }
  const read = querySource({ query }, { table: 'events', where: 'pk = :pk' }, 30)
  expect([await read(), await read(), await read(), await read(), await read()]).toEqual([
    [{ pk: 'p', sk: '1' }],
    [],
    [],
    undefined,
    undefined,
  ])
  expect(limits).toEqual([
    [30, undefined],
    [60, { sk: '1' }],
    [120, { sk: '2' }],
  ])
})

it('reads from each source first about its part of a page, and never more than the page', () => {
  expect(firstPageSize(51, 1)).toBe(51)
  expect(firstPageSize(51, 4)).toBe(28)
  expect(firstPageSize(2, 4)).toBe(2)
  expect(firstPageSize(1001, 400)).toBe(12)
})
