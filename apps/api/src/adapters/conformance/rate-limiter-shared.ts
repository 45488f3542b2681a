import fc from 'fast-check'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type RateLimit, type RateLimiter, StoreUnavailableError } from '../../ports.ts'
import type { FakeClock } from '../../testing/fake-clock.ts'
import { allowedOf, drain, newBucket } from './rate-limiter.ts'

export interface SharedRateLimiterHarness {
  /** Of all the limiters. */
  clock: FakeClock
  /** One for each process, on one shared source; at least three. */
  limiters: readonly RateLimiter[]
  /** How many tokens a process takes out of the source at once, under that limit. More than one under 600 a minute. */
  leaseSize(perMinute: number): number
  /** How often the source was asked, by all of them, so far. */
  sourceCalls(): number
  /** From now on the source cannot be reached. */
  breakSource(): void | Promise<void>
  mendSource(): void | Promise<void>
}

const LIMIT = 600

/**
 * The contract of limiters that share their buckets by leasing tokens: a process takes `leaseSize` tokens out of the shared
 * bucket at once and gives them out without asking again. What that costs is bounded: beyond the bucket itself, at most one lease
 * for each process.
 */
export function sharedRateLimiterConformance(name: string, open: () => Promise<SharedRateLimiterHarness>): void {
  describe(`${name} keeps the contract of shared limits`, () => {
    let harness: SharedRateLimiterHarness
    let one: RateLimiter
    let another: RateLimiter
    let size: number
    beforeAll(async () => {
      harness = await open()
      const [first, second] = harness.limiters
      if (first === undefined || second === undefined || harness.limiters.length < 3) throw new Error('Three limiters are needed.')
      one = first
      another = second
      size = harness.leaseSize(LIMIT)
      expect(size).toBeGreaterThan(1)
    })
    afterEach(() => harness.mendSource())

    /** Each process in its turn, until none is allowed anything. */
    async function drainAll(bucket: string, perMinute: number): Promise<number> {
      let taken = 0
      for (const limiter of harness.limiters) taken += await drain(limiter, bucket, perMinute)
      return taken
    }

    it.each([1, 7, 60, LIMIT])('of %i a minute, gives just as many to all processes together while the clock stands', async (limit) => {
      const bucket = newBucket()
      expect(await drainAll(bucket, limit)).toBe(limit)
      expect(await drainAll(bucket, limit)).toBe(0)
    })

    it('gives just as many to requests that come at once in all processes', async () => {
      const bucket = newBucket()
      const takes = Array.from({ length: LIMIT + 60 }, (_, index) => takeAt(harness.limiters, index, bucket))
      const allowed = allowedOf(await Promise.all(takes))
      // A process that was refused may find what another one still holds; nobody else can.
      const unused = await drainAll(bucket, LIMIT)
      expect(allowed + unused).toBe(LIMIT)
      expect(unused).toBeLessThanOrEqual(harness.limiters.length * (size - 1))
    })

    it('gives at most a lease for each process beyond the bucket, though all hold one while it fills', async () => {
      const { clock, limiters } = harness
      const bucket = newBucket()
      for (const limiter of limiters) expect(await limiter.take(bucket, LIMIT)).toMatchObject({ allowed: true })
      clock.advance({ seconds: 59 })
      const taken = await drainAll(bucket, LIMIT)
      expect(taken).toBeGreaterThanOrEqual(LIMIT)
      expect(taken).toBeLessThanOrEqual(LIMIT + limiters.length * size)
    })

    it('gives, in any stretch of time, what one bucket would and a lease for each process at most', async () => {
      const { clock, limiters } = harness
      const step = fc.record({
        process: fc.nat(limiters.length - 1),
        us: fc.oneof(fc.integer({ min: 0, max: 2e6 }), fc.integer({ min: 0, max: 59e6 })),
        times: fc.oneof(fc.integer({ min: 1, max: 3 * size }), fc.constant(LIMIT)),
      })
      await fc.assert(
        fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 12 }), async (steps) => {
          const bucket = newBucket()
          const given: { atUs: number; count: number }[] = []
          for (const { process, us, times } of steps) {
            clock.advance({ us })
            let count = 0
            for (let asked = 0; asked < times && (await takeAt(limiters, process, bucket)).allowed; asked++) count++
            given.push({ atUs: clock.nowUs(), count })
          }
          for (const [from, first] of given.entries()) {
            let sum = 0
            for (const { atUs, count } of given.slice(from)) {
              sum += count
              const ofBucket = LIMIT + (LIMIT * (atUs - first.atUs)) / 60e6
              expect(sum).toBeLessThanOrEqual(Math.floor(ofBucket) + limiters.length * size)
            }
          }
        }),
        { numRuns: 12 },
      )
    })

    it('loses nothing to leases: a process alone has its whole limit, minute after minute', async () => {
      const bucket = newBucket()
      await drain(one, bucket, LIMIT)
      let taken = 0
      for (let second = 0; second < 180; second++) {
        harness.clock.advance({ seconds: 1 })
        taken += await drain(one, bucket, LIMIT)
      }
      expect(taken).toBe(3 * LIMIT)
    })

    it('refuses none of a process that keeps within the limit, while others hold leases', async () => {
      const bucket = newBucket()
      let refused = 0
      for (let second = 0; second < 240; second++) {
        harness.clock.advance({ seconds: 1 })
        if (second % 10 === 0) await another.take(bucket, LIMIT)
        for (let count = 0; count < LIMIT / 60 - 1; count++) if (!(await one.take(bucket, LIMIT)).allowed) refused++
      }
      expect(refused).toBe(0)
    })

    it('asks the source once for each lease, and not for each request', async () => {
      const bucket = newBucket()
      const before = harness.sourceCalls()
      for (let count = 0; count < 20 * size; count++) expect(await one.take(bucket, LIMIT)).toMatchObject({ allowed: true })
      expect(harness.sourceCalls() - before).toBeLessThanOrEqual(21)
    })

    it('asks it once for requests that come while a lease is under way', async () => {
      const bucket = newBucket()
      const before = harness.sourceCalls()
      await Promise.all(Array.from({ length: size }, () => one.take(bucket, LIMIT)))
      expect(harness.sourceCalls() - before).toBe(1)
    })

    it('does not ask it for looks and refusals that it can answer itself', async () => {
      const bucket = newBucket()
      await drain(one, bucket, LIMIT)
      const before = harness.sourceCalls()
      for (let count = 0; count < 50; count++) {
        expect(await one.take(bucket, LIMIT)).toMatchObject({ allowed: false, retryAtUs: harness.clock.nowUs() + 60e6 / LIMIT })
        expect(await one.take(bucket, LIMIT, 0)).toMatchObject({ remaining: 0 })
      }
      expect(harness.sourceCalls()).toBe(before)
    })

    it('sees what others took as soon as it asks', async () => {
      const bucket = newBucket()
      await one.take(bucket, LIMIT)
      await drain(another, bucket, LIMIT)
      expect(await drain(one, bucket, LIMIT)).toBe(size - 1)
      expect(await one.take(bucket, LIMIT)).toMatchObject({ allowed: false, remaining: 0, retryAtUs: harness.clock.nowUs() + 60e6 / LIMIT })
    })

    it('gives out what is leased while the source is away, then rejects, and goes on when it is back', async () => {
      const bucket = newBucket()
      await one.take(bucket, LIMIT)
      await harness.breakSource()
      for (let count = 1; count < size; count++) expect(await one.take(bucket, LIMIT)).toMatchObject({ allowed: true })
      for (let count = 0; count < 3; count++) await expect(one.take(bucket, LIMIT)).rejects.toThrow(StoreUnavailableError)
      await harness.mendSource()
      expect(await drainAll(bucket, LIMIT)).toBe(LIMIT - size)
    })

    it('allows nothing that it knows nothing about while the source is away', async () => {
      const [bucket, empty] = [newBucket(), newBucket()]
      await drain(one, empty, LIMIT)
      await harness.breakSource()
      await expect(one.take(bucket, LIMIT)).rejects.toThrow(StoreUnavailableError)
      await expect(one.take(bucket, LIMIT, 0)).rejects.toThrow(StoreUnavailableError)
      const together = await Promise.allSettled(Array.from({ length: 20 }, () => another.take(bucket, LIMIT)))
      for (const answer of together) {
        expect(answer.status === 'rejected' && answer.reason).toBeInstanceOf(StoreUnavailableError)
      }
      const ofEmpty = await Promise.allSettled([one.take(empty, LIMIT)])
      expect(ofEmpty.some((answer) => answer.status === 'fulfilled' && answer.value.allowed)).toBe(false)
      await harness.mendSource()
      expect(await one.take(bucket, LIMIT)).toMatchObject({ allowed: true })
    })

    it('keeps a lease for a minute at the most', async () => {
      const bucket = newBucket()
      await one.take(bucket, LIMIT)
      await harness.breakSource()
      harness.clock.advance({ seconds: 60 })
      await expect(one.take(bucket, LIMIT)).rejects.toThrow(StoreUnavailableError)
    })

    it('gives up a lease of another limit', async () => {
      const bucket = newBucket()
      for (const limiter of harness.limiters) await limiter.take(bucket, LIMIT)
      expect(await drainAll(bucket, 10)).toBe(10)
    })
  })
}

async function takeAt(limiters: readonly RateLimiter[], index: number, bucket: string): Promise<RateLimit> {
  const limiter = limiters[index % limiters.length]
  if (limiter === undefined) throw new RangeError('There are no limiters.')
  return limiter.take(bucket, LIMIT)
}
