import { setTimeout as sleep } from 'node:timers/promises'
import type { DynamodbCounts } from '../../../api/src/testing/dynamodb-counts.ts'
import type { Bench, Row } from '../context.ts'
import type { DynamodbUrls } from '../dynamodb-process.ts'
import type { Running } from '../processes.ts'
import { API_KEY, BULK_SIZE, RARE_SOURCE, RARE_TENANT, sampleEvent, VARIANTS } from '../samples.ts'
import { countName } from './inbox.ts'

const CASE = 'dynamodb'
const PAGE = 50
const IDLE_MS = 10_000
/** Longer than the settling window, and than fan-out takes to look at what is new. */
const QUIET_MS = 4000
const FILLING = 4
const FILL_TRIES = 20
const DELIVERED = 1000
const AUTHENTICATED = 2000

type TakeCounts = () => Promise<DynamodbCounts>
type Ask = (
  method: 'GET' | 'POST' | 'DELETE',
  path: string,
  body?: object,
  headers?: Record<string, string>,
) => Promise<Record<string, unknown>>

/** The environment of a server on tables and a queue of their own. */
export function dynamodbEnvironment(endpointUrl: string, { sqsUrl }: DynamodbUrls, name: string, indexes?: string): Record<string, string> {
  return {
    STORE: 'dynamodb',
    DYNAMODB_ENDPOINT_URL: endpointUrl,
    DYNAMODB_TABLE_PREFIX: `bench-${process.pid}-${name}-`,
    ...(indexes !== undefined && { DYNAMODB_INDEXES: indexes }),
    SQS_ENDPOINT_URL: sqsUrl,
    SQS_QUEUE_NAME: `bench-${process.pid}-${name}`,
  }
}

/** Requests and units of each operation, of a server through the counting proxy; each part on tables of its own. */
export async function counts(bench: Bench, urls: DynamodbUrls, takeCounts: TakeCounts): Promise<void> {
  const withServer = async (name: string, use: (server: Running) => Promise<void>, indexes?: string) => {
    const environment = dynamodbEnvironment(urls.countingUrl, urls, name, indexes)
    const server = await bench.processes.startServer(bench.newFolder(), environment)
    await use(server)
    await server.stop()
  }
  await withServer('off', async (server) => await operations(bench, server, takeCounts, 'indexes off'), 'none')
  await withServer('on', async (server) => await operations(bench, server, takeCounts, 'indexes on'))
  await withServer('authenticated', async (server) => await idleAndAuthenticated(bench, server, takeCounts))
  await withServer('pages', async (server) => await pages(bench, server, takeCounts))
  await withServer('delivering', async (server) => await deliveries(bench, server, takeCounts))
}

/** Each several times alone, of which the least counts: the rest is what the server does besides, such as looking for new events to fan out. */
async function operations(bench: Bench, server: Running, takeCounts: TakeCounts, indexes: string): Promise<void> {
  const ask = asker(server)
  const times = bench.settings.countSamples
  const count = async (name: string, act: (n: number) => Promise<void>) =>
    await countEach(bench, `${name}, ${indexes}`, times, takeCounts, act)
  const ids: string[] = []
  const create = async (n: number, headers = {}) => {
    const { event_id } = await ask('POST', '/v1/events', sampleEvent(n), headers)
    ids.push(String(event_id))
  }
  // The first of a workspace makes it, and the first of a process is announced.
  await create(0).catch(() => undefined)
  await sleep(QUIET_MS)
  await count('create', (n) => create(n))
  await count('create with a key', (n) => create(n, { 'idempotency-key': `${indexes} ${n}` }))
  await count('the same again', (n) => create(n, { 'idempotency-key': `${indexes} ${n}` }))
  const items = Array.from({ length: BULK_SIZE }, (_, n) => sampleEvent(n))
  await count(`bulk create of ${BULK_SIZE}`, async () => void (await ask('POST', '/v1/events/bulk', { items })))
  const keyed = (n: number) =>
    items.map((item, at) => ({ ...item, metadata: { ...item.metadata, idempotency_key: `${indexes} ${n} ${at}` } }))
  await count(`… with keys`, async (n) => void (await ask('POST', '/v1/events/bulk', { items: keyed(n) })))
  await count('get', async (n) => void (await ask('GET', `/v1/events/${ids[n]}`)))
  await count('ack', async (n) => void (await ask('POST', `/v1/events/${ids[n]}/ack`)))
  await count('delete', async (n) => void (await ask('DELETE', `/v1/events/${ids[n]}`)))
}

/** What a stored key with limit and allowlist costs, when it is known; and what a server asks that has nothing to do. */
async function idleAndAuthenticated(bench: Bench, server: Running, takeCounts: TakeCounts): Promise<void> {
  const restrictions = { rate_limit_per_minute: 1_000_000, allowed_ips: ['127.0.0.0/8'] }
  const { api_key } = await asker(server)('POST', '/v1/api-keys', { name: 'bench', scopes: ['events:read'], ...restrictions })
  const ask = asker(server, String(api_key))
  await ask('GET', '/v1/whoami')
  await sleep(QUIET_MS)
  await takeCounts()
  await sleep(IDLE_MS)
  const idle = countRow('an idle server, a second', await takeCounts(), IDLE_MS / 1000)
  bench.add(idle)
  const beginMs = performance.now()
  for (let n = 0; n < AUTHENTICATED; n++) await ask('GET', '/v1/whoami')
  const row = countRow('authenticated call', await takeCounts(), AUTHENTICATED)
  const seconds = (performance.now() - beginMs) / 1000
  const without = ([name, figure]: [string, number]) => [name, Math.max(0, figure - ((idle.figures[name] ?? 0) * seconds) / AUTHENTICATED)]
  bench.add({ ...row, figures: Object.fromEntries(Object.entries(row.figures).map(without)) })
}

/** First pages, beside backlogs of different sizes. */
async function pages(bench: Bench, server: Running, takeCounts: TakeCounts): Promise<void> {
  const ask = asker(server)
  const inbox = `/v1/inbox?limit=${PAGE}`
  let events = 0
  for (const backlog of bench.settings.dynamodbBacklogs) {
    await fill(ask, backlog - events)
    events = backlog
    await sleep(QUIET_MS)
    const rare = Math.min(PAGE, Math.floor(backlog / VARIANTS))
    for (const [name, path, expected] of [
      ['page', inbox, PAGE],
      ['page by event type', `${inbox}&event_type=order.created`, undefined],
      ['page by rare source', `${inbox}&source=${RARE_SOURCE}`, rare],
      ['page by rare metadata', `${inbox}&metadata.tenant=${RARE_TENANT}`, undefined],
    ] as const) {
      await countEach(bench, `${name}, ${countName(backlog)}`, bench.settings.countSamples, takeCounts, async () => {
        const found = (await pendingIds(ask, path)).length
        if (expected !== undefined && found < expected) throw new Error(`GET ${path} has ${found} events, not ${expected}.`)
      })
    }
  }
}

async function pendingIds(ask: Ask, path: string): Promise<string[]> {
  const { events } = await ask('GET', path)
  return Array.isArray(events) ? events.map((event: { event_id: string }) => event.event_id) : []
}

async function isStored(ask: Ask, items: object[]): Promise<boolean> {
  try {
    const { failed } = await ask('POST', '/v1/events/bulk', { items })
    return Array.isArray(failed) && failed.length === 0
  } catch {
    await sleep(500)
    return false
  }
}

async function fill(ask: Ask, events: number): Promise<void> {
  let next = 0
  const worker = async () => {
    while (next < events) {
      const from = next
      next += BULK_SIZE
      const items = Array.from({ length: BULK_SIZE }, (_, n) => sampleEvent((from + n) % VARIANTS))
      // A busy machine does not always write them in time; some more make no difference.
      for (let tries = 1; !(await isStored(ask, items)); tries++) if (tries === FILL_TRIES) throw new Error('The backlog was not stored.')
    }
  }
  await Promise.all(Array.from({ length: FILLING }, worker))
}

/** From the create to the recorded attempt: one event alone, and many that share. */
async function deliveries(bench: Bench, { port }: Running, takeCounts: TakeCounts): Promise<void> {
  await bench.processes.webhooks(async (ask) => {
    await ask({ type: 'subscribe', port, webhooks: 1, hanging: 0 })
    await ask({ type: 'drain', port, events: BULK_SIZE })
    await sleep(QUIET_MS)
    for (const events of [BULK_SIZE, DELIVERED]) {
      await takeCounts()
      const { missing } = await ask({ type: 'drain', port, events })
      await sleep(QUIET_MS)
      const row = countRow(`created and delivered, each of ${events}`, await takeCounts(), events)
      bench.add({ ...row, ...(missing > 0 && { failure: `${missing} events were not delivered` }) })
    }
  })
}

async function countEach(
  bench: Bench,
  name: string,
  times: number,
  takeCounts: TakeCounts,
  act: (n: number) => Promise<void>,
): Promise<void> {
  const rows: Row[] = []
  for (let n = 0; n < times; n++) {
    await takeCounts()
    try {
      await act(n)
    } catch (error) {
      // Of a machine so busy that the write was not done in time.
      if (error instanceof Unavailable) continue
      throw error
    }
    rows.push(countRow(name, await takeCounts(), 1))
  }
  const [least] = rows.toSorted((a, b) => weightOf(a) - weightOf(b))
  bench.add(least ?? { case: CASE, name, figures: {}, failure: 'every one was answered with 503' })
}

/** What else the server does meanwhile only adds to either. */
const weightOf = ({ figures: { dynamodbRequests = 0, writeUnits = 0, readUnits = 0 } }: Row): number =>
  dynamodbRequests + (writeUnits + readUnits) / 1000

function countRow(name: string, { requests, writeUnits, readUnits, statements }: DynamodbCounts, times: number): Row {
  const sum = (counts: Record<string, number>) => Object.values(counts).reduce((all, count) => all + count, 0)
  const each = Object.entries(requests).map(([operation, count]): [string, number] => [operation, count / times])
  return {
    case: CASE,
    name,
    figures: {
      dynamodbRequests: sum(requests) / times,
      writeUnits: writeUnits / times,
      readUnits: readUnits / times,
      statements: sum(statements) / times,
      ...Object.fromEntries(each.toSorted()),
    },
  }
}

class Unavailable extends Error {}

function asker({ port }: Running, apiKey = API_KEY): Ask {
  return async (method, path, body, headers) => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, {
      method,
      headers: { 'x-api-key': apiKey, ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(30_000),
    })
    const text = await response.text()
    if (response.status === 503) throw new Unavailable(`${method} ${path}: status 503`)
    if (!response.ok) throw new Error(`${method} ${path}: status ${response.status}: ${text.slice(0, 300)}`)
    const answer: unknown = text === '' ? {} : JSON.parse(text)
    return typeof answer === 'object' && answer !== null ? { ...answer } : {}
  }
}
