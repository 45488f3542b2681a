import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Clock, RateLimiter } from '../../../ports.ts'
import { createLeasingRateLimiter, type Lease, leaseFrom } from '../../leasing-rate-limiter.ts'
import { MINUTE_US, type TokenBucket, whenHolds } from '../../token-bucket.ts'
import type { Dynamo } from './client.ts'
import { ttlOf } from './context.ts'
import { DynamoError } from './errors.ts'
import { keyText } from './key-text.ts'
import type { Condition, Item, Key, Update } from './notation.ts'

/** A request waits for its lease, so it waits no longer. */
const LEASE_MS = 1500
const MAX_WAIT_MS = 100

/**
 * Limits that all processes share, kept in the table `rate-limits`: an item for each bucket that is not full. A lease is one conditional write
 * (one unit), a second one where another process filled the bucket since, or nothing is known of it here. With N servers a key
 * gets in any stretch of time what one bucket gives, and N × a sixtieth of its limit at most (one lease for each server); beyond that, what a bucket
 * gains in the time that their clocks are apart.
 */
export function createDynamoRateLimiter(dynamo: Dynamo, clock: Clock): RateLimiter {
  async function look(key: Key, perMinute: number): Promise<Lease> {
    const item = await dynamo.get('rate-limits', key, { timeoutMs: LEASE_MS })
    return leaseFrom(item && bucketOf(item), perMinute, 0, clock.nowUs())
  }

  async function lease(key: Key, perMinute: number, wanted: number, seen: TokenBucket | undefined): Promise<Lease> {
    // By it a lease is known as ours although the answer was lost.
    const leaseId = randomUUID()
    const endMs = performance.now() + LEASE_MS
    const leftMs = () => endMs - performance.now()
    let stored = seen
    let failure = new DynamoError('Contended', 'DynamoDB: too many servers lease tokens of one rate limit at once.')
    for (let tries = 1; ; tries++) {
      const nowUs = clock.nowUs()
      const { granted, left } = leaseFrom(stored, perMinute, wanted, nowUs)
      if (granted === 0 && stored?.perMinute === left.perMinute && stored.atUs === left.atUs) return { granted, left }
      const options = { timeoutMs: Math.max(1, leftMs()) }
      try {
        const written =
          stored !== undefined && stored.tokens >= wanted && isTakenAsItIs(stored, perMinute, nowUs)
            ? await dynamo.update('rate-limits', key, taking(stored, wanted, leaseId), false, options)
            : await dynamo.put(
                'rate-limits',
                { ...key, ...left, leaseId, granted, ttl: ttlOf(left.atUs + MINUTE_US) },
                asSeen(stored),
                options,
              )
        if (written.isDone) return { granted, left: written.item === undefined ? left : bucketOf(written.item) }
        if (written.old?.['leaseId'] === leaseId) return { granted: written.old['granted'], left: bucketOf(written.old) }
        stored = written.old && bucketOf(written.old)
      } catch (error) {
        if (!(error instanceof DynamoError && error.isUncertain)) throw error
        failure = error
      }
      // Of those in each other's way one is served each time: a long wait would only leave the others no time.
      const waitMs = Math.random() * Math.min(MAX_WAIT_MS, 10 * (tries - 1))
      if (waitMs >= leftMs()) throw failure
      await sleep(waitMs)
    }
  }

  return createLeasingRateLimiter(clock, async (bucket, perMinute, wanted, seen) => {
    const key = { pk: `bucket#${keyText(bucket)}`, sk: '-' }
    return wanted === 0 ? await look(key, perMinute) : await lease(key, perMinute, wanted, seen)
  })
}

/**
 * Whether tokens can be taken out of the bucket as it was filled last, where processes that lease at once are not in each other's way: it has not
 * become full since, when it would have lost what it gained. What others took meanwhile changes nothing of that.
 */
function isTakenAsItIs(stored: TokenBucket, perMinute: number, nowUs: number): boolean {
  return stored.perMinute === perMinute && stored.atUs <= nowUs + MINUTE_US && whenHolds(stored, perMinute) >= nowUs
}

function taking({ perMinute, atUs }: TokenBucket, wanted: number, leaseId: string): Update {
  return {
    update: 'SET #tokens = #tokens - :wanted, #granted = :wanted, #leaseId = :leaseId',
    condition: '#perMinute = :perMinute AND #atUs = :atUs AND #tokens >= :wanted AND #leaseId <> :leaseId',
    names: { tokens: 'tokens', granted: 'granted', leaseId: 'leaseId', perMinute: 'perMinute', atUs: 'atUs' },
    values: { wanted, leaseId, perMinute, atUs },
  }
}

/** No item is as good as any: the bucket was full when it was removed. */
function asSeen(bucket: TokenBucket | undefined): Condition {
  if (bucket === undefined) return { condition: 'attribute_not_exists(pk)' }
  const { perMinute, tokens, part, atUs } = bucket
  return {
    condition: 'attribute_not_exists(pk) OR (#perMinute = :perMinute AND #tokens = :tokens AND #part = :part AND #atUs = :atUs)',
    names: { perMinute: 'perMinute', tokens: 'tokens', part: 'part', atUs: 'atUs' },
    values: { perMinute, tokens, part, atUs },
  }
}

function bucketOf({ perMinute, tokens, part, atUs }: Item): TokenBucket {
  return { perMinute, tokens, part, atUs }
}
