import type { Clock, RateLimit, RateLimiter } from '../ports.ts'
import { fillBucket, fullBucket, limitOf, MINUTE_US, type TokenBucket } from './token-bucket.ts'

/** The limiter of one process that shares its limits with no other; it answers at once. */
export interface LocalRateLimiter extends RateLimiter {
  take(bucket: string, perMinute: number, tokens?: 0 | 1): RateLimit
}

/** How many buckets are looked at for each one that comes: two, and the table shrinks to what is in use; more to choose which to forget. */
const STEPS = { room: 2, noRoom: 8 }

/**
 * A full bucket and none are the same, so a bucket is kept only until it is full again. Buckets that are not are at most
 * `maxBuckets`; beyond, which takes that many keys in use within a minute, one that is nearly full is forgotten. Nobody gains by
 * that: until every forgotten bucket would be full, a bucket that is not known begins as empty as any of them could be. A key
 * that is new at such a time may thus be told to wait, a minute at the most.
 */
export function createRateLimiter(clock: Clock, { maxBuckets = 100_000 }: { maxBuckets?: number } = {}): LocalRateLimiter {
  const buckets = new Map<string, TokenBucket>()
  /** Goes round the buckets, a few steps for each one that comes. */
  let hand = buckets.entries()
  /** When every forgotten bucket would be full. */
  let forgottenUntilUs = 0

  function unknownBucket(perMinute: number, nowUs: number): TokenBucket {
    // No bucket takes longer than a minute; more is left only after the clock stepped back.
    forgottenUntilUs = Math.min(forgottenUntilUs, nowUs + MINUTE_US)
    const bucket = fullBucket(perMinute, nowUs)
    if (forgottenUntilUs <= nowUs) return bucket
    Object.assign(bucket, { tokens: 0, atUs: forgottenUntilUs - MINUTE_US })
    fillBucket(bucket, perMinute, nowUs)
    return bucket
  }

  /** Drops full buckets, and where that makes no room, the fullest of those that it passes. No request pays for a walk over all. */
  function makeRoom(nowUs: number): void {
    let fullest: { name: string; fullAtUs: number } | undefined
    const steps = buckets.size < maxBuckets ? STEPS.room : STEPS.noRoom
    for (let step = 0; step < steps; step++) {
      let next = hand.next()
      if (next.done) {
        hand = buckets.entries()
        next = hand.next()
        if (next.done) return
      }
      const [name, bucket] = next.value
      const { fullAtUs } = limitOf(bucket, true)
      if (fullAtUs <= nowUs) buckets.delete(name)
      else if (fullest === undefined || fullAtUs < fullest.fullAtUs) fullest = { name, fullAtUs }
    }
    if (buckets.size < maxBuckets || fullest === undefined) return
    buckets.delete(fullest.name)
    forgottenUntilUs = Math.max(forgottenUntilUs, fullest.fullAtUs)
  }

  return {
    take(name, perMinute, tokens = 1) {
      const nowUs = clock.nowUs()
      let bucket = buckets.get(name)
      if (bucket === undefined) {
        bucket = unknownBucket(perMinute, nowUs)
        if (tokens > 0) {
          makeRoom(nowUs)
          buckets.set(name, bucket)
        }
      } else fillBucket(bucket, perMinute, nowUs)
      const allowed = bucket.tokens >= tokens
      if (allowed) bucket.tokens -= tokens
      return limitOf(bucket, allowed)
    },
  }
}
