import { setTimeout as sleep } from 'node:timers/promises'
import type { BatchResultErrorEntry } from '@aws-sdk/client-sqs'
import { nameOf } from './errors.ts'
import { SqsError } from './sqs-errors.ts'

/** The most entries that SQS takes at once. */
export const BATCH = 10
/** Batches of one call that are under way at the same time. */
const PARALLEL = 8
/** How often an entry is sent, and how long to wait before the second time; twice as long each time after it. */
const TRIES = 4
const WAIT_MS = 100

export interface BatchOptions<Item> {
  items: readonly Item[]
  /** Sends up to ten; the id of an entry is its index. What it throws fails all. */
  send(items: readonly Item[]): Promise<{ Failed?: BatchResultErrorEntry[] | undefined }>
  /** Whether an entry that failed so is as good as done. */
  isDone?(reason: string): boolean
  queueName: string
  /** From 0 to 1; several servers that were refused together do not come back together. */
  random(): number
}

/**
 * Sends items in batches. Entries that fail are sent again, those alone, a few times.
 * @throws SqsError when some failed to the end; others may be done
 */
export async function inBatches<Item>(options: BatchOptions<Item>): Promise<void> {
  const batches: Item[][] = []
  for (let start = 0; start < options.items.length; start += BATCH) batches.push(options.items.slice(start, start + BATCH))
  const work = async () => {
    for (let batch = batches.shift(); batch !== undefined; batch = batches.shift()) await sendBatch(batch, options)
  }
  const workers = await Promise.allSettled(Array.from({ length: Math.min(PARALLEL, batches.length) }, work))
  for (const worker of workers) if (worker.status === 'rejected') throw worker.reason
}

async function sendBatch<Item>(batch: readonly Item[], { send, isDone, queueName, random }: BatchOptions<Item>): Promise<void> {
  let left = batch
  for (let time = 1; ; time++) {
    const { Failed = [] } = await send(left)
    const failed = Failed.map((entry) => ({ index: Number(entry.Id), reason: nameOf(entry.Code) })).filter(
      ({ reason }) => isDone?.(reason) !== true,
    )
    const [first] = failed
    if (first === undefined) return
    if (time === TRIES) {
      throw new SqsError(first.reason, `SQS, queue ${queueName}: ${failed.length} of ${batch.length} entries failed (${first.reason}).`)
    }
    const indexes = new Set(failed.map(({ index }) => index))
    left = left.filter((_, index) => indexes.has(index))
    await sleep(WAIT_MS * 2 ** (time - 1) * (0.5 + random()))
  }
}
