import { setTimeout as sleep } from 'node:timers/promises'
import type { Message } from '@aws-sdk/client-sqs'
import { StoreUnavailableError } from '../../ports.ts'
import { MAX_DELAY_MS, type Queue, type ReceivedJob } from '../../webhook-ports.ts'
import { BATCH, inBatches } from './sqs-batches.ts'
import { createSqsClient, type SqsOptions } from './sqs-client.ts'
import { deadJobs } from './sqs-dead-jobs.ts'
import { isMissingQueue, isVoidReceipt, SqsError } from './sqs-errors.ts'
import { bodyOf, receivedJobOf } from './sqs-messages.ts'
import { openQueues, type QueueUrls } from './sqs-queues.ts'
import { createEnds } from './sqs-waits.ts'

export interface SqsQueueOptions extends SqsOptions {
  /**
   * Makes the queues where they are missing, and again when they are gone, so that a job is dead after so many receivings; undefined: they must
   * be there.
   */
  make: { maxReceives: number } | undefined
  /** Told of each message that is no job, by its id, each time it is received. It is left alone, and ends among the dead letters. */
  onForeignMessage(messageId: string): void
  /** From 0 to 1. */
  random?: () => number
  /** How long one request waits for jobs; SQS's longest unless told. */
  pollMs?: number
  /** How long `close` waits for requests under way. */
  drainMs?: number
}

/**
 * The queue in SQS. A job is a message, and its receipt SQS's own. What SQS's promises come to:
 * - A receipt that is void mostly does nothing. SQS does not promise it: it may still end a job that another has received since.
 * - A receiver that goes away while it waits leaves a request behind, which is not broken off: SQS may go on giving it jobs, and hide them. What
 *   it brings goes back to the queue at once, as new. Only what SQS gives to a request that `close` had to break off, after `drainMs`, stays
 *   hidden until its visibility ends.
 * @throws StoreUnavailableError (rejects) when a queue is missing or cannot be reached
 */
export async function openSqsQueue(options: SqsQueueOptions): Promise<Queue> {
  const { queueName, make, onForeignMessage, random = Math.random, pollMs = 20_000, drainMs = 1000 } = options
  const client = createSqsClient(options)
  const ends = createEnds()
  const underWay = new Set<Promise<unknown>>()
  let opened: Promise<QueueUrls> | undefined

  function urls(): Promise<QueueUrls> {
    opened ??= openQueues(client, make).catch((error: unknown) => {
      opened = undefined
      throw error
    })
    return opened
  }

  async function withQueues<Output>(use: (urls: QueueUrls) => Promise<Output>): Promise<Output> {
    const found = await urls()
    return use(found).catch((error: unknown) => {
      // A server that keeps queues in memory has none after its restart: those that we make are made again by the next call.
      if (make !== undefined && error instanceof SqsError && isMissingQueue(error.reason)) opened = undefined
      throw error
    })
  }

  function track<Output>(work: Promise<Output>): Promise<Output> {
    underWay.add(work)
    const done = () => void underWay.delete(work)
    work.then(done, done)
    return work
  }

  const enqueue: Queue['enqueue'] = (jobs) =>
    withQueues(({ jobs: url }) =>
      inBatches({
        items: jobs.map(({ job, delayMs = 0 }) => ({ MessageBody: bodyOf(job), DelaySeconds: secondsOf(delayMs) })),
        send: (items) =>
          client.call((sqs, call) =>
            sqs.sendMessageBatch({ QueueUrl: url, Entries: items.map((item, index) => ({ Id: String(index), ...item })) }, call),
          ),
        queueName,
        random,
      }),
    )

  const ack: Queue['ack'] = (receipts) =>
    withQueues(({ jobs: url }) =>
      inBatches({
        items: receipts.filter((receipt) => receipt !== ''),
        send: (items) =>
          client.call((sqs, call) =>
            sqs.deleteMessageBatch(
              { QueueUrl: url, Entries: items.map((receipt, index) => ({ Id: String(index), ReceiptHandle: receipt })) },
              call,
            ),
          ),
        isDone: isVoidReceipt,
        queueName,
        random,
      }),
    )

  async function receiveMessages(url: string, max: number, visibilityMs: number, waitMs: number): Promise<Message[]> {
    const { Messages = [] } = await client.call(
      (sqs, call) =>
        sqs.receiveMessage(
          {
            QueueUrl: url,
            MaxNumberOfMessages: max,
            VisibilityTimeout: Math.max(1, secondsOf(visibilityMs)),
            WaitTimeSeconds: Math.ceil(waitMs / 1000),
            MessageSystemAttributeNames: ['ApproximateReceiveCount'],
          },
          call,
        ),
      Math.ceil(waitMs / 1000) * 1000,
    )
    return Messages
  }

  /** One request that waits; when it comes back full, as many more at once as there may be jobs for. */
  async function poll(max: number, visibilityMs: number, waitMs: number): Promise<ReceivedJob[]> {
    const messages = await withQueues(async ({ jobs: url }) => {
      const first = await receiveMessages(url, Math.min(max, BATCH), visibilityMs, waitMs)
      if (first.length < BATCH) return first
      const sizes: number[] = []
      for (let left = max - BATCH; left > 0; left -= BATCH) sizes.push(Math.min(left, BATCH))
      const more = await Promise.allSettled(sizes.map((size) => receiveMessages(url, size, visibilityMs, 0)))
      return [...first, ...more.flatMap((outcome) => (outcome.status === 'fulfilled' ? outcome.value : []))]
    })
    return messages.flatMap((message) => {
      const received = receivedJobOf(message)
      if (received === undefined) onForeignMessage(message.MessageId ?? 'unknown')
      return received ?? []
    })
  }

  async function receive({ max, visibilityMs, waitMs, signal }: Parameters<Queue['receive']>[0]): Promise<ReceivedJob[]> {
    const endMs = performance.now() + waitMs
    const end = ends.of(signal)
    try {
      while (max > 0 && !end.isReached()) {
        const leftMs = Math.max(0, endMs - performance.now())
        const polling = track(poll(max, visibilityMs, Math.min(leftMs, pollMs)))
        await Promise.race([polling.catch(() => undefined), end.reached])
        if (end.isReached()) {
          giveBack(polling)
          break
        }
        const received = await polling
        if (received.length > 0 || performance.now() >= endMs) return received
      }
      return []
    } finally {
      end.forget()
    }
  }

  /** What was taken for a receiver that has gone: as new, since nobody has seen it. If that fails, it comes again when its visibility ends. */
  function giveBack(polling: Promise<ReceivedJob[]>): void {
    const giving = polling.then(async (received) => {
      if (received.length === 0) return
      await enqueue(received.map(({ job }) => ({ job })))
      await ack(received.map(({ receipt }) => receipt))
    })
    track(giving).catch(() => undefined)
  }

  /** What is under way may lead to more: what a request brings is given back. A failure is that of who asked. */
  async function drained(): Promise<void> {
    while (underWay.size > 0) await Promise.allSettled(underWay)
  }

  const queue: Queue = {
    enqueue: (jobs) => track(enqueue(jobs)),
    receive: async (query) => {
      if (ends.isClosed()) throw new StoreUnavailableError('The queue is closing.')
      return receive(query)
    },
    ack: (receipts) => track(ack(receipts)),
    // The new one first: twice is harmless, lost is not. A new one, since SQS counts the receivings of a message for good.
    delay: ({ job, receipt }, delayMs) => track(enqueue([{ job, delayMs }]).then(() => ack([receipt]))),
    extend: async (receipt, visibilityMs) => {
      if (receipt === '') return
      try {
        await track(
          withQueues(({ jobs: url }) =>
            client.call((sqs, call) =>
              sqs.changeMessageVisibility({ QueueUrl: url, ReceiptHandle: receipt, VisibilityTimeout: secondsOf(visibilityMs) }, call),
            ),
          ),
        )
      } catch (error) {
        if (!(error instanceof SqsError && isVoidReceipt(error.reason))) throw error
      }
    },
    listDeadJobs: (limit) => track(withQueues(({ dead }) => deadJobs(client, dead, limit))),
    close: async () => {
      ends.close()
      await Promise.race([drained(), sleep(drainMs, undefined, { ref: false })])
      client.destroy()
      await drained()
    },
  }

  try {
    await urls()
  } catch (error) {
    client.destroy()
    throw error
  }
  return queue
}

/** SQS's times are whole seconds. @param ms any delay or visibility; one beyond the longest is the longest */
function secondsOf(ms: number): number {
  return Math.ceil(Math.min(Math.max(ms, 0), MAX_DELAY_MS) / 1000)
}
