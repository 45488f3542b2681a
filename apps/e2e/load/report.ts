import { cpus, totalmem } from 'node:os'
import type { Row, Settings } from './context.ts'
import { type Ratio, ratiosOf } from './targets.ts'

const HEADINGS: Record<string, string> = {
  requestsPerSecond: 'requests/s',
  eventsPerSecond: 'events/s',
  deliveriesPerSecond: 'deliveries/s',
  p50Ms: 'p50 ms',
  p95Ms: 'p95 ms',
  p99Ms: 'p99 ms',
  p99ToP50: 'p99/p50',
  ofBare: 'of bare',
  lateP50Ms: 'late p50',
  lateP99Ms: 'late p99',
  serverCpuUs: 'server CPU µs/req',
  serverCpuUsPerEvent: 'server CPU µs/event',
  serverCpuSeconds: 'server CPU s',
  serverCpuPercent: 'server CPU %',
  generatorCpuPercent: 'generator CPU %',
  otherCpuPercent: 'others CPU %',
  usPerEvent: 'µs/event',
  cpuUsPerEvent: 'CPU µs/event',
  costUs: 'µs',
  costCpuUs: 'CPU µs',
  rssMb: 'RSS MB',
  peakMb: 'peak MB',
  cpuPercent: 'CPU %',
  slowestSeconds: 'slowest',
  dynamodbRequests: 'requests',
  writeUnits: 'write units',
  readUnits: 'read units',
}

export interface Report {
  at: string
  mode: 'full' | 'quick'
  machine: { cpu: string; cores: number; memoryGb: number; platform: string; node: string; busyBeforePercent: number }
  seconds: number
  results: Row[]
  ratios: Ratio[]
}

export function buildReport(rows: Row[], settings: Settings, seconds: number, busyBeforePercent: number): Report {
  return {
    at: new Date().toISOString(),
    mode: settings.quick ? 'quick' : 'full',
    machine: {
      cpu: cpus()[0]?.model ?? 'unknown',
      cores: cpus().length,
      memoryGb: Math.round(totalmem() / 1e9),
      platform: `${process.platform} ${process.arch}`,
      node: process.version,
      busyBeforePercent,
    },
    seconds,
    results: rows,
    ratios: ratiosOf(rows),
  }
}

export function formatReport({ mode, machine, seconds, results, ratios }: Report): string {
  const tables = [...new Set(results.map((row) => row.case))].map((name) =>
    formatCase(
      name,
      results.filter((row) => row.case === name),
    ),
  )
  const verdicts = ratios.map(({ name, value, unit, target, verdict }) => [
    name,
    value === undefined ? '' : `${formatNumber(value)} ${unit}`.trim(),
    `${target} ${unit}`.trim(),
    verdict.toUpperCase(),
  ])
  return [
    `${machine.cores} × ${machine.cpu}, ${machine.memoryGb} GB, ${machine.platform}, Node ${machine.node}; ${Math.round(machine.busyBeforePercent)} % busy before; ${mode} run of ${Math.round(seconds)} s`,
    ...tables,
    formatTable([['what it must reach', 'measured', 'target', ''], ...verdicts]),
    '',
  ].join('\n\n')
}

export function formatCase(name: string, rows: Row[]): string {
  const keys = [...new Set(rows.flatMap((row) => Object.keys(row.figures)))]
  const head = [name, ...keys.map((key) => HEADINGS[key] ?? key), '']
  const lines = rows.map((row) => {
    const figures = keys.map((key) => (row.figures[key] === undefined ? '' : formatNumber(row.figures[key])))
    const remark = [row.invalid && `INVALID: ${row.invalid}`, row.failure && `FAILED: ${row.failure}`].filter(Boolean).join('; ')
    return [row.name, ...figures, remark]
  })
  return formatTable([head, ...lines])
}

function formatNumber(value: number): string {
  const digits = Math.abs(value) >= 100 || Number.isInteger(value) ? 0 : Math.abs(value) >= 10 ? 1 : 2
  return value.toFixed(digits)
}

/** The first column to the left, figures to the right, the last as it is. */
function formatTable(lines: string[][]): string {
  const widths = (lines[0] ?? []).map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)))
  const pad = (cell: string, column: number, last: number) => {
    if (column === last) return cell
    return column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)
  }
  return lines
    .map((line) =>
      line
        .map((cell, column) => pad(cell, column, line.length - 1))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}
