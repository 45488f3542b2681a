/** The receivers of the bench, and who creates the events that they are sent: a process of its own, so that both ends of a delivery are timed by one clock. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { Pool } from 'undici'
import { API_KEY, BULK_SIZE, sampleEvent } from './samples.ts'
import { type Latencies, latenciesOf } from './stats.ts'

/** Makes a webhook for each of the types `bench.0`, `bench.1`, … (one webhook: for all types). Its receiver answers 204, or never. */
export interface SubscribeTask {
  type: 'subscribe'
  port: number
  webhooks: number
  /** How many of them, the last ones, never answer. */
  hanging: number
}

/** Creates events at a rate, of each webhook's type in turn, and times from each 201 to the first byte at the receiver that answers. */
export interface LatencyTask {
  type: 'latency'
  port: number
  ratePerSecond: number
  warmUpMs: number
  durationMs: number
}

/** Creates events as fast as it goes in bulk, and takes the time from then until all are delivered. */
export interface DrainTask {
  type: 'drain'
  port: number
  events: number
}

export type WebhookTask = SubscribeTask | LatencyTask | DrainTask

export interface WebhookResult extends Partial<Latencies> {
  /** Deliveries that arrived in the measured time. */
  deliveries: number
  seconds: number
  /** Events whose delivery to an answering receiver had not arrived at the end. */
  missing: number
}

export type WebhookReply = { result: WebhookResult } | { failure: string }

/** How long deliveries may take after the last event. */
const DRAIN_MS = 60_000
const TICK_MS = 5

/** When the first byte of an event's delivery was here, by the event's id. */
const arrivals = new Map<string, number>()
let webhooks = 0
let hanging = 0

const receiver = createServer((request, response) => {
  const id = String(request.headers['webhook-id'])
  if (!arrivals.has(id)) arrivals.set(id, performance.now())
  request.resume()
  if (request.url === '/hang') return
  request.on('end', () => response.writeHead(204).end())
})

const messageIdOf = (eventId: string) => `msg_${eventId.replaceAll('-', '')}`

async function subscribe(task: SubscribeTask): Promise<WebhookResult> {
  ;({ webhooks, hanging } = task)
  const port = await listen()
  for (let n = 0; n < webhooks; n++) {
    const path = n < webhooks - hanging ? '/ok' : '/hang'
    const events = webhooks === 1 ? ['*'] : [`bench.${n}`]
    await post(pool(task.port), '/v1/webhooks', { url: `http://127.0.0.1:${port}${path}`, events })
  }
  return { deliveries: 0, seconds: 0, missing: 0 }
}

async function latency(task: LatencyTask): Promise<WebhookResult> {
  const client = pool(task.port)
  const answered = new Map<string, number>()
  const underWay = new Set<Promise<void>>()
  const beginMs = performance.now()
  const measuredMs = beginMs + task.warmUpMs
  const endMs = measuredMs + task.durationMs
  let sent = 0
  const create = async (n: number, isMeasured: boolean) => {
    const type = n % Math.max(1, webhooks)
    const { event_id } = await post(client, '/v1/events', { ...sampleEvent(n % 1000), event_type: `bench.${type}` })
    const nowMs = performance.now()
    if (isMeasured && type < webhooks - hanging) answered.set(messageIdOf(String(event_id)), nowMs)
  }
  for (let nowMs = beginMs; nowMs < endMs; nowMs = performance.now()) {
    for (; sent < ((nowMs - beginMs) * task.ratePerSecond) / 1000; sent++) {
      const created = create(sent, nowMs >= measuredMs)
      underWay.add(created)
      void created.finally(() => underWay.delete(created))
    }
    await sleep(TICK_MS)
  }
  await Promise.all(underWay)
  await arrived(answered.keys())
  const times = [...answered].flatMap(([id, answeredMs]) => {
    const arrivedMs = arrivals.get(id)
    // It may be here before the producer has read its answer.
    return arrivedMs === undefined ? [] : [Math.max(0, arrivedMs - answeredMs)]
  })
  return { ...latenciesOf(times), deliveries: times.length, seconds: task.durationMs / 1000, missing: answered.size - times.length }
}

async function drain(task: DrainTask): Promise<WebhookResult> {
  const client = pool(task.port)
  const ids: string[] = []
  const beginMs = performance.now()
  for (let n = 0; n < task.events; n += BULK_SIZE) {
    const items = Array.from({ length: BULK_SIZE }, (_, item) => sampleEvent((n + item) % 1000))
    const { successful } = await post(client, '/v1/events/bulk', { items })
    if (!Array.isArray(successful)) throw new Error('A bulk create had no list.')
    ids.push(...successful.map(({ event_id }) => messageIdOf(String(event_id))))
  }
  await arrived(ids)
  const last = ids.reduce((latest, id) => Math.max(latest, arrivals.get(id) ?? 0), 0)
  const missing = ids.filter((id) => !arrivals.has(id)).length
  return { deliveries: ids.length - missing, seconds: (last - beginMs) / 1000, missing }
}

async function arrived(ids: Iterable<string>): Promise<void> {
  const waiting = new Set(ids)
  const endMs = performance.now() + DRAIN_MS
  while (performance.now() < endMs) {
    for (const id of waiting) if (arrivals.has(id)) waiting.delete(id)
    if (waiting.size === 0) return
    await sleep(20)
  }
}

let clients: { port: number; pool: Pool } | undefined
function pool(port: number): Pool {
  if (clients?.port !== port) clients = { port, pool: new Pool(`http://127.0.0.1:${port}`, { connections: 32 }) }
  return clients.pool
}

async function post(client: Pool, path: string, body: object): Promise<Record<string, unknown>> {
  const headers = { 'x-api-key': API_KEY, 'content-type': 'application/json' }
  const answer = await client.request({ method: 'POST', path, headers, body: JSON.stringify(body) })
  const text = await answer.body.text()
  if (answer.statusCode !== 201) throw new Error(`POST ${path} was answered with ${answer.statusCode}: ${text.slice(0, 300)}`)
  return JSON.parse(text)
}

async function listen(): Promise<number> {
  if (!receiver.listening) await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve))
  // It listens on a TCP port, so its address is of that form.
  return (receiver.address() as AddressInfo).port
}

async function run(task: WebhookTask): Promise<WebhookResult> {
  switch (task.type) {
    case 'subscribe':
      return subscribe(task)
    case 'latency':
      return latency(task)
    case 'drain':
      return drain(task)
  }
}

process.on('message', async (task: WebhookTask) => {
  const reply: WebhookReply = await run(task).then(
    (result) => ({ result }),
    (error: unknown) => ({ failure: error instanceof Error ? error.message : String(error) }),
  )
  process.send?.(reply)
})
process.on('disconnect', () => process.exit(0))
