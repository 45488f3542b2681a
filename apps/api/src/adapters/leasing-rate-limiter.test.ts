import { describe, expect, it } from 'vitest'
import { FakeClock } from '../testing/fake-clock.ts'
import { createLeasingRateLimiter, type LeaseTokens, leaseFrom } from './leasing-rate-limiter.ts'
import type { TokenBucket } from './token-bucket.ts'

const LIMIT = 600

describe('what a process remembers of shared buckets', () => {
  function openLimiter(options?: { maxBuckets: number }) {
    const clock = new FakeClock()
    const buckets = new Map<string, TokenBucket>()
    const asked: string[] = []
    const gate: { opens: Promise<void> } = { opens: Promise.resolve() }
    const leaseTokens: LeaseTokens = async (name, perMinute, wanted) => {
      asked.push(name)
      await gate.opens
      const lease = leaseFrom(buckets.get(name), perMinute, wanted, clock.nowUs())
      buckets.set(name, lease.left)
      return lease
    }
    const limiter = createLeasingRateLimiter(clock, leaseTokens, options)
    /** Whether it is known without a question. */
    const knows = async (bucket: string) => {
      const before = asked.length
      await limiter.take(bucket, LIMIT, 0)
      return asked.length === before
    }
    const takeFromMany = async (count: number) => {
      for (let n = 0; n < count; n++) await limiter.take(`other-${n}`, LIMIT)
    }
    return { clock, limiter, asked, gate, knows, takeFromMany }
  }

  it('is dropped once it is no more than that of a full bucket, and not before', async () => {
    const { clock, limiter, knows, takeFromMany } = openLimiter()
    await limiter.take('idle', LIMIT)
    clock.advance({ seconds: 59 })
    await takeFromMany(5)
    expect(await knows('idle')).toBe(true)
    clock.advance({ seconds: 1 })
    await takeFromMany(15)
    expect(await knows('idle')).toBe(false)
  })

  it('is of so many buckets at the most, the eldest leases given up first', async () => {
    const { clock, limiter, knows } = openLimiter({ maxBuckets: 4 })
    for (let n = 0; n < 20; n++) {
      clock.advance({ us: 1 })
      await limiter.take(`b-${n}`, LIMIT)
    }
    const known = []
    for (let n = 19; n >= 16; n--) known.push(await knows(`b-${n}`))
    expect(known).toEqual([true, true, true, true])
    expect(await knows('b-10')).toBe(false)
  })

  it('is kept while a request waits for it, so that no bucket is asked for twice at once', async () => {
    const { limiter, asked, gate } = openLimiter({ maxBuckets: 2 })
    const { promise, resolve } = Promise.withResolvers<void>()
    gate.opens = promise
    const waiting = Array.from({ length: 10 }, (_, n) => limiter.take(`b-${n}`, LIMIT))
    const again = Array.from({ length: 10 }, (_, n) => limiter.take(`b-${n}`, LIMIT))
    resolve()
    for (const limit of await Promise.all([...waiting, ...again])) expect(limit.allowed).toBe(true)
    expect(asked).toHaveLength(10)
  })

  it('is answered from without a promise', async () => {
    const { limiter } = openLimiter()
    expect(limiter.take('b', LIMIT)).toBeInstanceOf(Promise)
    await limiter.take('b', LIMIT)
    expect(limiter.take('b', LIMIT)).toMatchObject({ allowed: true, remaining: LIMIT - 3 })
  })
})
