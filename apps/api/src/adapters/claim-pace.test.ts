import fc from 'fast-check'
import { expect, it } from 'vitest'
import { placeAfter, placesOf } from './claim-pace.ts'

const START_US = 1_763_712_000_000_000
const SECOND_US = 1_000_000
const LATEST_US = 40_000

const perSecond = fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 10_000 }))

/** Asks after each of the waits, and takes all places, or as many as it may. */
function run(rate: number, waits: readonly number[], mostAtOnce = Number.POSITIVE_INFINITY): { times: number[]; endUs: number } {
  const times: number[] = []
  let nowUs = START_US
  let nextUs: number | undefined
  for (const wait of waits) {
    const places = placesOf(nextUs, rate, nowUs)
    const taken = Math.min(places.count, mostAtOnce)
    if (taken > 0) nextUs = placeAfter(places, taken)
    for (let n = 0; n < taken; n++) times.push(nowUs)
    nowUs += wait
  }
  return { times, endUs: nowUs }
}

it('gives no more than the rate in any second, whoever asks whenever', () => {
  const wait = fc.oneof(fc.integer({ min: 0, max: 3 * LATEST_US }), fc.integer({ min: 0, max: 3 * SECOND_US }))
  fc.assert(
    fc.property(perSecond, fc.array(wait, { maxLength: 200 }), fc.integer({ min: 1, max: 50 }), (rate, waits, mostAtOnce) => {
      const { times } = run(rate, waits, mostAtOnce)
      // As many as the rate, and one more, lie a second apart or more.
      for (let n = rate; n < times.length; n++) expect((times[n] ?? 0) - (times[n - rate] ?? 0)).toBeGreaterThanOrEqual(SECOND_US)
    }),
  )
})

it('gives 95 % of the rate or more to who always asks', () => {
  const waits = fc.array(fc.integer({ min: 1000, max: LATEST_US }), { minLength: 200, maxLength: 400 })
  fc.assert(
    fc.property(perSecond, waits, (rate, all) => {
      const { times, endUs } = run(rate, all)
      expect(times.length).toBeGreaterThanOrEqual(Math.floor((0.95 * rate * (endUs - LATEST_US - START_US)) / SECOND_US))
    }),
  )
})

it('tells when the next place comes: there is one then, and none before', () => {
  fc.assert(
    fc.property(perSecond, fc.integer({ min: -LATEST_US, max: SECOND_US }), (rate, ahead) => {
      const first = placesOf(START_US + ahead, rate, START_US)
      const nextUs = placeAfter(first, first.count)
      expect(nextUs).toBeGreaterThan(START_US)
      expect(placesOf(nextUs, rate, nextUs - 1).count).toBe(0)
      expect(placesOf(nextUs, rate, nextUs).count).toBe(1)
    }),
  )
})

it('begins anew when the clock has gone back', () => {
  const nextUs = placeAfter(placesOf(undefined, 1, START_US), 1)
  expect(placesOf(nextUs, 1, START_US - 1)).toEqual({ firstUs: START_US - 1, spacingUs: 1_040_000, count: 1 })
  expect(placesOf(nextUs, 1, START_US).count).toBe(0)
})
