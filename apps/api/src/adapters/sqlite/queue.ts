import { type Clock, StoreUnavailableError } from '../../ports.ts'
import { type Job, MAX_DELAY_MS, type Queue, type ReceivedJob } from '../../webhook-ports.ts'
import { CALL_BYTES, type Channel } from './channel.ts'
import type { HeldJob, ReaderCalls, WriterCalls } from './protocol.ts'
import { createWaiters } from './queue-waiters.ts'

/** How long a waiting receiver goes without a look: jobs of another process, and a clock that jumps, wake nobody. */
const LOOK_AGAIN_MS = 500

/** The queue in the table `jobs`: each method is one call to one of the store's threads, and shares its commits. */
export function sqliteQueue(
  writer: Channel<WriterCalls>,
  reader: Channel<ReaderCalls>,
  options: { clock: Clock; maxReceives: number },
): Queue {
  const waiters = createWaiters()
  /** Grows with each job that a receiver may not have seen yet. */
  let news = 0
  let closed = false
  const underWay = new Set<Promise<unknown>>()

  function tellReceivers(): void {
    news++
    waiters.wakeAll()
  }

  /** @returns the jobs, or how long to wait at the most before the next look */
  async function look(max: number, visibilityMs: number): Promise<ReceivedJob[] | { waitMs: number }> {
    const input = { max, visibilityUs: microsecondsOf(visibilityMs), maxReceives: options.maxReceives }
    const { jobs, nextVisibleUs } = await writer.call('receiveJobs', input, CALL_BYTES)
    if (jobs.length > 0)
      return jobs.map((taken) => ({ job: jobOf(taken.job), receipt: receiptOf(taken), receiveCount: taken.receiveCount }))
    if (nextVisibleUs === null) return { waitMs: LOOK_AGAIN_MS }
    return { waitMs: Math.min(LOOK_AGAIN_MS, Math.max(0, Math.ceil((nextVisibleUs - options.clock.nowUs()) / 1000))) }
  }

  async function receive({ max, visibilityMs, waitMs, signal }: Parameters<Queue['receive']>[0]): Promise<ReceivedJob[]> {
    const endMs = performance.now() + waitMs
    const isEnded = () => closed || signal?.aborted === true
    while (max > 0 && !isEnded()) {
      const newsBefore = news
      const found = await look(max, visibilityMs)
      if (Array.isArray(found)) {
        if (!isEnded()) return found
        await putBack(found)
        break
      }
      const leftMs = endMs - performance.now()
      if (leftMs <= 0) break
      // What came meanwhile may have come behind this look, and has woken nobody.
      if (!isEnded() && news === newsBefore) await waiters.wait(Math.min(found.waitMs, leftMs), signal)
    }
    return []
  }

  /** What was taken for a receiver that has gone meanwhile. */
  async function putBack(taken: readonly ReceivedJob[]): Promise<void> {
    const held = taken.flatMap(({ receipt }) => heldJobOf(receipt) ?? [])
    await writer.call('putBackJobs', held, CALL_BYTES * held.length).catch((error: unknown) => {
      // They come again when their visibility ends.
      if (!(error instanceof StoreUnavailableError)) throw error
    })
    tellReceivers()
  }

  return {
    enqueue: async (jobs) => {
      if (jobs.length === 0) return
      const rows = jobs.map(({ job, delayMs = 0 }) => ({ job: JSON.stringify(job), delayUs: microsecondsOf(delayMs) }))
      await writer.call('enqueueJobs', rows, CALL_BYTES * rows.length)
      tellReceivers()
    },
    receive: async (query) => {
      if (closed) throw new StoreUnavailableError('The queue is closing.')
      const receiving = receive(query)
      underWay.add(receiving)
      return receiving.finally(() => underWay.delete(receiving))
    },
    ack: async (receipts) => {
      const held = receipts.flatMap((receipt) => heldJobOf(receipt) ?? [])
      if (held.length > 0) await writer.call('ackJobs', held, CALL_BYTES * held.length)
    },
    delay: async ({ receipt, job }, delayMs) => {
      const held = heldJobOf(receipt)
      if (held === undefined) return
      await writer.call('delayJob', { held, job: JSON.stringify(job), delayUs: microsecondsOf(delayMs) }, CALL_BYTES)
      tellReceivers()
    },
    extend: async (receipt, visibilityMs) => {
      const held = heldJobOf(receipt)
      if (held !== undefined) await writer.call('extendJob', { held, visibilityUs: microsecondsOf(visibilityMs) }, CALL_BYTES)
    },
    listDeadJobs: async (limit) => (await reader.call('listDeadJobs', { limit }, CALL_BYTES)).map(jobOf),
    close: async () => {
      closed = true
      waiters.wakeAll()
      // A failure is its receiver's.
      await Promise.allSettled(underWay)
    },
  }
}

/** @param ms any delay or visibility; one beyond the longest is the longest */
function microsecondsOf(ms: number): number {
  return Math.round(Math.min(Math.max(ms, 0), MAX_DELAY_MS) * 1000)
}

function jobOf(text: string): Job {
  // The table holds what `enqueue` has written.
  return JSON.parse(text) as Job
}

function receiptOf({ id, receiveCount }: HeldJob): string {
  return `${id}.${receiveCount}`
}

/** Undefined for what is no receipt of this queue, which is as void as an old one. */
function heldJobOf(receipt: string): HeldJob | undefined {
  const [, id, receiveCount] = /^(\d{1,15})\.(\d{1,15})$/.exec(receipt) ?? []
  return id === undefined ? undefined : { id: Number(id), receiveCount: Number(receiveCount) }
}
