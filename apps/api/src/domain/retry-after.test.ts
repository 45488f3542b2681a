import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readRetryAfter } from './retry-after.ts'

const NOW_MS = Date.UTC(2025, 10, 21, 8)
const NOW_US = NOW_MS * 1000
const read = (header: string) => readRetryAfter(header, NOW_US)

describe('seconds', () => {
  it.each([
    ['0', 0],
    ['120', 120e6],
    ['007', 7e6],
    [' 5 ', 5e6],
    ['9'.repeat(400), Number.POSITIVE_INFINITY],
  ])('%s', (header, us) => {
    expect(read(header)).toBe(us)
  })
})

describe('a date', () => {
  it.each([
    ['Fri, 21 Nov 2025 08:00:30 GMT', 30e6],
    ['Fri, 21 Nov 2025 08:00:00 GMT', 0],
    ['Sun, 06 Nov 1994 08:49:37 GMT', 0],
    ['Sunday, 06-Nov-94 08:49:37 GMT', 0],
    ['Sun Nov  6 08:49:37 1994', 0],
    ['Friday, 21-Nov-25 08:00:30 GMT', 30e6],
    ['Fri Nov 21 08:00:30 2025', 30e6],
    ['Monday, 01-Dec-25 00:00:00 GMT', (Date.UTC(2025, 11, 1) - NOW_MS) * 1000],
    ['Mon Dec  1 00:00:00 2025', (Date.UTC(2025, 11, 1) - NOW_MS) * 1000],
    ['Thursday, 21-Nov-75 00:00:00 GMT', (Date.UTC(2075, 10, 21) - NOW_MS) * 1000],
    ['Sunday, 21-Nov-76 00:00:00 GMT', 0],
  ])('%s', (header, us) => {
    expect(read(header)).toBe(us)
  })

  it('may be any second, in any of the three forms', () => {
    const seconds = fc.integer({ min: Date.UTC(1980, 0, 1) / 1000, max: Date.UTC(2060, 0, 1) / 1000 })
    fc.assert(
      fc.property(seconds, (second) => {
        const imf = new Date(second * 1000).toUTCString()
        const [day = '', date = '', month = '', year = '', time = ''] = imf.replace(',', '').split(' ')
        const long = { Mon: 'Monday', Tue: 'Tuesday', Wed: 'Wednesday', Thu: 'Thursday', Fri: 'Friday', Sat: 'Saturday', Sun: 'Sunday' }
        const fullDay = Object.entries(long).find(([short]) => short === day)?.[1]
        const us = Math.max(0, second * 1e6 - NOW_US)
        expect(read(imf)).toBe(us)
        expect(read(`${fullDay}, ${date}-${month}-${year.slice(2)} ${time} GMT`)).toBe(us)
        expect(read(`${day} ${month} ${date.replace(/^0/, ' ')} ${time} ${year}`)).toBe(us)
      }),
    )
  })
})

it.each([
  '',
  '-1',
  '+5',
  '1.5',
  '5s',
  '1e3',
  '٥',
  'soon',
  '2025-11-21T08:00:30Z',
  'Fri, 21 Nov 2025 08:00:30 UTC',
  'Fri, 21 Nov 2025 08:00:30',
  'Fri, 21 Nov 2025 08:00:30 +0000',
  'Thu, 21 Nov 2025 08:00:30 GMT',
  'Fri, 31 Feb 2025 08:00:30 GMT',
  'Fri, 21 Nov 2025 24:00:00 GMT',
  'Fri, 21 Nov 2025 08:00:61 GMT',
  'fri, 21 nov 2025 08:00:30 gmt',
  'Fri, 21 Nov 25 08:00:30 GMT',
  'Fri Nov 21 08:00:30 25',
  '120, 130',
])('says nothing as "%s"', (header) => {
  expect(read(header)).toBeUndefined()
})

it('never throws, and never waits less than nothing', () => {
  fc.assert(fc.property(fc.string({ unit: 'binary' }), (header) => (read(header) ?? 0) >= 0))
})
