import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'
import type { Store } from '../ports.ts'
import { LeapingClock } from '../testing/leaping-clock.ts'
import type { Reply } from '../testing/receiver.ts'
import { testWorkers } from '../testing/webhook-workers.ts'
import type { Claim } from '../webhook-ports.ts'

const EVENTS = 10_000
const FAILING = 0.2
const SEED = 'lot'
/** Of the receiver that hangs. */
const TIMEOUT_MS = 500
/** How much later than the first delivery that is due the clock is set: others are due by then, too. */
const BEHIND_US = 60e6
const WITHIN_MS = 240_000

/** From 0 up to 1, and the same for the same words: which attempts fail does not hang on the order in which they come. */
function chance(words: string): number {
  return createHash('sha256').update(words).digest().readUInt32BE() / 2 ** 32
}

/** A fifth fails. Answers that ask for quiet, and hanging ones, are few, as each costs its time. */
function replyTo(number: number, time: number): Reply {
  if (chance(`${SEED} ${number} ${time}`) >= FAILING) return { status: 204 }
  const how = chance(`how ${number} ${time}`)
  if (how < 0.005) return 'hang'
  if (how < 0.01) return { status: 503, headers: { 'retry-after': '1' } }
  return how < 0.3 ? 'reset' : { status: 500, body: 'no' }
}

/** How many attempts the event needs. */
function attemptsOf(number: number): number {
  for (let time = 1; ; time++) {
    const reply = replyTo(number, time)
    if (typeof reply === 'object' && reply.status === 204) return time
  }
}

/**
 * What is under way, and when the rest is due, as the store was told: the clock is set forward only while nothing is claimed, so that no hold ends early and the
 * time of an attempt is its own.
 */
function watchStore() {
  const dues = new Map<string, number>()
  let underWay = 0
  const wrapStore = (store: Store): Store => ({
    ...store,
    async claimDeliveries(query) {
      underWay++
      let claim: Claim | undefined
      try {
        claim = await store.claimDeliveries(query)
        return claim
      } finally {
        for (const { deliveryId } of claim?.deliveries ?? []) dues.delete(deliveryId)
        underWay += (claim?.deliveries.length ?? 0) - 1
      }
    },
    async recordAttempts(outcomes) {
      const results = await store.recordAttempts(outcomes)
      for (const { deliveryId, dueAtUs } of outcomes) if (dueAtUs !== null) dues.set(deliveryId, dueAtUs)
      underWay -= outcomes.length
      return results
    },
  })
  return {
    wrapStore,
    /** When the first of those that wait is due; undefined while something is under way, or nothing waits. */
    nextUs: () => (underWay > 0 || dues.size === 0 ? undefined : Math.min(...dues.values())),
  }
}

const share = (part: number) => `${((100 * part) / EVENTS).toFixed(2)} %`

it('delivers all of 10,000 events to a receiver that fails a fifth of the requests', { timeout: WITHIN_MS + 60_000 }, async () => {
  const clock = new LeapingClock()
  const { wrapStore, nextUs } = watchStore()
  const workers = await testWorkers({ clock, wrapStore, timeoutMs: TIMEOUT_MS })
  const numbers = new Map<string, number>()
  const times = new Map<string, number>()
  let delivered = 0
  let duplicates = 0
  const receiver = await workers.receiver(({ headers }) => {
    const messageId = String(headers['webhook-id'])
    const time = (times.get(messageId) ?? 0) + 1
    times.set(messageId, time)
    const number = numbers.get(messageId) ?? expect.fail(`${messageId} is of no event`)
    if (time === attemptsOf(number)) delivered++
    if (time > attemptsOf(number)) duplicates++
    return time > attemptsOf(number) ? { status: 204 } : replyTo(number, time)
  })
  const { webhookId } = await workers.addWebhook({ url: receiver.url })
  for (const eventId of await workers.createEvents(EVENTS)) numbers.set(`msg_${eventId.replaceAll('-', '')}`, numbers.size)
  const beganUs = clock.nowUs()
  workers.start()
  const endMs = performance.now() + WITHIN_MS
  while (delivered < EVENTS && performance.now() < endMs) {
    await sleep(50)
    const dueUs = nextUs()
    if (dueUs !== undefined && dueUs > clock.nowUs() + 1e6) clock.leapTo(dueUs + BEHIND_US)
  }
  await workers.waitForStatus(webhookId, 'delivered', EVENTS)

  const expected = Array.from({ length: EVENTS }, (_, number) => attemptsOf(number))
  const by = (most: number) => share(expected.filter((attempts) => attempts <= most).length)
  const dead = (await workers.deliveriesOf(webhookId, 'dead')).length
  const hours = ((clock.nowUs() - beganUs) / 3600e6).toFixed(1)
  process.stdout.write(
    `10,000 events, ${(100 * (1 - EVENTS / receiver.requests.length)).toFixed(1)} % of the answers failed: ${receiver.requests.length} attempts, ${by(1)} ` +
      `after the first attempt, ${by(2)} after two, ${by(3)} after three, ${share(delivered)} delivered after ${Math.max(...expected)}, ${dead} dead, ` +
      `${duplicates} duplicates; ${hours} hours by the deliveries' clock\n`,
  )
  expect({ delivered, dead, duplicates }).toEqual({ delivered: EVENTS, dead: 0, duplicates: 0 })
  const attempts = (await workers.deliveriesOf(webhookId)).map((delivery) => [delivery.eventId, delivery.attemptCount])
  expect(new Map(attempts.map(([eventId, count]) => [numbers.get(`msg_${String(eventId).replaceAll('-', '')}`), count]))).toEqual(
    new Map(expected.map((count, number) => [number, count])),
  )
})
