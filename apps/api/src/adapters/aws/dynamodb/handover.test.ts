import { expect, it } from 'vitest'
import { Handover } from './handover.ts'

it('gives each away once, and forgets the eldest of too many', () => {
  const handover = new Handover<number>(2)
  for (const [key, value] of [
    ['a', 1],
    ['b', 2],
    ['c', 3],
  ] as const)
    handover.keep(key, value)
  expect(['a', 'b', 'c', 'c'].map((key) => handover.take(key))).toEqual([undefined, 2, 3, undefined])
})
