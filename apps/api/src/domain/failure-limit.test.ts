import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { FakeClock } from '../testing/fake-clock.ts'
import { createFailureLimit, type FailureLimit } from './failure-limit.ts'

/** How many of the failures are within the limit. */
function failTimes(limit: FailureLimit, address: string, times: number): number {
  return Array.from({ length: times }, () => limit.fail(address)).filter((refusal) => refusal === undefined).length
}

describe('the limit of failures', () => {
  it('lets a hundred a minute pass from one address, and says of further ones when the minute is over', () => {
    const clock = new FakeClock()
    const limit = createFailureLimit(clock)
    const endUs = clock.nowUs() + 60e6
    expect(failTimes(limit, '192.0.2.1', 100)).toBe(100)
    clock.advance({ seconds: 20 })
    expect(limit.fail('192.0.2.1')).toEqual({ retryAtUs: endUs })
    clock.advance({ us: 40e6 - 1 })
    expect(limit.fail('192.0.2.1'), 'trying on does not prolong it').toEqual({ retryAtUs: endUs })
    clock.advance({ us: 1 })
    expect(failTimes(limit, '192.0.2.1', 150)).toBe(100)
  })

  it.each([
    ['an IPv4 address', '192.0.2.1', '192.0.2.1', '192.0.2.2'],
    ['a mapped IPv4 address', '192.0.2.1', '::ffff:192.0.2.1', '::ffff:192.0.2.2'],
    ['an IPv6 /64', '2001:db8:1:2::1', '2001:DB8:1:2:ffff::', '2001:db8:1:3::1'],
    ['what is no address', 'unknown', 'unknown', '192.0.2.1'],
  ])('counts for %s', (_, address, same, other) => {
    const limit = createFailureLimit(new FakeClock())
    expect(failTimes(limit, address, 100)).toBe(100)
    expect(limit.fail(same)).toBeDefined()
    expect(limit.fail(other)).toBeUndefined()
  })

  it('forgives nothing when the clock steps back, and makes nobody wait for more than a minute', () => {
    const clock = new FakeClock()
    const limit = createFailureLimit(clock)
    failTimes(limit, '192.0.2.1', 100)
    clock.advance({ hours: -1 })
    const retryAtUs = clock.nowUs() + 60e6
    expect(limit.fail('192.0.2.1')).toEqual({ retryAtUs })
    clock.advance({ seconds: 30 })
    expect(limit.fail('192.0.2.1')).toEqual({ retryAtUs })
    clock.advance({ seconds: 30 })
    expect(limit.fail('192.0.2.1')).toBeUndefined()
  })

  it('forgets the network that has not failed for the longest time when there are too many', () => {
    const limit = createFailureLimit(new FakeClock(), { perMinute: 2, maxNetworks: 3 })
    for (const address of ['192.0.2.1', '192.0.2.2', '192.0.2.3']) failTimes(limit, address, 2)
    expect(limit.fail('192.0.2.1')).toBeDefined()
    expect(limit.fail('192.0.2.4')).toBeUndefined()
    expect(limit.fail('192.0.2.1'), 'it failed again since').toBeDefined()
    expect(limit.fail('192.0.2.3')).toBeDefined()
    expect(limit.fail('192.0.2.2'), 'forgotten').toBeUndefined()
  })

  it('keeps ten thousand networks, and forgets a hundredth of them beyond', () => {
    const limit = createFailureLimit(new FakeClock(), { perMinute: 1 })
    const addressOf = (index: number): string => `10.0.${index >> 8}.${index & 255}`
    for (let index = 0; index < 10_000; index++) limit.fail(addressOf(index))
    expect(limit.fail(addressOf(0))).toBeDefined()
    limit.fail(addressOf(10_000))
    expect(limit.fail(addressOf(0)), 'failed again since').toBeDefined()
    expect(limit.fail(addressOf(101)), 'kept').toBeDefined()
    expect(limit.fail(addressOf(100)), 'forgotten').toBeUndefined()
  })

  it('never lets more than the limit pass in a minute that it counts, however the failures come', () => {
    const failure = fc.record({ host: fc.nat(3), us: fc.integer({ min: 0, max: 20e6 }) })
    fc.assert(
      fc.property(fc.array(failure, { maxLength: 200 }), fc.integer({ min: 1, max: 5 }), (failures, perMinute) => {
        const clock = new FakeClock()
        const limit = createFailureLimit(clock, { perMinute })
        const minutes = new Map<number, { endUs: number; passed: number }>()
        for (const { host, us } of failures) {
          clock.advance({ us })
          const nowUs = clock.nowUs()
          const known = minutes.get(host)
          const minute = known !== undefined && nowUs < known.endUs ? known : { endUs: nowUs + 60e6, passed: 0 }
          minutes.set(host, minute)
          const refusal = limit.fail(`192.0.2.${host}`)
          if (refusal === undefined) minute.passed++
          else expect(refusal).toEqual({ retryAtUs: minute.endUs })
          expect(minute.passed).toBeLessThanOrEqual(perMinute)
          expect(refusal === undefined || minute.passed === perMinute, 'refused no sooner').toBe(true)
        }
      }),
    )
  })
})
