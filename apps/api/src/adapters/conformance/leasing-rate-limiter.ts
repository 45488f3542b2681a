import type { Clock, RateLimit, RateLimiter } from '../../ports.ts'
import { fillBucket, limitOf, MINUTE_US, type TokenBucket } from '../token-bucket.ts'

/**
 * Takes at most `wanted` tokens out of the bucket that all processes share, 0 to look at it, in one atomic step. Its time never
 * goes back: of two processes with clocks apart, the slower one's must not fill the bucket again.
 * @throws StoreUnavailableError (rejects)
 */
export type LeaseTokens = (bucket: string, perMinute: number, wanted: number) => Promise<{ granted: number; left: TokenBucket }>

/** What one process knows of a bucket under one limit. */
interface Share {
  /** Tokens that are leased and not given out. */
  held: number
  leasedAtUs: number
  /** The shared bucket as this process last saw it. The others can only have taken from it since. */
  left: TokenBucket | undefined
  /** The question to the source that is under way: requests that come meanwhile wait for it. */
  asking: Promise<void> | undefined
}

/** One second's worth: a busy process asks once a second, and each process may overshoot by a sixtieth of the limit. */
export function leaseSizeOf(perMinute: number): number {
  return Math.max(1, Math.floor(perMinute / 60))
}

/**
 * The reference for limiters whose processes share a limit: the shared suite is tried on it, and the DynamoDB limiter will be
 * held against it. It keeps every bucket that it saw; one that is shipped must drop those that are idle.
 */
export function createLeasingRateLimiter(clock: Clock, leaseTokens: LeaseTokens): RateLimiter {
  const shares = new Map<string, { perMinute: number; share: Share }>()

  /** Another limit makes another share: a lease of the old one is given up. */
  function shareOf(bucket: string, perMinute: number): Share {
    const known = shares.get(bucket)
    if (known?.perMinute === perMinute) return known.share
    const share: Share = { held: 0, leasedAtUs: 0, left: undefined, asking: undefined }
    shares.set(bucket, { perMinute, share })
    return share
  }

  async function ask(share: Share, bucket: string, perMinute: number, wanted: number): Promise<void> {
    const { granted, left } = await leaseTokens(bucket, perMinute, wanted)
    share.left = left
    if (wanted === 0) return
    share.held = granted
    share.leasedAtUs = clock.nowUs()
  }

  return {
    async take(bucket, perMinute, tokens = 1) {
      const share = shareOf(bucket, perMinute)
      for (;;) {
        const nowUs = clock.nowUs()
        // After a minute the shared bucket is full without it.
        if (nowUs >= share.leasedAtUs + MINUTE_US) share.held = 0
        const allowed = share.held >= tokens
        if (share.left !== undefined) {
          const left = { ...share.left }
          fillBucket(left, perMinute, nowUs)
          if (allowed) share.held -= tokens
          if (allowed || left.tokens < 1) return limitWith(share.held, left, allowed)
        }
        share.asking ??= ask(share, bucket, perMinute, tokens * leaseSizeOf(perMinute)).finally(() => {
          share.asking = undefined
        })
        await share.asking
      }
    },
  }
}

/** As if what is held were still in the bucket. */
function limitWith(held: number, left: TokenBucket, allowed: boolean): RateLimit {
  const isFull = left.tokens + held >= left.perMinute
  const both = isFull ? { tokens: left.perMinute, part: 0 } : { tokens: left.tokens + held, part: left.part }
  return limitOf({ ...left, ...both }, allowed)
}
