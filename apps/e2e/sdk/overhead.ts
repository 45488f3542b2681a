/** `node apps/e2e/sdk/overhead.ts [--quick]`: measures what the clients cost, and prints it beside what they set out to reach. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { FULL, QUICK, type Row } from '../load/context.ts'
import { createProcesses, ROOT } from '../load/processes.ts'
import { formatCase } from '../load/report.ts'
import { AIMS, overhead } from './overhead-case.ts'

const { values } = parseArgs({ options: { quick: { type: 'boolean' } } })
const results = join(ROOT, 'bench-results')
mkdirSync(results, { recursive: true })
const temporary = mkdtempSync(join(results, 'tmp-'))
const processes = createProcesses()
const removeFolders = () => rmSync(temporary, { recursive: true, force: true, maxRetries: 3 })
process.on('exit', () => {
  processes.killAll()
  removeFolders()
})
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => process.exit(1))

const rows: Row[] = []
await overhead({
  settings: values.quick ? QUICK : FULL,
  processes,
  rows,
  newFolder: () => mkdtempSync(join(temporary, 'data-')),
  removeFolders,
  add: (row) => {
    process.stderr.write(`${row.case}: ${row.name}\n`)
    rows.push(row)
  },
})
await processes.stopAll()

const verdicts = rows.flatMap(({ case: of, name, figures: { ratio } }) => {
  const aim = AIMS.find((aim) => aim.case === of && name.endsWith(`: ${aim.other}`))?.aim
  if (aim === undefined || ratio === undefined) return []
  return `${of}, ${name}: ${ratio.toFixed(2)} of at least ${aim}: ${ratio >= aim ? 'MET' : 'MISSED'}`
})
const tables = [...new Set(rows.map((row) => row.case))].map((of) =>
  formatCase(
    of,
    rows.filter((row) => row.case === of),
  ),
)
const machine = `${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}, Node ${process.version}, ${values.quick ? 'quick' : 'full'} run`
process.stdout.write(`\n${[machine, ...tables, verdicts.join('\n')].join('\n\n')}\n`)
