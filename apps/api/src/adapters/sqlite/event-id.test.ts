import fc from 'fast-check'
import { expect, it } from 'vitest'
import { randomTail } from '../../uuid.ts'
import { addressOf, eventIdOf } from './event-id.ts'

/** From 1970 to the year 2200. */
const seqs = fc.integer({ min: 0, max: 7_258_118_400_000_000 })

it('leads from every time to an id and back', () => {
  fc.assert(
    fc.property(seqs, (seq) => {
      const tail = randomTail()
      const id = eventIdOf(seq, tail)
      expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
      expect(addressOf(id)).toEqual({ seq, tail })
    }),
  )
})

it('gives ids that sort as their times do, a microsecond apart', () => {
  fc.assert(fc.property(seqs, (seq) => eventIdOf(seq, 'bfff-ffffffffffff') < eventIdOf(seq + 1, '8000-000000000000')))
})

it('knows the ids that it never gives', () => {
  expect(addressOf('3f2504e0-4f89-41d3-9a0c-0305e82c3301')).toBeUndefined()
  // 0xfff of 4096 is no whole microsecond.
  expect(addressOf('01932d5e-7c1a-7fff-9d0a-5f3e2b1c4d6e')).toBeUndefined()
})
