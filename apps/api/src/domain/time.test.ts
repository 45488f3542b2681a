import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatTime, parseTime } from './time.ts'

const NOON = Date.UTC(2025, 10, 21, 12) * 1000

describe('formatTime', () => {
  it.each([
    [0, '1970-01-01T00:00:00.000000Z'],
    [1, '1970-01-01T00:00:00.000001Z'],
    [NOON + 123_456, '2025-11-21T12:00:00.123456Z'],
    [NOON + 999_999, '2025-11-21T12:00:00.999999Z'],
  ])('writes %i as %s', (us, text) => {
    expect(formatTime(us)).toBe(text)
  })

  it('is read back as the same instant', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 7_000_000_000_000_000 }), (us) => {
        expect(formatTime(us)).toMatch(/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z$/)
        expect(parseTime(formatTime(us), 'up')).toBe(us)
        expect(parseTime(formatTime(us), 'down')).toBe(us)
      }),
    )
  })

  it('sorts as the instants do', () => {
    const instant = fc.integer({ min: 0, max: 7_000_000_000_000_000 })
    fc.assert(fc.property(instant, instant, (a, b) => void expect(formatTime(a) < formatTime(b)).toBe(a < b)))
  })
})

describe('parseTime', () => {
  it.each([
    ['2025-11-21', NOON - 12 * 3600e6],
    ['2025-11-21T12:00', NOON],
    ['2025-11-21T12:00:00', NOON],
    ['2025-11-21 12:00:00', NOON],
    ['2025-11-21T12:00:00Z', NOON],
    ['2025-11-21t12:00:00z', NOON],
    ['2025-11-21T12:00Z', NOON],
    ['2025-11-21T13:00:00+01:00', NOON],
    ['2025-11-21T13:30:00+0130', NOON],
    ['2025-11-21T07:00:00-05:00', NOON],
    ['2025-11-22T02:00:00+14:00', NOON],
    ['2025-11-21T12:00:00.5Z', NOON + 500_000],
    ['2025-11-21T12:00:00,000001', NOON + 1],
    ['2024-02-29', Date.UTC(2024, 1, 29) * 1000],
    ['1970-01-01', 0],
  ])('reads %s', (text, us) => {
    expect(parseTime(text, 'up')).toBe(us)
    expect(parseTime(text, 'down')).toBe(us)
  })

  it('rounds beyond the microsecond so that a bound stays inclusive', () => {
    expect(parseTime('2025-11-21T12:00:00.000001001Z', 'up')).toBe(NOON + 2)
    expect(parseTime('2025-11-21T12:00:00.000001999Z', 'down')).toBe(NOON + 1)
    expect(parseTime('2025-11-21T12:00:00.000001000Z', 'up')).toBe(NOON + 1)
  })

  it('takes a time before the epoch for the epoch', () => {
    expect(parseTime('0001-01-01T00:00:00Z', 'up')).toBe(0)
    expect(parseTime('1969-12-31', 'down')).toBe(0)
  })

  it.each([
    '',
    'now',
    '1763712000',
    '2025',
    '2025-11',
    '2025-11-21T',
    '2025-11-21T12',
    '2025-11-21T12:00:00+1',
    '2025-11-21T12:00:00 UTC',
    '21.11.2025',
    '11/21/2025',
    '2025-13-01',
    '2025-00-01',
    '2025-02-30',
    '2023-02-29',
    '2025-11-31',
    '2025-11-21T24:00:00Z',
    '2025-11-21T23:60:00Z',
    '2025-11-21T23:59:60Z',
    '2025-11-21T12:00:00+24:00',
    '2025-11-21T12:00:00.Z',
    '2025-11-21T12:00:00.1234567890Z',
    ' 2025-11-21',
    '2025-11-21\n',
    '+02025-11-21',
  ])('refuses %j', (text) => {
    expect(parseTime(text, 'up')).toBeUndefined()
  })
})
