/** What the bench asks of the load generator's process, and what comes back. */
import type { Target } from './samples.ts'
import type { Latencies } from './stats.ts'

export interface LoadPlan {
  port: number
  /** Whose CPU is read at both ends of the measured time. */
  serverPid: number
  connections: number
  /** Sent in turn, from the first again after the last. */
  targets: Target[]
  /** The development key where it is absent. */
  apiKey?: string
  /** Every request is signed with it, once, when the load begins: a load is shorter than the window of a signature. */
  signingSecret?: string
  /** The load ends when so many were sent, those of the warm-up too. */
  maxSent?: number
  /** Every answer's status, and what its body has; anything else counts as an error. */
  status: number
  contains?: string
  warmUpMs: number
  durationMs: number
  /** The measured time ends when so many were answered in it. */
  maxRequests?: number
  /** Open loop: requests leave at this rate whatever the answers do, and latency counts from when each was due. */
  ratePerSecond?: number
}

export interface LoadResult extends Latencies {
  requests: number
  seconds: number
  requestsPerSecond: number
  errors: number
  firstError?: string
  /** User and system; undefined where there is no /proc. */
  serverCpuSeconds?: number
  generatorCpuSeconds: number
  /** Of the machine's other programs, its kernel included. */
  otherCpuSeconds?: number
  /** Open loop: how late requests left, for want of a free connection or of a punctual timer. */
  lateP50Ms?: number
  lateP99Ms?: number
}

export type LoadReply = { result: LoadResult } | { failure: string }

/** How long answers may take after the last request, before the load counts as stalled. */
export const DRAIN_MS = 15_000
