import type { RateLimit } from '../ports.ts'

/**
 * The arithmetic of a token bucket, exact in whole numbers: a token is counted in 60-millionths, of which a bucket gains `perMinute` each
 * microsecond. Whole tokens and the rest of one are kept apart, and products split, so that nothing passes 2^53 at 10^9 a minute.
 */

export const MINUTE_US = 60e6

/** The most requests a minute that the arithmetic is exact for. */
export const MAX_PER_MINUTE = 1e9

export interface TokenBucket {
  perMinute: number
  /** Whole tokens, at most `perMinute`. */
  tokens: number
  /** The rest of a token, in 60-millionths; 0 when the bucket is full. */
  part: number
  /** When that was so. */
  atUs: number
}

/** @throws RangeError for a limit that is no whole number from 1 to `MAX_PER_MINUTE` */
export function fullBucket(perMinute: number, nowUs: number): TokenBucket {
  if (!Number.isInteger(perMinute) || perMinute < 1 || perMinute > MAX_PER_MINUTE) {
    throw new RangeError(`A limit of ${perMinute} requests a minute is not a whole number from 1 to ${MAX_PER_MINUTE}.`)
  }
  return { perMinute, tokens: perMinute, part: 0, atUs: nowUs }
}

/**
 * Brings the bucket to `nowUs`. A clock that stepped back adds nothing and takes nothing; from there the bucket gains as the
 * clock goes on.
 * @param perMinute another limit holds at once: a full bucket is full under it, any other keeps as many of its tokens as fit
 */
export function fillBucket(bucket: TokenBucket, perMinute: number, nowUs: number): void {
  gain(bucket, nowUs - bucket.atUs)
  bucket.atUs = nowUs
  if (bucket.perMinute === perMinute) return
  const full = fullBucket(perMinute, nowUs)
  // A full bucket is the same thing as none: which one it was must not show.
  if (bucket.tokens < bucket.perMinute && bucket.tokens < perMinute) Object.assign(full, { tokens: bucket.tokens, part: bucket.part })
  Object.assign(bucket, full)
}

/** The bucket at its own time, in the words of the port. */
export function limitOf(bucket: TokenBucket, allowed: boolean): RateLimit {
  return { allowed, remaining: bucket.tokens, fullAtUs: whenHolds(bucket, bucket.perMinute), retryAtUs: whenHolds(bucket, 1) }
}

/** When the bucket holds so many tokens, at most `perMinute`, if none is taken. */
export function whenHolds({ perMinute, tokens, part, atUs }: TokenBucket, wanted: number): number {
  return tokens >= wanted ? atUs : atUs + timeToGain(wanted - tokens, part, perMinute)
}

function gain(bucket: TokenBucket, elapsedUs: number): void {
  const { perMinute } = bucket
  if (elapsedUs <= 0) return
  if (elapsedUs < MINUTE_US) {
    // elapsed × perMinute can reach 2^56: the whole tokens a microsecond (perMinute / 60e6) are counted apart.
    const parts = elapsedUs * (perMinute % MINUTE_US) + bucket.part
    bucket.tokens += elapsedUs * Math.floor(perMinute / MINUTE_US) + Math.floor(parts / MINUTE_US)
    bucket.part = parts % MINUTE_US
    if (bucket.tokens < perMinute) return
  }
  bucket.tokens = perMinute
  bucket.part = 0
}

/** How many microseconds, rounded up, until `tokens` more are there, of which `part` already is. */
function timeToGain(tokens: number, part: number, perMinute: number): number {
  // In two steps of 6,000 and 10,000, as tokens × 60e6 can pass 2^53.
  const parts = tokens * 6000
  const rest = parts % perMinute
  return ((parts - rest) / perMinute) * 10_000 + Math.ceil((rest * 10_000 - part) / perMinute)
}
