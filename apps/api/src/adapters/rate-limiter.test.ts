import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { RateLimit } from '../ports.ts'
import { FakeClock } from '../testing/fake-clock.ts'
import { rateLimiterConformance } from './conformance/rate-limiter.ts'
import { createRateLimiter, type LocalRateLimiter } from './rate-limiter.ts'

rateLimiterConformance('The limiter of one process', async () => {
  const clock = new FakeClock()
  return { clock, limiter: createRateLimiter(clock) }
})

const MINUTE = 60_000_000n

/** The bucket as a sum would be done by hand: in 60-millionths of a token, in integers without end. */
class ModelBucket {
  #level: bigint
  #perMinute: bigint
  #atUs: bigint

  constructor(perMinute: number, nowUs: number) {
    this.#perMinute = BigInt(perMinute)
    this.#level = this.#perMinute * MINUTE
    this.#atUs = BigInt(nowUs)
  }

  take(perMinute: number, tokens: 0 | 1, nowUs: number): RateLimit {
    const now = BigInt(nowUs)
    const elapsed = now > this.#atUs ? now - this.#atUs : 0n
    const full = this.#perMinute * MINUTE
    this.#level += elapsed * this.#perMinute
    const isFull = this.#level >= full
    const capacity = BigInt(perMinute) * MINUTE
    if (isFull || this.#level > capacity) this.#level = capacity
    this.#perMinute = BigInt(perMinute)
    this.#atUs = now
    const wanted = BigInt(tokens) * MINUTE
    const allowed = this.#level >= wanted
    if (allowed) this.#level -= wanted
    const until = (level: bigint): number => (this.#level >= level ? nowUs : nowUs + Number(up(level - this.#level, this.#perMinute)))
    return { allowed, remaining: Number(this.#level / MINUTE), fullAtUs: until(capacity), retryAtUs: until(MINUTE) }
  }
}

const up = (dividend: bigint, divisor: bigint): bigint => (dividend + divisor - 1n) / divisor

const perMinute = fc.oneof(
  fc.integer({ min: 1, max: 20 }),
  fc.integer({ min: 1, max: 1e9 }),
  fc.constantFrom(1, 7, 1000, 59_999_999, 60e6, 60_000_001, 999_999_999, 1e9),
)
const elapsedUs = fc.oneof(
  { weight: 3, arbitrary: fc.integer({ min: 0, max: 3e6 }) },
  { weight: 3, arbitrary: fc.integer({ min: 0, max: 61e6 }) },
  { weight: 1, arbitrary: fc.constantFrom(1, 59_999_999, 60e6, 86_400e6) },
  { weight: 1, arbitrary: fc.integer({ min: -7200e6, max: -1 }) },
)
const step = fc.record({ elapsedUs, tokens: fc.constantFrom(0 as const, 1 as const, 1 as const), times: fc.integer({ min: 1, max: 25 }) })

/** Takes until it is refused, and says how often it was not. */
function drain(limiter: LocalRateLimiter, name: string, limit: number): number {
  let taken = 0
  while (limiter.take(name, limit).allowed) taken++
  return taken
}

describe('the arithmetic', () => {
  it('is that of a model in integers without end, however the clock goes', () => {
    fc.assert(
      fc.property(perMinute, fc.array(step, { maxLength: 40 }), (limit, steps) => {
        const clock = new FakeClock()
        const limiter = createRateLimiter(clock)
        const model = new ModelBucket(limit, clock.nowUs())
        for (const { elapsedUs: us, tokens, times } of steps) {
          clock.advance({ us })
          for (let count = 0; count < times; count++) {
            // A look at an unused bucket leaves no trace, and the model's trace of one is a full bucket.
            expect(limiter.take('key', limit, tokens)).toEqual(model.take(limit, tokens, clock.nowUs()))
          }
        }
      }),
      { numRuns: 300 },
    )
  })

  it('is the same when the limit changes between the requests', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(perMinute, step), { minLength: 1, maxLength: 40 }), (steps) => {
        const clock = new FakeClock()
        const limiter = createRateLimiter(clock)
        const model = new ModelBucket(steps[0]?.[0] ?? 1, clock.nowUs())
        for (const [limit, { elapsedUs: us, tokens, times }] of steps) {
          clock.advance({ us })
          for (let count = 0; count < times; count++) {
            expect(limiter.take('key', limit, tokens)).toEqual(model.take(limit, tokens, clock.nowUs()))
          }
        }
      }),
      { numRuns: 300 },
    )
  })

  it('loses no microsecond over a day of uneven waiting', () => {
    const clock = new FakeClock()
    const limiter = createRateLimiter(clock)
    const limit = 7
    drain(limiter, 'key', limit)
    const startUs = clock.nowUs()
    let taken = 0
    while (clock.nowUs() < startUs + 86_400e6) {
      const { retryAtUs } = limiter.take('key', limit, 0)
      clock.advance({ us: retryAtUs - clock.nowUs() })
      taken += drain(limiter, 'key', limit)
    }
    expect(taken).toBe(7 * 1440)
  })

  it.each([0, -1, 1.5, Number.NaN, 1e9 + 1])('refuses a limit of %s', (limit) => {
    expect(() => createRateLimiter(new FakeClock()).take('key', limit)).toThrow(RangeError)
  })
})

describe('the clock stepping back', () => {
  it('neither gives nor takes tokens, and does not stop the bucket from filling', () => {
    const clock = new FakeClock()
    const limiter = createRateLimiter(clock)
    expect(drain(limiter, 'key', 60)).toBe(60)
    clock.advance({ hours: -1 })
    expect(limiter.take('key', 60)).toMatchObject({ allowed: false, remaining: 0, retryAtUs: clock.nowUs() + 1e6 })
    clock.advance({ seconds: 3 })
    expect(drain(limiter, 'key', 60)).toBe(3)
  })

  it('does not keep unknown buckets empty for longer than a minute', () => {
    const clock = new FakeClock()
    const limiter = createRateLimiter(clock, { maxBuckets: 1 })
    drain(limiter, 'a', 60)
    limiter.take('b', 60)
    clock.advance({ hours: -1 })
    expect(limiter.take('c', 60, 0).remaining).toBe(0)
    clock.advance({ seconds: 60 })
    expect(limiter.take('d', 60, 0).remaining).toBe(60)
  })
})

describe('the bound on buckets', () => {
  it('forgets full buckets first, which does not show', () => {
    const clock = new FakeClock()
    const limiter = createRateLimiter(clock, { maxBuckets: 3 })
    for (const name of ['a', 'b', 'c']) limiter.take(name, 60)
    clock.advance({ seconds: 1 })
    for (const name of ['d', 'e', 'f']) expect(limiter.take(name, 60)).toMatchObject({ allowed: true, remaining: 59 })
    expect(limiter.take('a', 60, 0).remaining).toBe(60)
  })

  it('makes a forgotten bucket begin as empty as it was, and fill as it would have', () => {
    const clock = new FakeClock()
    const limiter = createRateLimiter(clock, { maxBuckets: 2 })
    drain(limiter, 'a', 60)
    limiter.take('b', 60)
    limiter.take('c', 60)
    expect(limiter.take('a', 60)).toMatchObject({ allowed: false, remaining: 0, retryAtUs: clock.nowUs() + 1e6 })
    clock.advance({ seconds: 10 })
    expect(drain(limiter, 'a', 60)).toBe(10)
  })

  it('forgets one for each that comes beyond it', () => {
    const limiter = createRateLimiter(new FakeClock(), { maxBuckets: 2 })
    drain(limiter, 'a', 60)
    drain(limiter, 'b', 60)
    expect(limiter.take('c', 60)).toMatchObject({ allowed: true, remaining: 59 })
    limiter.take('d', 60)
    // It is no longer known that 59 were left.
    expect(limiter.take('c', 60).allowed).toBe(false)
  })

  it('forgets the fullest of a few, so that a key that is new hardly notices', () => {
    const clock = new FakeClock()
    const limiter = createRateLimiter(clock, { maxBuckets: 3 })
    drain(limiter, 'empty', 60)
    limiter.take('nearly full', 60)
    drain(limiter, 'empty too', 60)
    limiter.take('new', 60)
    clock.advance({ seconds: 1 })
    // Had an empty one been forgotten, it would begin nearly empty.
    expect(limiter.take('newer', 60, 0).remaining).toBe(60)
  })

  it('gives nobody more than a limiter without a bound', () => {
    const names = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f')
    const steps = fc.array(fc.record({ name: names, us: fc.integer({ min: 0, max: 4e6 }), times: fc.integer({ min: 1, max: 20 }) }), {
      maxLength: 60,
    })
    fc.assert(
      fc.property(steps, fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 40 }), (taken, maxBuckets, limit) => {
        const clock = new FakeClock()
        const bounded = createRateLimiter(clock, { maxBuckets })
        const exact = new Map<string, ModelBucket>()
        for (const { name, us, times } of taken) {
          clock.advance({ us })
          for (let count = 0; count < times; count++) {
            const model = exact.get(name) ?? new ModelBucket(limit, clock.nowUs())
            exact.set(name, model)
            const answer = bounded.take(name, limit)
            // The model gives only what was given, so that it knows how much may still be.
            const before = model.take(limit, 0, clock.nowUs())
            expect(answer.allowed && before.remaining < 1, 'given beyond the limit').toBe(false)
            const after = answer.allowed ? model.take(limit, 1, clock.nowUs()) : before
            expect(answer.remaining).toBeLessThanOrEqual(after.remaining)
          }
        }
      }),
      { numRuns: 300 },
    )
  })

  it('holds, and costs nothing to those who are known', () => {
    const clock = new FakeClock()
    const limiter = createRateLimiter(clock, { maxBuckets: 100 })
    for (let count = 0; count < 100; count++) drain(limiter, `key-${count}`, 10)
    expect(limiter.take('new', 10).allowed).toBe(true)
    // One of the hundred had to go, and all were empty: this one might be it.
    expect(limiter.take('newer', 10)).toMatchObject({ allowed: false, remaining: 0 })
    clock.advance({ seconds: 30 })
    const taken = Array.from({ length: 100 }, (_, count) => drain(limiter, `key-${count}`, 10))
    expect(taken.filter((count) => count === 5).length).toBeGreaterThanOrEqual(98)
    expect(Math.max(...taken)).toBe(5)
  })
})
