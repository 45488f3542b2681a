/** Bad receivers, each against the real server: what a delivery says of them, and that nobody else suffers. */
import { execFileSync, spawnSync } from 'node:child_process'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { pipeline } from 'node:stream/promises'
import type { Delivery, DeliveryAttempt } from '@triggers/client'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { memoryOf } from '../load/stats.ts'
import { createLab, deliveriesOf, type Server, untilAllAre, untilAllIsWell } from './lab.ts'
import type { Act, Receiver, Reply } from './receiver.ts'

const TIMEOUT_MS = 2000
const LONG = 'é'.repeat(5000)
const KEPT_BYTES = 4096
const GIGABYTE = 1_000_000_000
const METADATA = 'http://169.254.169.254/latest/meta-data/'
/** What many connections that are cut off in the middle may add to the server's memory, at the very most. */
const MOST_MORE_MB = 150
/** What the machine itself takes from a sender, in buffers, before the other side is heard to have gone. */
const MOST_BUFFERED_BYTES = 20_000_000

const lab = createLab()
let server: Server
let subscriptions = 0

beforeAll(async () => {
  server = await lab.startServer({ DATA_DIR: lab.folder(), WEBHOOK_TIMEOUT_MS: String(TIMEOUT_MS) })
})
afterAll(() => lab.close())

/** A webhook for a type of its own. */
async function subscribe(url: string): Promise<{ webhookId: string; eventType: string }> {
  const eventType = `bad.${subscriptions++}`
  const { webhook_id } = await server.triggers.webhooks.create({ url, events: [eventType] })
  return { webhookId: webhook_id, eventType }
}

const create = async (eventType: string) =>
  (await server.triggers.events.create({ source: 'lab', event_type: eventType, payload: {} })).event_id

/** The delivery of one event, after its first attempt. */
async function deliveryTo(url: string): Promise<{ delivery: Delivery; first: DeliveryAttempt; webhookId: string }> {
  const { webhookId, eventType } = await subscribe(url)
  await create(eventType)
  let delivery: Delivery | undefined
  await untilAllIsWell(30_000, async () => {
    ;[delivery] = await deliveriesOf(server, webhookId)
    return delivery?.attempts.length ? undefined : `there is no attempt: ${JSON.stringify(delivery)}. ${server.output()}`
  })
  const first = delivery?.attempts[0]
  if (delivery === undefined || first === undefined) throw new Error('There is no attempt.')
  return { delivery, first, webhookId }
}

/** As a receiver that answers a byte at a time, for ever. */
const drip =
  (beginning: string): Act =>
  ({ socket }) => {
    socket?.write(beginning)
    const timer = setInterval(() => socket?.write('.'), 20)
    socket?.once('close', () => clearInterval(timer))
  }

/** @param onWritten told how much of the answer was given to the network */
const endless =
  (onWritten: (bytes: number) => void = () => {}): Act =>
  async (response) => {
    const { socket } = response
    const before = socket?.bytesWritten ?? 0
    response.writeHead(200, { 'content-length': GIGABYTE })
    // It breaks off when the other side has gone.
    await pipeline(gigabyte, response).catch(() => {})
    onWritten((socket?.bytesWritten ?? 0) - before)
  }

async function* gigabyte() {
  const chunk = Buffer.alloc(50_000, 'x')
  for (let written = 0; written < GIGABYTE; written += chunk.length) yield chunk
}

const answered = { error: null, response_truncated: false }
const unanswered = { status_code: null, response_body: '', response_truncated: false }
const failedWith = (error: string) => ({ status: 'pending', first: { ...unanswered, error, retry_reason: error } })

const CASES: { name: string; reply: Reply; status: string; first: object }[] = [
  { name: 'resets the connection', reply: 'reset', ...failedWith('connection_reset') },
  { name: 'hangs', reply: 'hang', ...failedWith('timeout') },
  { name: 'drips its headers', reply: drip('HTTP/1.1 200 OK\r\nx-slow: '), ...failedWith('timeout') },
  {
    name: 'does not speak HTTP',
    reply: ({ socket }) => void socket?.end('220 receiver.test ESMTP\r\n'),
    ...failedWith('invalid_answer'),
  },
  {
    name: 'answers 500 at length',
    reply: { status: 500, body: LONG },
    status: 'pending',
    first: {
      ...answered,
      status_code: 500,
      response_body: LONG.slice(0, KEPT_BYTES / 2),
      response_truncated: true,
      retry_reason: 'status_500',
    },
  },
  {
    // It has said that it has the event; the rest of its answer is not waited for any longer than for any other.
    name: 'answers 200 and drips its body',
    reply: drip('HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n'),
    status: 'delivered',
    first: {
      ...answered,
      status_code: 200,
      response_body: expect.stringMatching(/^\.{2,}$/),
      response_truncated: true,
      retry_reason: null,
    },
  },
  {
    name: 'answers 200 with a gigabyte',
    reply: endless(),
    status: 'delivered',
    first: { ...answered, status_code: 200, response_body: 'x'.repeat(KEPT_BYTES), response_truncated: true, retry_reason: null },
  },
]

describe('a receiver that', () => {
  it.concurrent.each(CASES)('$name', async ({ reply, status, first }) => {
    const receiver = await lab.startReceiver(() => reply)
    const delivered = await deliveryTo(receiver.url)
    expect(delivered.first).toMatchObject(first)
    expect(delivered.delivery).toMatchObject({ status, completed_at: status === 'pending' ? null : expect.any(String) })
  })

  it.concurrent('refuses the connection', async () => {
    const receiver = await lab.startReceiver()
    await receiver.close()
    const { delivery, first } = await deliveryTo(receiver.url)
    expect({ status: delivery.status, first }).toMatchObject(failedWith('connection_refused'))
  })

  it.concurrent('answers 429 with Retry-After is left in peace for that long', async () => {
    const receiver = await lab.startReceiver(() => ({ status: 429, headers: { 'Retry-After': '60' } }))
    const { delivery, first } = await deliveryTo(receiver.url)
    expect(first).toMatchObject({ ...answered, status_code: 429, retry_reason: 'status_429' })
    expect(delivery.status).toBe('pending')
    const next = Date.parse(String(delivery.next_attempt_at)) - Date.parse(first.started_at)
    expect(next).toBeGreaterThanOrEqual(60_000)
    expect(next).toBeLessThan(70_000 + TIMEOUT_MS)
  })

  it.concurrent('answers 410 gets nothing more: its webhook is switched off, and says why', async () => {
    const receiver = await lab.startReceiver(() => 410)
    const { delivery, first, webhookId } = await deliveryTo(receiver.url)
    expect(first).toMatchObject({ ...answered, status_code: 410, retry_reason: null })
    expect(delivery.status).toBe('held')
    await untilAllIsWell(10_000, async () => {
      const webhook = await server.triggers.webhooks.get(webhookId)
      return webhook.is_active ? 'the webhook is active' : undefined
    })
    const webhook = await server.triggers.webhooks.get(webhookId)
    expect(webhook).toMatchObject({ disabled_reason: 'gone', disabled_at: expect.any(String) })
    await create(delivery.event_type)
    // Made later, so what is delivered of it was looked at later, too.
    await expectDelivered(await lab.startReceiver())
    expect(await deliveriesOf(server, webhookId)).toHaveLength(1)
    expect(receiver.received).toHaveLength(1)
  })

  it.concurrent('redirects is not followed, least of all to the metadata address', async () => {
    const elsewhere = await lab.startReceiver()
    for (const location of [METADATA, elsewhere.url]) {
      const receiver = await lab.startReceiver(() => ({ status: 307, headers: { Location: location } }))
      const { delivery, first } = await deliveryTo(receiver.url)
      expect(first).toMatchObject({ ...answered, status_code: 307, retry_reason: 'status_307' })
      expect(delivery.status).toBe('pending')
      expect(receiver.received).toHaveLength(1)
    }
    expect(elsewhere.received).toEqual([])
  })

  it.concurrent('does not speak TLS', async () => {
    const receiver = await lab.startReceiver()
    const { delivery, first } = await deliveryTo(receiver.url.replace('http:', 'https:'))
    expect({ status: delivery.status, first }).toMatchObject(failedWith('tls_failed'))
    expect(receiver.received).toEqual([])
  })

  it.concurrent('has a certificate that nobody vouches for', async ({ skip }) => {
    if (spawnSync('openssl', ['version']).status !== 0) {
      console.warn('SKIPPED: a receiver with a bad certificate. There is no openssl to make one with.')
      return skip('no openssl')
    }
    const { url, requests } = await startTlsReceiver()
    const { delivery, first } = await deliveryTo(url)
    expect({ status: delivery.status, first }).toMatchObject(failedWith('tls_failed'))
    expect(requests()).toBe(0)
  })
})

/** A server with a certificate of its own making; how many requests reached it. */
async function startTlsReceiver(): Promise<{ url: string; requests(): number }> {
  const words = [
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-days',
    '1',
    '-subj',
    '/CN=127.0.0.1',
    '-addext',
    'subjectAltName=IP:127.0.0.1',
  ]
  const pem = execFileSync('openssl', [...words, '-keyout', '-', '-out', '-'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  let requests = 0
  // One text has both.
  const receiver = createTlsServer({ key: pem, cert: pem }, (_, response) => {
    requests++
    response.writeHead(204).end()
  })
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve))
  lab.onClose(() => receiver.close())
  // It listens on a TCP port, so its address is of that form.
  const { port } = receiver.address() as AddressInfo
  return { url: `https://127.0.0.1:${port}`, requests: () => requests }
}

/** That the receiver, which answers well, gets an event. */
async function expectDelivered(receiver: Receiver): Promise<void> {
  const { delivery } = await deliveryTo(receiver.url)
  expect(delivery.status).toBe('delivered')
}

describe('beside others', () => {
  it('a good webhook gets its events while bad ones take their time', { timeout: 180_000 }, async () => {
    const EVENTS = 200
    // Who hangs does so for longer than all of this takes, on however slow a machine.
    const patient = await lab.startServer({ DATA_DIR: lab.folder(), WEBHOOK_TIMEOUT_MS: '300000' })
    const good = await lab.startReceiver()
    const bad = await lab.startReceiver(({ path }) => {
      if (path === '/drip') return drip('HTTP/1.1 200 OK\r\nx-slow: ')
      if (path === '/endless') return endless()
      return path === '/reset' ? 'reset' : path === '/500' ? 500 : 'hang'
    })
    const make = async (url: string) => (await patient.triggers.webhooks.create({ url, events: ['*'] })).webhook_id
    const hanging = await Promise.all(Array.from({ length: 10 }, () => make(`${bad.url}/hang`)))
    for (const kind of ['drip', 'endless', 'reset', '500']) await make(`${bad.url}/${kind}`)
    const webhookId = await make(good.url)
    await patient.triggers.events.createMany(Array.from({ length: EVENTS }, () => ({ source: 'lab', event_type: 'beside', payload: {} })))
    await untilAllAre('delivered', patient, webhookId, EVENTS, 120_000)
    expect(good.received).toHaveLength(EVENTS)
    // Not one attempt of the others has ended: nothing was waited for.
    for (const one of hanging)
      expect(new Set((await deliveriesOf(patient, one)).map(({ attempt_count }) => attempt_count))).toEqual(new Set([0]))
    const hangs = bad.received.filter(({ path }) => path === '/hang').map((received) => received.webhookId)
    expect(new Set(hangs)).toEqual(new Set(hanging))
  })

  it('who answers with a gigabyte each time takes neither the memory nor the network for it', async ({ skip }) => {
    const EVENTS = 50
    const fresh = await lab.startServer({ DATA_DIR: lab.folder() })
    const { webhooks, events } = fresh.triggers
    const written: number[] = []
    const receiver = await lab.startReceiver(({ path }) => (path === '/well' ? 204 : endless((bytes) => written.push(bytes))))
    const sendTo = async (path: string) => {
      const event_type = `memory${path.replace('/', '.')}`
      const { webhook_id } = await webhooks.create({ url: receiver.url + path, events: [event_type] })
      await events.createMany(Array.from({ length: EVENTS }, () => ({ source: 'lab', event_type, payload: {} })))
      await untilAllAre('delivered', fresh, webhook_id, EVENTS)
      return receiver.of(webhook_id).size
    }
    // What the first deliveries of a process take, whatever is answered.
    await sendTo('/well')
    const before = memoryOf(fresh.pid)
    if (before === undefined) {
      console.warn('SKIPPED: the memory of the server under endless answers. There is no /proc to read it from.')
      return skip('no /proc')
    }
    expect(await sendTo('/endless')).toBe(EVENTS)
    await untilAllIsWell(10_000, () => (written.length === EVENTS ? undefined : `${EVENTS - written.length} answers are under way`))
    const peakMb = memoryOf(fresh.pid)?.peakMb ?? Number.POSITIVE_INFINITY
    const mostMb = Math.max(...written) / 1e6
    process.stdout.write(
      `${EVENTS} answers of 1 GB: at most ${mostMb.toFixed(1)} MB of each taken by the network, the server's memory ` +
        `${before.peakMb.toFixed(0)} MB at its highest before, ${peakMb.toFixed(0)} MB with them\n`,
    )
    expect(Math.max(...written)).toBeLessThan(MOST_BUFFERED_BYTES)
    expect(peakMb - before.peakMb).toBeLessThan(MOST_MORE_MB)
  })
})
