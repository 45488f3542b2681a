import type { LoadPlan, LoadResult } from './load.ts'
import { cpuSecondsOf, latenciesOf, machineCpuSeconds } from './stats.ts'

/** A load that fails this often has failed; the rest would measure errors. */
const MAX_ERRORS = 100

export interface Meter {
  /** The measured time is over: send nothing more. */
  readonly over: boolean
  /** @param dueMs when the request left, or should have left */
  record(dueMs: number, answeredMs: number): void
  recordLateness(dueMs: number, sentMs: number): void
  fail(reason: string): void
  result(): LoadResult
}

interface Reading {
  atMs: number
  serverCpu: number | undefined
  machineCpu: number
  cpu: NodeJS.CpuUsage
}

/** Measures from the end of the warm-up, from now on, to the end of the plan's time or count. */
export function startMeter(plan: LoadPlan): Meter {
  const latencies: number[] = []
  const lateness: number[] = []
  let errors = 0
  let firstError: string | undefined
  let from: Reading | undefined
  let to: Reading | undefined
  let over = false

  const read = (): Reading => ({
    atMs: performance.now(),
    serverCpu: cpuSecondsOf(plan.serverPid),
    machineCpu: machineCpuSeconds(),
    cpu: process.cpuUsage(),
  })
  const warmUp = setTimeout(() => {
    from = read()
  }, plan.warmUpMs)
  const end = () => {
    over = true
    to ??= read()
    clearTimeout(warmUp)
    clearTimeout(duration)
  }
  const duration = setTimeout(end, plan.warmUpMs + plan.durationMs)

  return {
    get over() {
      return over
    },
    record: (dueMs, answeredMs) => {
      // A closed loop counts what is answered in the measured time; an open one what is due in it, however late its answer.
      const measured = from !== undefined && (plan.ratePerSecond === undefined ? !over : dueMs >= from.atMs)
      if (!measured) return
      latencies.push(answeredMs - dueMs)
      if (latencies.length === plan.maxRequests) end()
    },
    recordLateness: (dueMs, sentMs) => {
      if (from !== undefined && dueMs >= from.atMs) lateness.push(sentMs - dueMs)
    },
    fail: (reason) => {
      errors++
      firstError ??= reason
      if (errors >= MAX_ERRORS) end()
    },
    result: () => {
      end()
      const counted = { ...latenciesOf(latencies), requests: latencies.length, errors, ...(firstError !== undefined && { firstError }) }
      if (from === undefined || to === undefined) return { ...counted, seconds: 0, requestsPerSecond: 0, generatorCpuSeconds: 0 }
      const seconds = (to.atMs - from.atMs) / 1000
      const generatorCpuSeconds = (to.cpu.user + to.cpu.system - from.cpu.user - from.cpu.system) / 1e6
      const machineCpu = to.machineCpu - from.machineCpu
      const othersOf = (serverCpuSeconds: number) => ({
        serverCpuSeconds,
        otherCpuSeconds: Math.max(0, machineCpu - serverCpuSeconds - generatorCpuSeconds),
      })
      const late = latenciesOf(lateness)
      return {
        ...counted,
        seconds,
        requestsPerSecond: latencies.length / seconds,
        generatorCpuSeconds,
        ...(from.serverCpu !== undefined && to.serverCpu !== undefined && othersOf(to.serverCpu - from.serverCpu)),
        ...(lateness.length > 0 && { lateP50Ms: late.p50Ms, lateP99Ms: late.p99Ms }),
      }
    },
  }
}
