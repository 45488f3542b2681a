import { type Bench, loadRow, middle, type Row } from '../context.ts'
import type { Running } from '../processes.ts'
import { cpuSecondsOf } from '../stats.ts'
import type { WebhookResult, WebhookTask } from '../webhook-process.ts'
import { createPlan, heatUp } from './creates.ts'

const RATE_PER_SECOND = 200
const SUSTAINED_PER_SECOND = 1000
const MANY = 50
const HANGING = 10
const COST_ROUNDS = 4

/** From 201 to the receiver; many webhooks of which some hang; how many deliveries a second; what a create pays for it. */
export async function webhooks(bench: Bench): Promise<void> {
  await latencies(bench)
  await throughput(bench)
  await costOfCreates(bench)
}

/** Each on a server of its own, with the receivers in a process of their own. */
async function withReceivers(bench: Bench, use: (ask: (task: WebhookTask) => Promise<WebhookResult>, server: Running) => Promise<void>) {
  const server = await bench.processes.startServer(bench.newFolder())
  await bench.processes.webhooks(async (ask) => use(ask, server))
  await server.stop()
}

async function latencies(bench: Bench): Promise<void> {
  const { warmUpMs, durationMs } = bench.settings
  const kinds = [
    { name: `1 webhook, ${RATE_PER_SECOND} events/s`, webhooks: 1, hanging: 0 },
    { name: `${MANY} webhooks`, webhooks: MANY, hanging: 0 },
    { name: `${MANY} webhooks, ${HANGING} hang`, webhooks: MANY, hanging: HANGING },
  ]
  for (const { name, ...receivers } of kinds) {
    const rows: Row[] = []
    for (let round = 0; round < bench.settings.rounds; round++) {
      await withReceivers(bench, async (ask, { port, pid }) => {
        await ask({ type: 'subscribe', port, ...receivers })
        const before = cpuSecondsOf(pid)
        const result = await ask({ type: 'latency', port, ratePerSecond: RATE_PER_SECOND, warmUpMs: warmUpMs * 3, durationMs })
        rows.push(webhookRow(name, result, cpuOf(pid, before)))
      })
    }
    bench.add(middle(rows, 'p99Ms'))
  }
}

async function throughput(bench: Bench): Promise<void> {
  const { warmUpMs, durationMs, quick } = bench.settings
  await withReceivers(bench, async (ask, { port, pid }) => {
    await ask({ type: 'subscribe', port, webhooks: 1, hanging: 0 })
    const before = cpuSecondsOf(pid)
    const result = await ask({
      type: 'latency',
      port,
      ratePerSecond: SUSTAINED_PER_SECOND,
      warmUpMs: warmUpMs * 3,
      durationMs: durationMs * 2,
    })
    bench.add(webhookRow(`1 webhook, ${SUSTAINED_PER_SECOND} events/s`, result, cpuOf(pid, before)))
    const drainBefore = cpuSecondsOf(pid)
    const drained = await ask({ type: 'drain', port, events: quick ? 5000 : 30_000 })
    bench.add(webhookRow('1 webhook, a backlog', drained, cpuOf(pid, drainBefore)))
  })
}

function webhookRow(
  name: string,
  { deliveries, seconds, missing, p50Ms, p95Ms, p99Ms }: WebhookResult,
  cpuSeconds: number | undefined,
): Row {
  return {
    case: 'webhooks',
    name,
    figures: {
      deliveriesPerSecond: deliveries / seconds,
      ...(p50Ms !== undefined && { p50Ms }),
      ...(p95Ms !== undefined && { p95Ms }),
      ...(p99Ms !== undefined && { p99Ms }),
      samples: deliveries,
      ...(cpuSeconds !== undefined && { serverCpuSeconds: cpuSeconds }),
    },
    ...(missing > 0 && { failure: `${missing} events were not delivered` }),
  }
}

function cpuOf(pid: number, before: number | undefined): number | undefined {
  const after = cpuSecondsOf(pid)
  return before === undefined || after === undefined ? undefined : after - before
}

/** Single creates on a server without webhooks, and on one with a webhook that nothing matches, in turns. */
async function costOfCreates(bench: Bench): Promise<void> {
  const kinds: { name: string; server: Running }[] = []
  for (const name of ['no webhook', 'a webhook that nothing matches']) {
    kinds.push({ name, server: await bench.processes.startServer(bench.newFolder()) })
  }
  await bench.processes.webhooks(async (ask) => {
    for (const { server } of kinds.slice(1)) {
      // Its only webhook but one wants `bench.0`: the load sends other types.
      await ask({ type: 'subscribe', port: server.port, webhooks: 2, hanging: 0 })
    }
    for (const { server } of kinds) await heatUp(bench, createPlan(bench, server, 128))
    const rows = new Map<string, Row[]>()
    const slice = { warmUpMs: 200, durationMs: 1000 }
    for (let round = 0; round < bench.settings.rounds * COST_ROUNDS; round++) {
      for (const { name, server } of kinds) {
        const row = loadRow('creates beside webhooks', name, await bench.processes.load({ ...createPlan(bench, server, 128), ...slice }))
        rows.set(name, [...(rows.get(name) ?? []), row])
      }
    }
    for (const ofKind of rows.values()) bench.add(middle(ofKind))
  })
  for (const { server } of kinds) await server.stop()
}
