import { type Bench, loadRow, middle, type Row } from '../context.ts'
import type { Running } from '../processes.ts'
import { API_KEY, RARE_SOURCE, RARE_TENANT, type Target, VARIANTS } from '../samples.ts'

const PAGE = 50
const FILL_BATCH = 1000
const FILL_SECONDS = 180
const PAGES_LIMIT_MS = 30_000

/** @returns ids of events in the folder's store, evenly spread, after `events` were put there as pending */
async function fill(bench: Bench, dataDirectory: string, events: number, ids: number): Promise<string[]> {
  const task = { type: 'insert', dataDirectory, batch: FILL_BATCH, maxEvents: events, maxSeconds: FILL_SECONDS, ids } as const
  const inserted = await bench.processes.store(task, (FILL_SECONDS + 60) * 1000)
  if (inserted.events < events) throw new Error(`The store took ${inserted.events} of ${events} events in ${FILL_SECONDS} s.`)
  return inserted.ids
}

/** A server with a backlog, and the requests that read it. */
interface Backlog {
  name: string
  server: Running
  kinds: { name: string; paths: string[]; events?: number }[]
}

async function startBacklog(bench: Bench, backlog: number): Promise<Backlog> {
  const dataDirectory = bench.newFolder()
  const ids = await fill(bench, dataDirectory, backlog, 500)
  const server = await bench.processes.startServer(dataDirectory)
  const page = `/v1/inbox?limit=${PAGE}`
  const everyFifth = ids.filter((_, index) => index % 5 === 0)
  const times = await Promise.all(everyFifth.map(async (id) => String((await read(server, `/v1/events/${id}`))['created_at'])))
  const rare = Math.min(PAGE, backlog / VARIANTS)
  const kinds = [
    { name: 'first page', paths: [page], events: PAGE },
    { name: 'page anywhere', paths: times.map((time) => `${page}&created_after=${time}`) },
    { name: 'rare metadata', paths: [`${page}&metadata.tenant=${RARE_TENANT}`], events: rare },
    { name: 'rare source', paths: [`${page}&source=${RARE_SOURCE}`], events: rare },
    { name: 'get by id', paths: ids.map((id) => `/v1/events/${id}`) },
  ]
  // A page that is fast because it is empty would be no result.
  for (const { paths, events } of kinds) if (events !== undefined) await checkPage(server, paths[0] ?? page, events)
  return { name: countName(backlog), server, kinds }
}

/** Pages and gets, one after the other, against backlogs of different sizes. */
export async function inboxPages(bench: Bench): Promise<void> {
  const { warmUpMs, heatUpMs, pageSamples, rounds } = bench.settings
  const backlogs: Backlog[] = []
  for (const backlog of bench.settings.backlogs) backlogs.push(await startBacklog(bench, backlog))

  const load = (server: Running, paths: string[], durationMs: number, maxRequests: number) => {
    const targets = paths.map((path): Target => ({ method: 'GET', path }))
    const plan = { port: server.port, serverPid: server.pid, connections: 1, targets, status: 200, warmUpMs, durationMs, maxRequests }
    return bench.processes.load(plan)
  }
  // Every kind in turn, until the program runs compiled code: else the first one measured pays for all.
  for (const { server, kinds } of backlogs) {
    const mixed = kinds.flatMap(({ paths }) => paths.slice(0, 1))
    await load(server, mixed, heatUpMs, Number.MAX_SAFE_INTEGER)
  }
  const runs = new Map<string, Row[]>()
  for (let round = 0; round < rounds; round++) {
    for (const [index, { name }] of (backlogs[0]?.kinds ?? []).entries()) {
      for (const backlog of backlogs) {
        const rowName = `${name}, ${backlog.name}`
        const row = loadRow('inbox', rowName, await load(backlog.server, backlog.kinds[index]?.paths ?? [], PAGES_LIMIT_MS, pageSamples))
        runs.set(rowName, [...(runs.get(rowName) ?? []), row])
      }
    }
  }
  for (const rows of runs.values()) bench.add(middle(rows))
  await Promise.all(backlogs.map(({ server }) => server.stop()))
}

export const countName = (count: number) =>
  count >= 1_000_000 ? `${count / 1_000_000} M` : count >= 1000 ? `${count / 1000} k` : String(count)

async function read(server: Running, path: string): Promise<Record<string, unknown>> {
  const response = await fetch(`http://127.0.0.1:${server.port}${path}`, {
    headers: { 'x-api-key': API_KEY },
    signal: AbortSignal.timeout(10_000),
  })
  const body: unknown = await response.json()
  if (response.status !== 200 || typeof body !== 'object' || body === null) throw new Error(`GET ${path}: status ${response.status}`)
  return { ...body }
}

async function checkPage(server: Running, path: string, expected: number): Promise<void> {
  const { events } = await read(server, path)
  const found = Array.isArray(events) ? events.length : 0
  if (found !== expected) throw new Error(`GET ${path} has ${found} events, not ${expected}.`)
}

/** Of each load, in turn: enough for the fastest machine. One that comes to the end of its events ends early. */
const ACKS = [
  { name: 'heating up', connections: 32, events: 12_000 },
  { name: '1 connection', connections: 1, events: 30_000 },
  { name: '32 connections', connections: 32, events: 120_000 },
]

/** Each event acknowledged once. */
export async function acks(bench: Bench): Promise<void> {
  const dataDirectory = bench.newFolder()
  const total = ACKS.reduce((sum, { events }) => sum + events, 0)
  const ids = await fill(bench, dataDirectory, total, total)
  const server = await bench.processes.startServer(dataDirectory)
  const { warmUpMs, heatUpMs, durationMs } = bench.settings
  let used = 0
  for (const [index, { name, connections, events }] of ACKS.entries()) {
    const targets = ids.slice(used, used + events).map((id): Target => ({ method: 'POST', path: `/v1/events/${id}/ack` }))
    used += events
    const plan = { port: server.port, serverPid: server.pid, connections, targets, maxSent: events, status: 200 }
    const result = await bench.processes.load({ ...plan, warmUpMs, durationMs: index === 0 ? heatUpMs : durationMs })
    if (index > 0) bench.add(loadRow('acks', name, result))
  }
  await server.stop()
}
