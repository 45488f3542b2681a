/**
 * The server is killed while it delivers, again and again, and events are created all the while. What was answered with 201 reaches every
 * webhook that it is for, whatever was under way.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { ApiError, ConnectionError, TimeoutError, verifyWebhook, type WebhookInput } from '@triggers/client'
import { Webhook } from 'standardwebhooks'
import { expect, it, onTestFinished } from 'vitest'
import { chance } from './chance.ts'
import { createLab, deliveriesOf, type Server, untilAllAre, untilAllIsWell } from './lab.ts'
import { isAccepted, messageIdOf, type Received, type Receiver, type Respond } from './receiver.ts'

const KILLS = 20
/** When one more webhook is made. */
const LATE_AT = 10
const PRODUCERS = 4
const BETWEEN_EVENTS_MS = 10
const TYPES = ['order.created', 'order.paid', 'user.created', 'invoice.sent']
/** `short` has four attempts: a receiver that fails an event no more often than this has it in the end. */
const MOST_FAILURES = 3
/** Holds of the last kill end after 11 s; then the flaky one's retries. */
const END_MS = 90_000
const SECRET = `whsec_${Buffer.alloc(32, 'kill').toString('base64')}`

interface Created {
  eventId: string
  type: string
  priority: 'high' | 'normal'
  begunMs: number
  answeredMs: number
}

interface Subscription {
  name: string
  webhookId: string
  input: Partial<WebhookInput>
  /** Whether it is for this webhook; undefined: it may be, or not. */
  wants(event: Created): boolean | undefined
}

const KINDS: { name: string; input: Partial<WebhookInput>; wants(event: Created): boolean }[] = [
  { name: 'fast', input: { events: ['*'] }, wants: () => true },
  { name: 'slow', input: { events: ['order.*'] }, wants: ({ type }) => type.startsWith('order.') },
  {
    name: 'flaky',
    input: { events: ['order.paid', 'user.*'], retry: 'short' },
    wants: ({ type }) => ['order.paid', 'user.created'].includes(type),
  },
  {
    name: 'urgent',
    input: { events: ['*'], filter: { priority: ['high'] }, payload_format: 'standard' },
    wants: ({ priority }) => priority === 'high',
  },
  { name: 'other', input: { events: ['order', 'triggers.*'] }, wants: () => false },
]

/** Slow, or failing for a fifth of the requests, as the path says. */
const behave: Respond = async ({ path, webhookId, messageId, time }) => {
  if (path === '/slow') await sleep(200)
  if (path !== '/flaky' || time > MOST_FAILURES) return 204
  const fate = chance(`${webhookId} ${messageId} ${time}`)
  return fate < 0.1 ? 500 : fate < 0.2 ? 'reset' : 204
}

async function subscribe(server: Server, receiver: Receiver, name: string, input: Partial<WebhookInput>): Promise<string> {
  const webhook = { url: `${receiver.url}/${name}`, secret: SECRET, events: ['*'], ...input }
  return (await server.triggers.webhooks.create(webhook)).webhook_id
}

/** Creates events, each again and again under its own key until it is answered with 201. */
function startProducers(current: () => Server): { created: Created[]; stop(): Promise<void> } {
  const created: Created[] = []
  let next = 0
  let isOver = false
  const create = async (number: number): Promise<void> => {
    const type = TYPES[number % TYPES.length] ?? ''
    const priority = number % 5 === 0 ? 'high' : 'normal'
    const event = { source: 'kill', event_type: type, payload: { number }, metadata: { priority } } as const
    const begunMs = performance.now()
    for (;;) {
      try {
        const { event_id } = await current().triggers.events.create(event, { idempotencyKey: `kill-${number}`, timeoutMs: 5000 })
        created.push({ eventId: event_id, type, priority, begunMs, answeredMs: performance.now() })
        return
      } catch (error) {
        const isFault =
          error instanceof ConnectionError || error instanceof TimeoutError || (error instanceof ApiError && error.status === 503)
        if (!isFault) throw error
        await sleep(20)
      }
    }
  }
  const producing = Array.from({ length: PRODUCERS }, async () => {
    while (!isOver) {
      await create(next++)
      await sleep(BETWEEN_EVENTS_MS)
    }
  })
  return {
    created,
    async stop() {
      isOver = true
      await Promise.all(producing)
    },
  }
}

/** What the webhook lacks, or has got without being meant. */
function amissFor({ name, webhookId, wants }: Subscription, created: readonly Created[], receiver: Receiver): string | undefined {
  const got = receiver.of(webhookId)
  const isThere = ({ eventId }: Created) => got.get(messageIdOf(eventId))?.some(isAccepted) ?? false
  const lost = created.filter((event) => wants(event) === true && !isThere(event))
  if (lost.length === 0) return undefined
  return `${name} has not got ${lost.length} events, among them ${lost.slice(0, 3).map(({ eventId, type }) => `${eventId} (${type})`)}`
}

async function verify({ headers, body }: Received): Promise<void> {
  const texts = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]))
  new Webhook(SECRET).verify(body, texts)
  const event = await verifyWebhook(body, headers, SECRET)
  expect(messageIdOf(event.event_id)).toBe(headers['webhook-id'])
}

it(`sends every event to every webhook that it is for, although it is killed ${KILLS} times while it delivers`, {
  timeout: 900_000,
}, async () => {
  const lab = createLab()
  onTestFinished(() => lab.close())
  const settings = { DATA_DIR: lab.folder(), WEBHOOK_TIMEOUT_MS: '1000' }
  let server = await lab.startServer(settings)
  let untilKill = Number.POSITIVE_INFINITY
  const receiver = await lab.startReceiver(async (received) => {
    const reply = await behave(received)
    // Before it is answered, so that the delivery is under way; one that was taken, so that it is known to come again.
    if (reply === 204 && --untilKill === 0) server.kill('SIGKILL')
    return reply
  })
  const subscriptions: Subscription[] = []
  for (const kind of KINDS) subscriptions.push({ ...kind, webhookId: await subscribe(server, receiver, kind.name, kind.input) })

  const { created, stop } = startProducers(() => server)
  for (let round = 1; round <= KILLS; round++) {
    untilKill = 10 + ((round * 37) % 60)
    const dying = server
    const tooLate = AbortSignal.timeout(30_000)
    tooLate.addEventListener('abort', () => dying.kill('SIGTERM'))
    expect(await dying.exited, `round ${round}: ${dying.output()}`).toEqual({ code: null, signal: 'SIGKILL' })
    server = await lab.startServer(settings)
    if (round === LATE_AT) {
      const askedMs = performance.now()
      const webhookId = await subscribe(server, receiver, 'late', {})
      const madeMs = performance.now()
      const wants = ({ begunMs, answeredMs }: Created) => (begunMs > madeMs ? true : answeredMs < askedMs ? false : undefined)
      subscriptions.push({ name: 'late', webhookId, input: {}, wants })
    }
  }
  await stop()
  expect(new Set(created.map(({ eventId }) => eventId)).size).toBe(created.length)
  await untilAllIsWell(END_MS, () => {
    const amiss = subscriptions.flatMap((subscription) => amissFor(subscription, created, receiver) ?? [])
    return amiss.length === 0 ? undefined : `${amiss.join('; ')}. ${server.output()}`
  })

  const events = new Map(created.map((event) => [messageIdOf(event.eventId), event]))
  for (const { name, webhookId, wants } of subscriptions) {
    const got = receiver.of(webhookId)
    const strangers = [...got.keys()].filter((messageId) => {
      const event = events.get(messageId)
      return event === undefined || wants(event) === false
    })
    expect(strangers, `${name} was sent what is not for it`).toEqual([])
    await untilAllAre('delivered', server, webhookId, got.size)
    const delivered = (await deliveriesOf(server, webhookId)).map(({ event_id }) => messageIdOf(event_id))
    expect(delivered.toSorted(), name).toEqual([...got.keys()].toSorted())
  }
  for (const one of receiver.received) await verify(one)

  const accepted = receiver.received.filter(isAccepted)
  const pairs = subscriptions.reduce((sum, { webhookId }) => sum + receiver.of(webhookId).size, 0)
  const again = accepted.length - pairs
  process.stdout.write(
    `${KILLS} kills while delivering: ${created.length} events, ${pairs} deliveries, 0 lost; ${receiver.received.length} requests, ` +
      `${receiver.received.length - accepted.length} refused by the receiver, ${again} sent again after they had been taken\n`,
  )
  // Each kill left at least the one that it came with.
  expect(again).toBeGreaterThanOrEqual(KILLS)
  expect(subscriptions.filter(({ webhookId }) => receiver.of(webhookId).size > KILLS).map(({ name }) => name)).toEqual(
    expect.arrayContaining(['fast', 'slow', 'flaky', 'urgent', 'late']),
  )
})
