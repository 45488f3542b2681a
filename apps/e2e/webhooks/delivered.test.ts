/**
 * 1,000 events, a receiver that fails a fifth of the requests, and the short profile's four attempts in real time: a few are dead by then, as four failures in
 * a row happen, and a replay of those delivers them. That the standard profile needs no replay for ten times as many is in `apps/api`, where
 * the clock can be set forward: `workers/delivered.test.ts`.
 */
import { expect, it, onTestFinished } from 'vitest'
import { chance } from './chance.ts'
import { createLab, deliveriesOf, untilAllIsWell } from './lab.ts'
import { isAccepted, messageIdOf, type Received, type Reply } from './receiver.ts'

const EVENTS = 1000
const ATTEMPTS = 4
const FAILING = 0.2
const SEED = 'f'

/** Answers that ask for quiet, and hanging ones, are few, as each costs its time. */
function replyTo(number: number, time: number): Reply {
  if (chance(`${SEED} ${number} ${time}`) >= FAILING) return 204
  const how = chance(`how ${number} ${time}`)
  if (how < 0.02) return 'hang'
  if (how < 0.04) return { status: 503, headers: { 'Retry-After': '1' } }
  return how < 0.3 ? 'reset' : { status: 500, body: 'no' }
}

/** How many attempts the event needs. */
function attemptsOf(number: number): number {
  let time = 1
  while (replyTo(number, time) !== 204) time++
  return time
}

// Only the payload has it before the answer to the create does.
const numberOf = ({ body }: Received): number => JSON.parse(body.toString()).payload.number

it('delivers all of 1,000 events to a receiver that fails a fifth of the requests, the dead ones by a replay', {
  timeout: 180_000,
}, async () => {
  const lab = createLab()
  onTestFinished(() => lab.close())
  const server = await lab.startServer({ DATA_DIR: lab.folder(), WEBHOOK_TIMEOUT_MS: '1000' })
  const receiver = await lab.startReceiver((received) => replyTo(numberOf(received), received.time))
  const { webhook_id } = await server.triggers.webhooks.create({ url: receiver.url, events: ['*'], retry: 'short' })
  const since = new Date().toISOString()
  const events = Array.from({ length: EVENTS }, (_, number) => ({ source: 'lot', event_type: 'lot.drawn', payload: { number } }))
  const created = await server.triggers.events.createMany(events, { concurrency: 8 })
  const numbers = new Map(
    created.map((result, number) => [result.ok ? result.value.event_id : expect.fail(`event ${number}: ${result.error.message}`), number]),
  )

  const isDead = (number: number) => attemptsOf(number) > ATTEMPTS
  const expectedDead = Array.from(numbers.values()).filter(isDead)
  expect(expectedDead.length).toBeGreaterThan(0)
  await untilAllIsWell(60_000, async () => {
    const pending = await deliveriesOf(server, webhook_id, { status: 'pending' })
    return pending.length === 0 && receiver.of(webhook_id).size === EVENTS ? undefined : `${pending.length} deliveries are pending`
  })
  const dead = await deliveriesOf(server, webhook_id, { status: 'dead' })
  expect(dead.map(({ event_id }) => numbers.get(event_id)).toSorted()).toEqual(expectedDead.toSorted())
  for (const { attempts, event_id } of dead)
    expect(
      attempts.map(({ retry_reason }) => retry_reason === null),
      event_id,
    ).toEqual([false, false, false, true])
  const firstRequests = receiver.received.length

  const { replay_id } = await server.triggers.webhooks.replay(webhook_id, { since, status: 'dead' })
  const replay = await server.triggers.replays.wait(replay_id, { intervalMs: 200, signal: AbortSignal.timeout(60_000) })
  expect(replay).toMatchObject({ status: 'completed', matched: dead.length, enqueued: dead.length, delivered: dead.length, dead: 0 })

  const messages = Array.from(receiver.of(webhook_id).values())
  const got = messages.filter((received) => received.some(isAccepted)).length
  const duplicates = receiver.received.filter(isAccepted).length - got
  process.stdout.write(
    `1,000 events, ${(100 * (1 - EVENTS / receiver.received.length)).toFixed(1)} % of the answers failed, four attempts: ${firstRequests} attempts, ` +
      `${EVENTS - dead.length} delivered, ${dead.length} dead; after a replay of the dead ones ${(100 * got) / EVENTS} % delivered, ${duplicates} duplicates\n`,
  )
  expect({ got, duplicates }).toEqual({ got: EVENTS, duplicates: 0 })
  for (const [eventId, number] of numbers) {
    expect(receiver.of(webhook_id).get(messageIdOf(eventId))?.length, `event ${number}`).toBe(attemptsOf(number))
  }
})
