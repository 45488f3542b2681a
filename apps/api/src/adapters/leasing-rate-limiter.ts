import type { Clock, RateLimit, RateLimiter } from '../ports.ts'
import { fillBucket, fullBucket, limitOf, MINUTE_US, type TokenBucket, whenHolds } from './token-bucket.ts'

export interface Lease {
  granted: number
  /** The shared bucket as it was left, which nobody had brought to another time since. */
  left: TokenBucket
}

/**
 * Takes at most `wanted` tokens out of the bucket that all processes share, 0 to look at it, in one atomic step: `leaseFrom`.
 * @param seen the bucket as this process left it; the others can only have taken from it since
 * @throws StoreUnavailableError (rejects)
 */
export type LeaseTokens = (bucket: string, perMinute: number, wanted: number, seen: TokenBucket | undefined) => Promise<Lease>

/** What one process knows of a bucket under one limit. */
interface Share {
  perMinute: number
  /** Tokens that are leased and not given out. */
  held: number
  leasedAtUs: number
  left: TokenBucket | undefined
  /** The question to the source that is under way: requests that come meanwhile wait for it. */
  asking: Promise<void> | undefined
  /** Requests that wait. */
  waiting: number
}

/** How many buckets are looked at for each one that comes: two, and the table shrinks to what is in use; more to choose which to forget. */
const STEPS = { room: 2, noRoom: 8 }

/** One second's worth: a busy process asks once a second, and each process may overshoot by a sixtieth of the limit. */
export function leaseSizeOf(perMinute: number): number {
  return Math.max(1, Math.floor(perMinute / 60))
}

/** With so many in the shared bucket it is worth asking for them: of a bucket that is used up, at most ten times a second. */
function leastLeaseOf(perMinute: number): number {
  return Math.ceil(leaseSizeOf(perMinute) / 10)
}

/**
 * The step that a source does as one. The bucket's time never goes back: of two processes with clocks apart, the slower one's must not fill
 * it again. A time that is more than a minute ahead is of a clock that was wrong, and must not stop the bucket until then.
 * @param stored undefined: nothing was taken for a minute or longer
 */
export function leaseFrom(stored: TokenBucket | undefined, perMinute: number, wanted: number, nowUs: number): Lease {
  const before = stored === undefined ? fullBucket(perMinute, nowUs) : { ...stored }
  if (before.atUs > nowUs + MINUTE_US) before.atUs = nowUs
  const left = { ...before }
  fillBucket(left, perMinute, Math.max(nowUs, left.atUs))
  const granted = Math.min(wanted, left.tokens)
  // As it is stored, with the time of a wrong clock corrected.
  if (granted === 0 && before.perMinute === perMinute) return { granted, left: before }
  left.tokens -= granted
  return { granted, left }
}

/**
 * A limiter whose processes share their limits: each takes a lease of tokens out of a bucket at once, and gives them out without asking again.
 * In any stretch of time N processes give at most what one bucket would and a lease for each: `limit + limit × minutes + N × leaseSizeOf(limit)`,
 * since a lease is kept for a minute at the most. A bucket costs about sixty questions a minute however many requests come (each process up to ten a
 * second while it is used up), and looks and refusals none.
 *
 * What nothing is known of that a full bucket would not do as well is forgotten; buckets in use are at most `maxBuckets`, beyond which
 * the eldest lease that comes by is given up. Nobody gains by that.
 */
export function createLeasingRateLimiter(
  clock: Clock,
  leaseTokens: LeaseTokens,
  { maxBuckets = 100_000 }: { maxBuckets?: number } = {},
): RateLimiter {
  const shares = new Map<string, Share>()
  /** Goes round the shares, a few steps for each one that comes. */
  let hand = shares.entries()

  /** Another limit makes another share: a lease of the old one is given up. */
  function shareOf(bucket: string, perMinute: number, nowUs: number): Share {
    const known = shares.get(bucket)
    if (known?.perMinute === perMinute) return known
    const share: Share = { perMinute, held: 0, leasedAtUs: 0, left: undefined, asking: undefined, waiting: 0 }
    if (known === undefined) makeRoom(nowUs)
    shares.set(bucket, share)
    return share
  }

  /** No request pays for a walk over all. */
  function makeRoom(nowUs: number): void {
    let eldest: { name: string; leasedAtUs: number } | undefined
    const steps = shares.size < maxBuckets ? STEPS.room : STEPS.noRoom
    for (let step = 0; step < steps; step++) {
      let next = hand.next()
      if (next.done) {
        hand = shares.entries()
        next = hand.next()
        if (next.done) return
      }
      const [name, share] = next.value
      // Those who wait would go on with a share that nobody else knows of.
      if (share.waiting > 0) continue
      if (isIdle(share, nowUs)) shares.delete(name)
      else if (eldest === undefined || share.leasedAtUs < eldest.leasedAtUs) eldest = { name, leasedAtUs: share.leasedAtUs }
    }
    if (shares.size >= maxBuckets && eldest !== undefined) shares.delete(eldest.name)
  }

  /** The answer from what is known here; undefined when the source must be asked. */
  function answer(share: Share, tokens: 0 | 1, nowUs: number): RateLimit | undefined {
    if (hasEnded(share, nowUs)) share.held = 0
    // Bucket times are of other clocks, too; one that is farther ahead is of this one, before it was set back.
    if (share.left === undefined || share.left.atUs > nowUs + MINUTE_US) return undefined
    const left = { ...share.left }
    fillBucket(left, share.perMinute, nowUs)
    if (share.held >= tokens) {
      share.held -= tokens
      return allowedWith(share.held, left)
    }
    return left.tokens < leastLeaseOf(share.perMinute) ? refusedWith(left) : undefined
  }

  async function ask(share: Share, bucket: string, wanted: number): Promise<void> {
    const { granted, left } = await leaseTokens(bucket, share.perMinute, wanted, share.left)
    share.left = left
    if (wanted === 0) return
    share.held = granted
    share.leasedAtUs = clock.nowUs()
  }

  async function askAndAnswer(share: Share, bucket: string, tokens: 0 | 1): Promise<RateLimit> {
    share.waiting++
    try {
      for (;;) {
        share.asking ??= ask(share, bucket, tokens * leaseSizeOf(share.perMinute)).finally(() => {
          share.asking = undefined
        })
        await share.asking
        const limit = answer(share, tokens, clock.nowUs())
        if (limit !== undefined) return limit
      }
    } finally {
      share.waiting--
    }
  }

  return {
    take(bucket, perMinute, tokens = 1) {
      const nowUs = clock.nowUs()
      const share = shareOf(bucket, perMinute, nowUs)
      return answer(share, tokens, nowUs) ?? askAndAnswer(share, bucket, tokens)
    },
  }
}

/** After a minute the shared bucket is full without it. */
function hasEnded({ leasedAtUs }: Share, nowUs: number): boolean {
  return Math.abs(nowUs - leasedAtUs) >= MINUTE_US
}

/** Whether the share says no more than that the bucket is full. */
function isIdle(share: Share, nowUs: number): boolean {
  if (share.held > 0 && !hasEnded(share, nowUs)) return false
  return share.left === undefined || whenHolds(share.left, share.left.perMinute) <= nowUs
}

/** As if what is held were still in the bucket. */
function allowedWith(held: number, left: TokenBucket): RateLimit {
  const isFull = left.tokens + held >= left.perMinute
  const both = isFull ? { tokens: left.perMinute, part: 0 } : { tokens: left.tokens + held, part: left.part }
  return limitOf({ ...left, ...both }, true)
}

function refusedWith(left: TokenBucket): RateLimit {
  return { ...limitOf(left, false), remaining: 0, retryAtUs: whenHolds(left, leastLeaseOf(left.perMinute)) }
}
