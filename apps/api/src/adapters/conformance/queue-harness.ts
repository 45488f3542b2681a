import { randomUUID } from 'node:crypto'
import { expect } from 'vitest'
import type { Job, Queue, ReceivedJob } from '../../webhook-ports.ts'

/** What an adapter hands to the queue's suite; a queue of its own for each test. */
export interface QueueHarness {
  queue: Queue
  /** How often a job is received before it is given up. */
  maxReceives: number
  /** Lets that much time pass by the queue's clock: moves a fake one, waits for a real one. */
  passTime(ms: number): Promise<void>
  /** A second queue object on the same jobs, as a restart or another process opens it. The caller closes it. */
  reopen(): Promise<Queue>
  /** How long a receive must wait before its empty answer means that nothing is visible. */
  sureAfterMs: number
}

/** A visibility that no test outlasts. */
export const LONG_MS = 600_000
/** For a wait that something ends: longer than any test may take. */
export const FOR_EVER_MS = 600_000
/** The most that any queue gives at once. */
const MAX_AT_ONCE = 10

/** A job that is like no other. */
export function newJob(): Job {
  return { type: 'deliver', webhookId: randomUUID(), replayId: null }
}

export const newJobs = (count: number): Job[] => Array.from({ length: count }, newJob)

export async function enqueueAll(queue: Queue, jobs: readonly Job[], delayMs?: number): Promise<void> {
  await queue.enqueue(jobs.map((job) => ({ job, delayMs })))
}

/** Jobs as a set: queues give them about in order. */
export const sorted = (jobs: readonly Job[]): string[] => jobs.map((job) => JSON.stringify(job)).sort()

export const jobsOf = (received: readonly ReceivedJob[]): Job[] => received.map(({ job }) => job)

/** Receives until nothing more is visible. */
export async function receiveAll(
  { queue, sureAfterMs }: Pick<QueueHarness, 'queue' | 'sureAfterMs'>,
  visibilityMs = LONG_MS,
): Promise<ReceivedJob[]> {
  const received: ReceivedJob[] = []
  for (;;) {
    const some = await queue.receive({ max: MAX_AT_ONCE, visibilityMs, waitMs: sureAfterMs })
    if (some.length === 0) return received
    received.push(...some)
  }
}

/** Receives the one job that is visible. */
export async function receiveOne(harness: Pick<QueueHarness, 'queue' | 'sureAfterMs'>, visibilityMs = LONG_MS): Promise<ReceivedJob> {
  const [received, ...others] = await receiveAll(harness, visibilityMs)
  expect(others).toEqual([])
  if (received === undefined) throw new Error('There is no job.')
  return received
}
