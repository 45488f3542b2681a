import { StoreUnavailableError } from '../../ports.ts'
import { FakeClock } from '../../testing/fake-clock.ts'
import { createLeasingRateLimiter, type LeaseTokens, leaseFrom, leaseSizeOf } from '../leasing-rate-limiter.ts'
import type { TokenBucket } from '../token-bucket.ts'
import { rateLimiterConformance } from './rate-limiter.ts'
import { sharedRateLimiterConformance } from './rate-limiter-shared.ts'

/** The shared buckets in memory, behind a wait as long as any other callback takes. */
function createSource(clock: FakeClock) {
  const buckets = new Map<string, TokenBucket>()
  const state = { calls: 0, isBroken: false }
  const leaseTokens: LeaseTokens = async (name, perMinute, wanted) => {
    state.calls++
    await new Promise(setImmediate)
    if (state.isBroken) throw new StoreUnavailableError('The source is away.')
    const lease = leaseFrom(buckets.get(name), perMinute, wanted, clock.nowUs())
    buckets.set(name, lease.left)
    return lease
  }
  return { leaseTokens, state }
}

rateLimiterConformance('The leasing limiter, in one process,', async () => {
  const clock = new FakeClock()
  return { clock, limiter: createLeasingRateLimiter(clock, createSource(clock).leaseTokens) }
})

sharedRateLimiterConformance('The leasing limiter, in three processes,', async () => {
  const clock = new FakeClock()
  const { leaseTokens, state } = createSource(clock)
  const limiters = Array.from({ length: 3 }, () => createLeasingRateLimiter(clock, leaseTokens))
  return {
    clock,
    limiters,
    leaseSize: leaseSizeOf,
    sourceCalls: () => state.calls,
    breakSource() {
      state.isBroken = true
    },
    mendSource() {
      state.isBroken = false
    },
  }
})
