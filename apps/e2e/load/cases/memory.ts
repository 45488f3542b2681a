import { setTimeout as sleep } from 'node:timers/promises'
import { type Bench, loadRow, type Row } from '../context.ts'
import type { Running } from '../processes.ts'
import { API_KEY, BULK_SIZE, bulkTargets } from '../samples.ts'
import { cpuSecondsOf, memoryOf } from '../stats.ts'
import { countName } from './inbox.ts'

const IDLE_MS = 5000
const WRITE_LIMIT_MS = 240_000
const READ_LIMIT_MS = 240_000
const PAGE = 100

/** The server's resident memory: idle, and after many events were written and read over HTTP. */
export async function memory(bench: Bench): Promise<void> {
  const events = bench.settings.memoryEvents
  const server = await bench.processes.startServer(bench.newFolder())
  const cpuPercent = await idleCpu(server)
  bench.add(memoryRow('idle', server, { cpuPercent }))

  const written = await bench.processes.load({
    port: server.port,
    serverPid: server.pid,
    connections: 32,
    targets: bulkTargets(),
    maxSent: events / BULK_SIZE,
    status: 201,
    contains: '"failed":[]',
    warmUpMs: 0,
    durationMs: WRITE_LIMIT_MS,
  })
  bench.add(loadRow('memory', `writing ${countName(events)}, bulk`, written, BULK_SIZE))
  bench.add(memoryRow(`${countName(events)} written`, server))

  const beginMs = performance.now()
  const read = await readInbox(server, events)
  bench.add({
    case: 'memory',
    name: `reading ${countName(read)}, pages`,
    figures: { eventsPerSecond: read / ((performance.now() - beginMs) / 1000) },
  })
  // Whoever follows the cursors must see each event once.
  const failure = read === events ? {} : { failure: `${read} events were read, of ${events} written` }
  bench.add({ ...memoryRow(`${countName(events)} read`, server), ...failure })
  // A server that nobody talks to must come to rest again.
  const cpuPercentAfter = await idleCpu(server)
  bench.add(memoryRow('idle again', server, { cpuPercent: cpuPercentAfter }))
  await server.stop()
}

function memoryRow(name: string, server: Running, figures: Record<string, number> = {}): Row {
  return { case: 'memory', name, figures: { ...memoryOf(server.pid), ...figures } }
}

async function idleCpu(server: Running): Promise<number> {
  const before = cpuSecondsOf(server.pid) ?? Number.NaN
  await sleep(IDLE_MS)
  return (((cpuSecondsOf(server.pid) ?? Number.NaN) - before) / (IDLE_MS / 1000)) * 100
}

/** Follows the inbox's cursors to their end, or to one page beyond what there should be. */
async function readInbox(server: Running, expected: number): Promise<number> {
  const untilMs = performance.now() + READ_LIMIT_MS
  let count = 0
  let cursor: string | null = ''
  while (cursor !== null && count <= expected) {
    if (performance.now() > untilMs) throw new Error(`Read ${count} of ${expected} events in ${READ_LIMIT_MS / 1000} s.`)
    const query: string = cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`
    const response = await fetch(`http://127.0.0.1:${server.port}/v1/inbox?limit=${PAGE}${query}`, {
      headers: { 'x-api-key': API_KEY },
      signal: AbortSignal.timeout(10_000),
    })
    if (response.status !== 200) throw new Error(`An inbox page was answered with ${response.status}.`)
    // The contract's form; anything else fails right below.
    const page = (await response.json()) as { events: unknown[]; pagination: { next_cursor: string | null } }
    count += page.events.length
    cursor = page.pagination.next_cursor
  }
  return count
}
