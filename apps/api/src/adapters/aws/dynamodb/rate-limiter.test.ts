import { afterAll, describe, expect, it } from 'vitest'
import { type RateLimiter, StoreUnavailableError } from '../../../ports.ts'
import { failsWith, lostAnswer } from '../../../testing/dynamodb-faults.ts'
import { dynamodbUrl } from '../../../testing/dynamodb-local.ts'
import { startDynamodbProxy } from '../../../testing/dynamodb-proxy.ts'
import { testTables } from '../../../testing/dynamodb-tables.ts'
import { FakeClock } from '../../../testing/fake-clock.ts'
import { drain, newBucket, rateLimiterConformance } from '../../conformance/rate-limiter.ts'
import { sharedRateLimiterConformance } from '../../conformance/rate-limiter-shared.ts'
import { leaseSizeOf } from '../../leasing-rate-limiter.ts'
import { createDynamo } from './client.ts'
import { createDynamoRateLimiter } from './rate-limiter.ts'
import { makeTables } from './tables.ts'

limiterTests(dynamodbUrl())

function limiterTests(endpointUrl: string): void {
  const { newPrefix, dynamoOf, endTtl } = testTables(endpointUrl)
  const opened: { close(): void | Promise<void> }[] = []
  afterAll(async () => {
    for (const each of opened.reverse()) await each.close()
  })

  /** Limiters of as many processes, each with connections of its own, all through one proxy. */
  async function openLimiters(count: number) {
    const clock = new FakeClock()
    const tablePrefix = newPrefix()
    const dynamo = dynamoOf(tablePrefix)
    await makeTables(dynamo, [])
    await endTtl(tablePrefix)
    const proxy = await startDynamodbProxy(endpointUrl)
    opened.push(proxy)
    const limiters = Array.from({ length: count }, () => {
      const own = createDynamo({ endpointUrl: proxy.url, region: 'us-east-1', madeUpCredentials: true, tablePrefix, clock })
      opened.push(own)
      return createDynamoRateLimiter(own, clock)
    })
    const calls = () => Object.values(proxy.counts().requests).reduce((sum, count) => sum + count, 0)
    const item = (bucket: string) => dynamo.get('rate-limits', { pk: `bucket#${bucket}`, sk: '-' })
    return { clock, proxy, limiters, calls, dynamo, item }
  }

  async function openTwo() {
    const { limiters, ...rest } = await openLimiters(2)
    const [one, other] = limiters
    if (one === undefined || other === undefined) throw new RangeError('There are no limiters.')
    return { one, other, ...rest }
  }

  rateLimiterConformance('DynamoDB, in one process,', async () => {
    const { clock, one } = await openTwo()
    return { clock, limiter: one }
  })

  sharedRateLimiterConformance('DynamoDB, in four processes,', async () => {
    const { clock, limiters, calls, proxy } = await openLimiters(4)
    let isBroken = false
    return {
      clock,
      limiters,
      leaseSize: leaseSizeOf,
      sourceCalls: calls,
      async breakSource() {
        isBroken = true
        await proxy.pause()
      },
      // The suite mends after each test, broken or not.
      async mendSource() {
        if (isBroken) await proxy.resume()
        isBroken = false
      },
    }
  })

  describe('limits shared by DynamoDB', () => {
    it('take one request and one write unit for a lease, and two where another process filled the bucket since', async () => {
      const { one, other, clock, proxy } = await openTwo()
      const bucket = newBucket()
      const requestsOf = async (limiter: RateLimiter) => {
        proxy.reset()
        for (let taken = 0; taken < leaseSizeOf(600); taken++) expect(await limiter.take(bucket, 600)).toMatchObject({ allowed: true })
        return proxy.counts()
      }
      expect(await requestsOf(one)).toMatchObject({ requests: { PutItem: 1 }, writeUnits: 1 })
      expect(await requestsOf(one)).toMatchObject({ requests: { UpdateItem: 1 }, writeUnits: 1 })
      expect(await requestsOf(other)).toMatchObject({ requests: { PutItem: 1, UpdateItem: 1 } })
      expect(await requestsOf(one)).toMatchObject({ requests: { UpdateItem: 1 } })
      clock.advance({ seconds: 30 })
      expect(await requestsOf(one)).toMatchObject({ requests: { PutItem: 1 } })
      clock.advance({ seconds: 30 })
      expect(await requestsOf(other)).toMatchObject({ requests: { PutItem: 2 } })
    })

    it('ask ten times a second at the most for a bucket that is used up', async () => {
      const { one, clock, calls } = await openTwo()
      const bucket = newBucket()
      expect(await drain(one, bucket, 60_000)).toBe(60_000)
      const before = calls()
      let taken = 0
      for (let ms = 0; ms < 1000; ms++) {
        clock.advance({ us: 1000 })
        const limit = await one.take(bucket, 60_000)
        if (limit.allowed) taken++
        else expect(limit).toMatchObject({ remaining: 0, retryAtUs: expect.toSatisfy((us: number) => us > clock.nowUs()) })
      }
      expect(taken).toBeGreaterThan(850)
      expect(calls() - before).toBeLessThanOrEqual(10)
    })

    it('know a lease as theirs whose answer was lost', async () => {
      const { one, proxy } = await openTwo()
      for (const [operation, before] of [
        [/^PutItem$/, 0],
        [/^UpdateItem$/, 1],
      ] as const) {
        const bucket = newBucket()
        if (before > 0) await one.take(bucket, 600)
        const lost = proxy.rule({ operation, times: 1, fault: lostAnswer })
        expect(await drain(one, bucket, 600)).toBe(600 - before)
        expect(lost.hits()).toBe(1)
      }
    })

    it('reject while DynamoDB throttles, and give the whole limit afterwards', async () => {
      const { one, proxy } = await openTwo()
      const bucket = newBucket()
      const rule = proxy.rule({ fault: failsWith('ThrottlingException') })
      await expect(one.take(bucket, 7)).rejects.toThrow(StoreUnavailableError)
      await expect(one.take(bucket, 7, 0)).rejects.toThrow(StoreUnavailableError)
      rule.remove()
      expect(await drain(one, bucket, 7)).toBe(7)
    })

    it('give no token twice to processes that lease at once', async () => {
      const { limiters } = await openLimiters(3)
      const bucket = newBucket()
      const drained = await Promise.all(limiters.map((limiter) => drain(limiter, bucket, 600)))
      expect(drained.reduce((sum, taken) => sum + taken, 0)).toBe(600)
    })

    it('take any text for a bucket, each for another', async () => {
      const { one, other } = await openTwo()
      for (const bucket of ['', '-', 'x'.repeat(5000), `${'x'.repeat(5000)}y`, '\u0000', '\ud800', '\ud801', '\ufffd', 'ü#\n']) {
        expect(await drain(one, bucket, 2), JSON.stringify(bucket.slice(0, 9))).toBe(2)
        expect(await other.take(bucket, 2)).toMatchObject({ allowed: false })
      }
    })

    it('have the table drop a bucket when it has long been full, and take a dropped one for full', async () => {
      const { one, clock, item, dynamo } = await openTwo()
      const bucket = newBucket()
      await drain(one, bucket, 7)
      const kept = await item(bucket)
      expect(kept?.['ttl']).toBeGreaterThanOrEqual(clock.nowUs() / 1e6 + 60)
      clock.advance({ hours: 30 })
      expect(kept?.['ttl']).toBeLessThan(clock.nowUs() / 1e6)
      await dynamo.remove('rate-limits', { pk: `bucket#${bucket}`, sk: '-' })
      expect(await drain(one, bucket, 7)).toBe(7)
    })

    it('go on after a clock that was hours ahead', async () => {
      const { one, other, clock } = await openTwo()
      const bucket = newBucket()
      clock.advance({ hours: 5 })
      await drain(one, bucket, 60)
      clock.advance({ hours: -5 })
      for (const limiter of [one, other]) expect(await limiter.take(bucket, 60)).toMatchObject({ allowed: false })
      clock.advance({ seconds: 10 })
      expect((await drain(one, bucket, 60)) + (await drain(other, bucket, 60))).toBe(10)
    })
  })
}
