import fc from 'fast-check'
import { expect, it } from 'vitest'
import { newUuid, randomTail } from './uuid.ts'
import { uuidTime } from './uuid-time.ts'

const NOW_US = Date.UTC(2025, 10, 21, 8) * 1000

it('is of version 7 and the variant of RFC 9562, with the milliseconds first', () => {
  const ids = Array.from({ length: 100 }, () => newUuid(NOW_US))
  for (const id of ids) {
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    expect(Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16)).toBe(NOW_US / 1000)
  }
  expect(new Set(ids).size).toBe(ids.length)
})

it('sorts by time, to the microsecond', () => {
  const time = fc.integer({ min: 0, max: 2 ** 53 - 2 })
  fc.assert(fc.property(time, fc.integer({ min: 1, max: 5000 }), (us, by) => newUuid(us) < newUuid(Math.min(us + by, 2 ** 53 - 1))))
})

it('has its time in it, and no other UUID has one', () => {
  fc.assert(fc.property(fc.integer({ min: 0, max: 7_258_118_400_000_000 }), (us) => uuidTime(newUuid(us)) === us))
  for (const other of ['3f2504e0-4f89-41d3-9a0c-0305e82c3301', '01932d5e-7c1a-7fff-9d0a-5f3e2b1c4d6e', 'shop', '']) {
    expect(uuidTime(other)).toBeUndefined()
  }
})

it('does not repeat a tail', () => {
  expect(new Set(Array.from({ length: 5000 }, randomTail)).size).toBe(5000)
})
