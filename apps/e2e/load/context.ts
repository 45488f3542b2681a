/** What the cases share, and what they write down. */
import type { LoadResult } from './load.ts'
import type { Processes } from './processes.ts'

export interface Settings {
  quick: boolean
  /** At the start of each load. */
  warmUpMs: number
  /** Of each server at full load, before it is measured. */
  heatUpMs: number
  durationMs: number
  /** Runs of which the middle one counts, where servers are compared: in turns, so that all meet the same machine. */
  rounds: number
  /** Pending events of the inbox case, rising. */
  backlogs: number[]
  /** Events written and read before memory is looked at. */
  memoryEvents: number
  /** Pages and gets of each kind in each round. */
  pageSamples: number
  /** Events of each raw run that weighs an index or a metadata key. */
  costEvents: number
  costRounds: number
  fsyncs: number
  starts: number
  /** Pending events on DynamoDB when pages are counted, rising. */
  dynamodbBacklogs: number[]
  /** Of each operation on DynamoDB, each counted alone. */
  countSamples: number
}

export const FULL: Settings = {
  quick: false,
  warmUpMs: 1000,
  heatUpMs: 3000,
  durationMs: 6000,
  rounds: 3,
  backlogs: [1000, 100_000, 1_000_000],
  memoryEvents: 1_000_000,
  pageSamples: 500,
  costEvents: 60_000,
  costRounds: 5,
  fsyncs: 500,
  starts: 3,
  dynamodbBacklogs: [100, 5000, 20_000],
  countSamples: 25,
}

export const QUICK: Settings = {
  quick: true,
  warmUpMs: 500,
  heatUpMs: 1500,
  durationMs: 2000,
  rounds: 1,
  backlogs: [1000, 100_000],
  memoryEvents: 100_000,
  pageSamples: 300,
  costEvents: 20_000,
  costRounds: 3,
  fsyncs: 500,
  starts: 1,
  dynamodbBacklogs: [100, 5000],
  countSamples: 11,
}

/** One line of a case's table. */
export interface Row {
  case: string
  name: string
  figures: Record<string, number>
  /** Why the figures do not count. */
  invalid?: string
  failure?: string
}

export interface Bench {
  settings: Settings
  processes: Processes
  rows: Row[]
  /** A new empty folder on the disk that is measured; removed when the case is over. */
  newFolder(): string
  removeFolders(): void
  add(row: Row): void
}

export type Case = (bench: Bench) => Promise<void>

export function figure(rows: readonly Row[], ofCase: string, name: string, key: string): number | undefined {
  return rows.find((row) => row.case === ofCase && row.name === name)?.figures[key]
}

/** Above it the generator is what the run measures. */
const GENERATOR_LIMIT = 0.9

/** @param eventsPerRequest also reports events/s, and CPU by event, when it is more than one */
export function loadRow(ofCase: string, name: string, result: LoadResult, eventsPerRequest = 1): Row {
  const events = result.requests * eventsPerRequest
  const generatorShare = result.generatorCpuSeconds / result.seconds
  return {
    case: ofCase,
    name,
    figures: {
      requestsPerSecond: result.requestsPerSecond,
      ...(eventsPerRequest > 1 && { eventsPerSecond: events / result.seconds }),
      p50Ms: result.p50Ms,
      p95Ms: result.p95Ms,
      p99Ms: result.p99Ms,
      ...(result.lateP50Ms !== undefined && { lateP50Ms: result.lateP50Ms }),
      ...(result.lateP99Ms !== undefined && { lateP99Ms: result.lateP99Ms }),
      errors: result.errors,
      samples: result.requests,
      ...(result.serverCpuSeconds !== undefined && {
        [eventsPerRequest > 1 ? 'serverCpuUsPerEvent' : 'serverCpuUs']: (result.serverCpuSeconds / events) * 1e6,
        serverCpuPercent: (result.serverCpuSeconds / result.seconds) * 100,
      }),
      generatorCpuPercent: generatorShare * 100,
      ...(result.otherCpuSeconds !== undefined && { otherCpuPercent: (result.otherCpuSeconds / result.seconds) * 100 }),
    },
    ...(generatorShare > GENERATOR_LIMIT && { invalid: 'generator-bound' }),
    ...(result.requests === 0 && { failure: 'nothing was answered in the measured time' }),
    ...(result.errors > 0 && { failure: `${result.errors} errors, the first: ${result.firstError}` }),
  }
}

/** The run whose figure is the median; a failed one rather than any other. */
export function middle(rows: Row[], key = 'requestsPerSecond'): Row {
  const sorted = rows.toSorted((a, b) => (a.figures[key] ?? 0) - (b.figures[key] ?? 0))
  const row = rows.find((row) => row.failure !== undefined) ?? sorted[Math.floor((sorted.length - 1) / 2)]
  if (row === undefined) throw new Error('No run was made.')
  return row
}
