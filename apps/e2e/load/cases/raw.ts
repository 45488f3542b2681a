/** The machine's own limits below HTTP: the store's writer alone, what its indexes cost, and the disk. */
import type { Bench } from '../context.ts'
import type { Inserted } from '../store-process.ts'

const TIMEOUT_MS = 120_000

export async function fsyncs(bench: Bench): Promise<void> {
  const figures = await bench.processes.store({ type: 'fsync', directory: bench.newFolder(), count: bench.settings.fsyncs }, TIMEOUT_MS)
  bench.add({ case: 'disk', name: 'write 4 KiB + fsync', figures: { ...figures } })
}

/** Group commits of the same rows into the same tables, from one thread. */
export async function rawInserts(bench: Bench): Promise<void> {
  for (const batch of [1, 25, 128, 800]) {
    const { durationMs } = bench.settings
    const task = { type: 'insert', dataDirectory: bench.newFolder(), batch, maxEvents: 5_000_000, maxSeconds: durationMs / 1000 } as const
    const inserted = await bench.processes.store(task, TIMEOUT_MS)
    bench.add({
      case: 'raw inserts',
      name: `${batch} a commit`,
      figures: { eventsPerSecond: inserted.events / inserted.seconds, ...perEvent(inserted) },
    })
  }
}

const perEvent = ({ events, seconds, cpuSeconds }: Inserted) => ({
  usPerEvent: (seconds / events) * 1e6,
  cpuUsPerEvent: (cpuSeconds / events) * 1e6,
})

const BATCH = 128

/** Runs with one thing left out, in turns with runs of the whole: the differences are what it costs a create. */
export async function indexCosts(bench: Bench): Promise<void> {
  const indexes = await bench.processes.store({ type: 'indexes', dataDirectory: bench.newFolder() }, TIMEOUT_MS)
  const variants = [
    { name: 'all', change: {} },
    ...indexes.map((index) => ({ name: `index ${index}`, change: { withoutIndex: index } })),
    { name: 'no metadata key', change: { metadataKeys: 0 } },
    { name: '5 metadata keys', change: { metadataKeys: 5 } },
    { name: 'idempotency key', change: { idempotencyKeys: true } },
  ]
  const runs = new Map(variants.map(({ name }) => [name, [] as ReturnType<typeof perEvent>[]]))
  for (let round = 0; round < bench.settings.costRounds; round++) {
    for (const { name, change } of variants) {
      const task = {
        type: 'insert',
        dataDirectory: bench.newFolder(),
        batch: BATCH,
        maxEvents: bench.settings.costEvents,
        maxSeconds: 30,
        ...change,
      } as const
      runs.get(name)?.push(perEvent(await bench.processes.store(task, TIMEOUT_MS)))
    }
  }
  // The least of the rounds: what other programs do to a run only adds to it.
  const least = (name: string) => ({
    usPerEvent: Math.min(...(runs.get(name) ?? []).map((run) => run.usPerEvent)),
    cpuUsPerEvent: Math.min(...(runs.get(name) ?? []).map((run) => run.cpuUsPerEvent)),
  })
  const add = (name: string, more: string, less: string, divisor = 1) => {
    const [a, b] = [least(more), least(less)]
    bench.add({
      case: 'cost of a create',
      name,
      figures: { costUs: (a.usPerEvent - b.usPerEvent) / divisor, costCpuUs: (a.cpuUsPerEvent - b.cpuUsPerEvent) / divisor },
    })
  }
  bench.add({
    case: 'cost of a create',
    name: 'all indexes, 1 metadata key',
    figures: { costUs: least('all').usPerEvent, costCpuUs: least('all').cpuUsPerEvent },
  })
  for (const index of indexes) add(`of it: ${index}`, 'all', `index ${index}`)
  add('of it: the metadata key', 'all', 'no metadata key')
  add('each further metadata key', '5 metadata keys', 'all', 4)
  add('an idempotency key', 'idempotency key', 'all')
}
