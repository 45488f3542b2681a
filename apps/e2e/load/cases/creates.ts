import { type Bench, figure, loadRow, middle } from '../context.ts'
import type { LoadPlan, LoadResult } from '../load.ts'
import type { Running } from '../processes.ts'
import { BULK_SIZE, bulkTargets, createTargets } from '../samples.ts'
import { median } from '../stats.ts'

export function createPlan({ settings }: Bench, { port, pid }: Running, connections: number): LoadPlan {
  const { warmUpMs, durationMs } = settings
  return { port, serverPid: pid, connections, targets: createTargets(), status: 201, warmUpMs, durationMs }
}

/** Until the program runs compiled code: one connection alone would take long to get there. */
export async function heatUp(bench: Bench, plan: LoadPlan): Promise<void> {
  await bench.processes.load({ ...plan, connections: 32, durationMs: bench.settings.heatUpMs })
}

/** A few microseconds are looked for, and the machine's speed varies by more than that from one second to the next: many short turns. */
const TURNS = 6
const TURN = { warmUpMs: 200, durationMs: 1000 }

/** Loads with each plan in turns, so that all meet the same machine. @returns of each turn the results, by the plans' names */
async function inTurns<Name extends string>({ processes, settings }: Bench, plans: Record<Name, LoadPlan>) {
  const turns: Record<string, LoadResult>[] = []
  for (let turn = 0; turn < settings.rounds * TURNS; turn++) {
    const results: Record<string, LoadResult> = {}
    for (const [name, plan] of Object.entries<LoadPlan>(plans)) results[name] = await processes.load({ ...plan, ...TURN })
    turns.push(results)
  }
  // Each has a result for each plan.
  return turns as Record<Name, LoadResult>[]
}

/** Single creates beside the bare handler, in many turns, so that both meet the same machine. */
export async function singleCreates(bench: Bench): Promise<void> {
  const server = await bench.processes.startServer(bench.newFolder())
  const bare = await bench.processes.startBareHandler()
  for (const running of [server, bare]) await heatUp(bench, createPlan(bench, running, 32))
  for (const connections of [1, 32, 128]) {
    const turns = await inTurns(bench, {
      bare: createPlan(bench, bare, connections),
      triggers: createPlan(bench, server, connections),
    })
    const ratios = turns.map((turn) => turn.triggers.requestsPerSecond / turn.bare.requestsPerSecond)
    const triggers = middle(turns.map((turn) => loadRow('single creates', at(connections), turn.triggers)))
    bench.add({ ...triggers, figures: { ...triggers.figures, ofBare: median(ratios) } })
    bench.add(middle(turns.map((turn) => loadRow('bare handler', at(connections), turn.bare))))
  }
  await Promise.all([server.stop(), bare.stop()])
}

/** What a request of a real key costs beside one of the development key, which is compared and has neither limit nor allowlist. */
export async function access(bench: Bench): Promise<void> {
  const folder = bench.newFolder()
  const restrictions = ['--allowed-ips', '127.0.0.0/8,10.0.0.0/8', '--rate-limit', '1000000000']
  await bench.processes.admin(folder, 'create-workspace', 'bench')
  const plain = keyOf(await bench.processes.admin(folder, 'create-key', '--workspace', 'bench', '--name', 'plain', ...restrictions))
  const signing = ['--require-signature', ...restrictions]
  const signed = keyOf(await bench.processes.admin(folder, 'create-key', '--workspace', 'bench', '--name', 'signed', ...signing))
  const server = await bench.processes.startServer(folder)
  const plan = createPlan(bench, server, 128)
  const kinds = {
    'development key': plan,
    'stored key, allowlist, limit': { ...plan, ...plain },
    '… and signature': { ...plan, ...signed },
  }
  for (const kind of Object.values(kinds)) await heatUp(bench, kind)
  const turns = await inTurns(bench, kinds)
  // It has no other keys: it was made here.
  for (const kind of Object.keys(kinds) as (keyof typeof kinds)[]) {
    const rows = turns.map((turn) => loadRow('access', kind, turn[kind]))
    bench.add(middle(rows, 'serverCpuUs'))
  }
  await server.stop()
}

function keyOf(printed: unknown): { apiKey: string; signingSecret?: string } {
  if (typeof printed !== 'object' || printed === null || !('api_key' in printed)) throw new Error('The command made no key.')
  return {
    apiKey: String(printed.api_key),
    ...('signing_secret' in printed && { signingSecret: String(printed.signing_secret) }),
  }
}

export const at = (connections: number) => `${connections} connection${connections === 1 ? '' : 's'}`

const OPEN_LOOP_RUNS = 3

/** Single creates at half the rate that saturates, whatever the answers do. */
export async function openLoop(bench: Bench): Promise<void> {
  const server = await bench.processes.startServer(bench.newFolder())
  const plan = createPlan(bench, server, 128)
  await heatUp(bench, plan)
  const measured = figure(bench.rows, 'single creates', '128 connections', 'requestsPerSecond')
  const saturated = measured ?? (await bench.processes.load(plan)).requestsPerSecond
  const durationMs = plan.durationMs * OPEN_LOOP_RUNS
  const row = loadRow('open loop', 'half of saturation', await bench.processes.load({ ...plan, durationMs, ratePerSecond: saturated / 2 }))
  row.figures['p99ToP50'] = (row.figures['p99Ms'] ?? Number.NaN) / (row.figures['p50Ms'] ?? Number.NaN)
  bench.add(row)
  await server.stop()
}

export async function bulkCreates(bench: Bench): Promise<void> {
  const server = await bench.processes.startServer(bench.newFolder())
  const plan = { ...createPlan(bench, server, 32), targets: bulkTargets(), contains: '"failed":[]' }
  await heatUp(bench, plan)
  for (const connections of [1, 32]) {
    bench.add(loadRow('bulk creates', at(connections), await bench.processes.load({ ...plan, connections }), BULK_SIZE))
  }
  await server.stop()
}
