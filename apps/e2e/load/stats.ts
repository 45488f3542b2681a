import { readFileSync } from 'node:fs'
import { cpus } from 'node:os'

export interface Latencies {
  p50Ms: number
  p95Ms: number
  p99Ms: number
}

/** @param samples in milliseconds, in any order */
export function latenciesOf(samples: readonly number[]): Latencies {
  const sorted = Float64Array.from(samples).sort()
  const at = (quantile: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * quantile))] ?? Number.NaN
  return { p50Ms: at(0.5), p95Ms: at(0.95), p99Ms: at(0.99) }
}

export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) / 2)] ?? Number.NaN
}

/** Linux's unit of /proc/<pid>/stat, the same on every architecture that Node runs on. */
const TICKS_PER_SECOND = 100

/** CPU that the process, with all its threads, has used in user and system mode; undefined where there is no /proc. */
export function cpuSecondsOf(pid: number): number | undefined {
  const stat = readProc(pid, 'stat')
  if (stat === undefined) return undefined
  // The name in parentheses may contain spaces; behind it, from field 3 on, utime and stime are fields 14 and 15.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
}

/** CPU that all the machine's programs have used since it started. */
export function machineCpuSeconds(): number {
  return cpus().reduce((sum, { times }) => sum + times.user + times.nice + times.sys + times.irq, 0) / 1000
}

/** Resident memory now and at its highest, in MB of 10^6 bytes; undefined where there is no /proc. */
export function memoryOf(pid: number): { rssMb: number; peakMb: number } | undefined {
  const status = readProc(pid, 'status')
  if (status === undefined) return undefined
  const megabytes = (name: string) => (Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) * 1024) / 1e6
  return { rssMb: megabytes('VmRSS'), peakMb: megabytes('VmHWM') }
}

function readProc(pid: number, file: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'latin1')
  } catch {
    return undefined
  }
}
