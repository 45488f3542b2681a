import { randomUUID } from 'node:crypto'
import { beforeAll, describe, expect, it } from 'vitest'
import type { RateLimit, RateLimiter } from '../../ports.ts'
import type { FakeClock } from '../../testing/fake-clock.ts'

export interface RateLimiterHarness {
  /** The limiter's clock. */
  clock: FakeClock
  limiter: RateLimiter
}

/** The contract that every limiter keeps while one process alone uses it: there it is exact. */
export function rateLimiterConformance(name: string, open: () => Promise<RateLimiterHarness>): void {
  describe(`${name} keeps the limiter's contract`, () => {
    let clock: FakeClock
    let limiter: RateLimiter
    beforeAll(async () => {
      ;({ clock, limiter } = await open())
    })

    it.each([1, 7, 60, 600])('lets a burst of just %i a minute pass, and says when the next may', async (limit) => {
      const bucket = newBucket()
      const nowUs = clock.nowUs()
      const timeOf = (tokens: number): number => nowUs + Math.ceil((tokens * 60e6) / limit)
      for (let taken = 1; taken <= limit; taken++) {
        const retryAtUs = taken < limit ? nowUs : timeOf(1)
        expect(await limiter.take(bucket, limit)).toEqual({ allowed: true, remaining: limit - taken, fullAtUs: timeOf(taken), retryAtUs })
      }
      const refused = { allowed: false, remaining: 0, fullAtUs: nowUs + 60e6, retryAtUs: timeOf(1) }
      expect(await limiter.take(bucket, limit)).toEqual(refused)
      expect(await limiter.take(bucket, limit), 'what is refused takes nothing').toEqual(refused)
    })

    it.each([7, 60, 600])('of %i a minute, lets the next pass at the microsecond that it named, and one alone', async (limit) => {
      const bucket = newBucket()
      await drain(limiter, bucket, limit)
      for (let round = 0; round < 5; round++) {
        const { retryAtUs } = await limiter.take(bucket, limit)
        clock.advance({ us: retryAtUs - clock.nowUs() - 1 })
        expect(await limiter.take(bucket, limit)).toMatchObject({ allowed: false, retryAtUs })
        clock.advance({ us: 1 })
        expect(await drain(limiter, bucket, limit)).toBe(1)
      }
    })

    it('fills evenly', async () => {
      const bucket = newBucket()
      await drain(limiter, bucket, 60)
      for (const seconds of [3, 1, 20, 59]) {
        clock.advance({ seconds })
        expect(await drain(limiter, bucket, 60)).toBe(seconds)
      }
    })

    it('is full a minute after it was empty, and never fuller', async () => {
      const bucket = newBucket()
      await drain(limiter, bucket, 600)
      clock.advance({ seconds: 60 })
      expect(await drain(limiter, bucket, 600)).toBe(600)
      clock.advance({ seconds: 60 })
      await limiter.take(bucket, 600)
      clock.advance({ hours: 1 })
      expect(await drain(limiter, bucket, 600)).toBe(600)
    })

    it('says that it is full as soon as it is', async () => {
      const bucket = newBucket()
      await limiter.take(bucket, 600)
      clock.advance({ us: 60e6 / 600 - 1 })
      expect(await limiter.take(bucket, 600, 0)).toMatchObject({ remaining: 599, fullAtUs: clock.nowUs() + 1 })
      for (const us of [1, 5e5]) {
        clock.advance({ us })
        expect(await limiter.take(bucket, 600, 0)).toMatchObject({ remaining: 600, fullAtUs: clock.nowUs() })
      }
    })

    it('takes nothing for a look, which is always allowed', async () => {
      const bucket = newBucket()
      const nowUs = clock.nowUs()
      const full = { allowed: true, remaining: 60, fullAtUs: nowUs, retryAtUs: nowUs }
      expect(await limiter.take(bucket, 60, 0)).toEqual(full)
      expect(await limiter.take(bucket, 60, 0)).toEqual(full)
      expect(await drain(limiter, bucket, 60)).toBe(60)
      const empty = { allowed: true, remaining: 0, fullAtUs: nowUs + 60e6, retryAtUs: nowUs + 1e6 }
      expect(await limiter.take(bucket, 60, 0)).toEqual(empty)
      clock.advance({ seconds: 1 })
      expect(await limiter.take(bucket, 60, 0)).toMatchObject({ allowed: true, remaining: 1, retryAtUs: clock.nowUs() })
      expect(await drain(limiter, bucket, 60)).toBe(1)
    })

    it('keeps buckets apart', async () => {
      const [one, other] = [newBucket(), newBucket()]
      await drain(limiter, one, 60)
      expect(await drain(limiter, other, 7)).toBe(7)
      expect(await limiter.take(one, 60)).toMatchObject({ allowed: false })
    })

    it('obeys a lower limit at once', async () => {
      const bucket = newBucket()
      await limiter.take(bucket, 600)
      expect(await drain(limiter, bucket, 10)).toBe(10)
      expect(await limiter.take(bucket, 10)).toMatchObject({ allowed: false, retryAtUs: clock.nowUs() + 6e6 })
      clock.advance({ seconds: 60 })
      expect(await drain(limiter, bucket, 10)).toBe(10)
    })

    it('fills at once as a higher limit says, and gives nothing for the change itself', async () => {
      const bucket = newBucket()
      await drain(limiter, bucket, 10)
      expect(await limiter.take(bucket, 60)).toMatchObject({ allowed: false, retryAtUs: clock.nowUs() + 1e6 })
      clock.advance({ seconds: 5 })
      expect(await drain(limiter, bucket, 60)).toBe(5)
      clock.advance({ seconds: 60 })
      expect(await drain(limiter, bucket, 60)).toBe(60)
    })

    it('gives nothing for a clock that steps back', async () => {
      const bucket = newBucket()
      await drain(limiter, bucket, 60)
      clock.advance({ seconds: -5 })
      expect(await drain(limiter, bucket, 60)).toBe(0)
      clock.advance({ seconds: 65 })
      expect(await drain(limiter, bucket, 60)).toBe(60)
    })

    it('is exact when requests come at once', async () => {
      const bucket = newBucket()
      const answers = await Promise.all(Array.from({ length: 650 }, () => limiter.take(bucket, 600)))
      expect(allowedOf(answers)).toBe(600)
    })
  })
}

export const newBucket = (): string => `bucket-${randomUUID()}`

export const allowedOf = (answers: readonly RateLimit[]): number => answers.filter((answer) => answer.allowed).length

/** Takes until it is refused, and says how often it was not. */
export async function drain(limiter: RateLimiter, bucket: string, perMinute: number): Promise<number> {
  let taken = 0
  while ((await limiter.take(bucket, perMinute)).allowed) taken++
  return taken
}
