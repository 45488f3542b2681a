/** `pnpm bench`: starts the server, drives it over loopback, measures the machine's own limits beside it. See README.md. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { access, bulkCreates, openLoop, singleCreates } from './cases/creates.ts'
import { dynamodb } from './cases/dynamodb.ts'
import { acks, inboxPages } from './cases/inbox.ts'
import { memory } from './cases/memory.ts'
import { fsyncs, indexCosts, rawInserts } from './cases/raw.ts'
import { start } from './cases/start.ts'
import { webhooks } from './cases/webhooks.ts'
import { type Bench, type Case, FULL, QUICK, type Row } from './context.ts'
import { createProcesses, ROOT } from './processes.ts'
import { buildReport, formatCase, formatReport } from './report.ts'
import { machineCpuSeconds } from './stats.ts'

const CASES: Record<string, Case> = {
  fsync: fsyncs,
  creates: singleCreates,
  'open-loop': openLoop,
  bulk: bulkCreates,
  raw: rawInserts,
  costs: indexCosts,
  inbox: inboxPages,
  acks,
  access,
  webhooks,
  dynamodb,
  memory,
  start,
}

const USAGE = `Usage: pnpm bench [--quick] [--only <case,…>] [--json <file>]
Cases: ${Object.keys(CASES).join(', ')}
`

/** @returns the exit code */
async function main(): Promise<number> {
  const { values } = parseArgs({
    options: { quick: { type: 'boolean' }, only: { type: 'string' }, json: { type: 'string' }, help: { type: 'boolean' } },
  })
  const names = values.only?.split(',') ?? Object.keys(CASES)
  if (values.help || names.some((name) => CASES[name] === undefined)) {
    process.stdout.write(USAGE)
    return values.help ? 0 : 1
  }
  const results = join(ROOT, 'bench-results')
  mkdirSync(results, { recursive: true })
  // On the checkout's disk: the system's temporary folder is in memory on many machines, where an fsync costs nothing.
  const temporary = mkdtempSync(join(results, 'tmp-'))
  const processes = createProcesses()
  const cleanUp = () => {
    processes.killAll()
    rmSync(temporary, { recursive: true, force: true, maxRetries: 3 })
  }
  process.on('exit', cleanUp)
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => process.exit(1))

  const busyBefore = await busyPercent()
  const beginMs = performance.now()
  const rows: Row[] = []
  const bench: Bench = {
    settings: values.quick ? QUICK : FULL,
    processes,
    rows,
    newFolder: () => mkdtempSync(join(temporary, 'data-')),
    removeFolders: () => {
      rmSync(temporary, { recursive: true, force: true, maxRetries: 3 })
      mkdirSync(temporary)
    },
    add: (row) => rows.push(row),
  }
  for (const name of Object.keys(CASES).filter((name) => names.includes(name))) await runCase(bench, name)

  const report = buildReport(rows, bench.settings, (performance.now() - beginMs) / 1000, busyBefore)
  const json = `${JSON.stringify(report, null, 2)}\n`
  const files = new Set([join(results, 'bench.json'), ...(values.json === undefined ? [] : [resolve(values.json)])])
  for (const file of files) {
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, json)
  }
  process.stdout.write(`\n${formatReport(report)}JSON: ${[...files].join(', ')}\n`)
  return rows.some((row) => row.failure !== undefined) ? 1 : 0
}

/** What others take of the machine's cores: figures from a busy one are worth less. */
async function busyPercent(): Promise<number> {
  const before = machineCpuSeconds()
  await sleep(1000)
  return ((machineCpuSeconds() - before) / cpus().length) * 100
}

/** A case that fails ends with a row that says why; the others still run. */
async function runCase(bench: Bench, name: string): Promise<void> {
  process.stderr.write(`${name} …\n`)
  const before = bench.rows.length
  try {
    await CASES[name]?.(bench)
  } catch (error) {
    bench.add({ case: name, name: 'stopped', figures: {}, failure: error instanceof Error ? error.message : String(error) })
  }
  await bench.processes.stopAll()
  bench.removeFolders()
  const added = bench.rows.slice(before)
  for (const ofCase of new Set(added.map((row) => row.case))) {
    process.stderr.write(
      `${formatCase(
        ofCase,
        added.filter((row) => row.case === ofCase),
      )}\n\n`,
    )
  }
}

process.exitCode = await main()
