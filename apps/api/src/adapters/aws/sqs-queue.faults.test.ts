import { createHash } from 'node:crypto'
import { describe, expect, it, onTestFinished } from 'vitest'
import { StoreUnavailableError } from '../../ports.ts'
import { startElasticmq } from '../../testing/elasticmq.ts'
import { type Handler, type SqsAnswer, sqsError, startSqsProxy } from '../../testing/sqs-proxy.ts'
import type { Queue } from '../../webhook-ports.ts'
import { enqueueAll, FOR_EVER_MS, jobsOf, LONG_MS, newJob, newJobs, receiveAll, sorted } from '../conformance/queue-harness.ts'
import { openSqsQueue } from './sqs-queue.ts'

const OPTIONS = {
  queueName: 'jobs',
  region: 'us-east-1',
  madeUpCredentials: true,
  onForeignMessage: () => {},
} as const

const waiting = (queue: Queue) => queue.receive({ max: 10, visibilityMs: LONG_MS, waitMs: FOR_EVER_MS })

/** What the SQS of a test answers at start; all else is the test's. */
function starting(call: string): SqsAnswer | undefined {
  if (call === 'GetQueueUrl') return { status: 200, body: { QueueUrl: 'http://127.0.0.1/queue' } }
  if (call !== 'GetQueueAttributes') return undefined
  return { status: 200, body: { Attributes: { RedrivePolicy: '{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:1:jobs-dead"}' } } }
}

/** A queue on an SQS that answers as it is told. */
async function faked() {
  const proxy = await startSqsProxy()
  onTestFinished(() => proxy.close())
  proxy.take(starting)
  const queue = await openSqsQueue({ ...OPTIONS, endpointUrl: proxy.url, make: undefined, drainMs: 100 })
  onTestFinished(() => queue.close())
  proxy.calls.splice(0)
  return { queue, proxy, take: (handler: Handler) => proxy.take(handler) }
}

/** Each thing that a queue is asked to do. */
const askAll = (queue: Queue): Promise<unknown>[] => [
  enqueueAll(queue, newJobs(1)),
  waiting(queue),
  queue.ack(['receipt']),
  queue.delay({ job: newJob(), receipt: 'receipt', receiveCount: 1 }, 1000),
  queue.extend('receipt', 1000),
  queue.listDeadJobs(1),
]

async function expectRefusals(queue: Queue, words: RegExp): Promise<void> {
  for (const outcome of await Promise.allSettled(askAll(queue))) {
    expect(outcome).toMatchObject({ status: 'rejected', reason: expect.any(StoreUnavailableError) })
    if (outcome.status === 'rejected') expect(outcome.reason.message).toMatch(words)
  }
}

const elasticmq = await startElasticmq()

describe('an SQS that goes away', () => {
  it.skipIf(elasticmq === undefined)('and comes back is used again, with new queues: no restart is needed', async () => {
    if (elasticmq === undefined) return
    const queue = await openSqsQueue({ ...OPTIONS, endpointUrl: elasticmq.url, make: { maxReceives: 3 } })
    onTestFinished(() => queue.close())
    const job = newJob()
    await enqueueAll(queue, [job])
    expect(jobsOf(await waiting(queue))).toEqual([job])
    const received = waiting(queue)
    await elasticmq.stop()
    await expect(received).rejects.toThrow(/cannot be reached \(E[A-Z]+\)/)
    await expectRefusals(queue, /cannot be reached \(ECONNREFUSED\)/)

    await elasticmq.start()
    const next = newJobs(12)
    // It keeps queues in memory: the first call finds none, and the next makes them.
    await expect.poll(() => enqueueAll(queue, next).then(() => 'done', String), { timeout: 20_000 }).toBe('done')
    expect(sorted(jobsOf(await receiveAll({ queue, sureAfterMs: 0 })))).toEqual(sorted(next))
  })

  it.skipIf(elasticmq === undefined)('under use loses no job that was enqueued after it came back', async () => {
    if (elasticmq === undefined) return
    const queue = await openSqsQueue({ ...OPTIONS, queueName: 'used', endpointUrl: elasticmq.url, make: { maxReceives: 3 } })
    onTestFinished(() => queue.close())
    const ending = new AbortController()
    const seen = new Set<string>()
    const failures: unknown[] = []
    const work = async () => {
      while (!ending.signal.aborted) {
        await queue.receive({ max: 10, visibilityMs: LONG_MS, waitMs: FOR_EVER_MS, signal: ending.signal }).then(
          async (received) => {
            for (const job of sorted(jobsOf(received))) seen.add(job)
            await queue.ack(received.map(({ receipt }) => receipt)).catch((error: unknown) => failures.push(error))
          },
          async (error: unknown) => {
            failures.push(error)
            await new Promise((resolve) => setTimeout(resolve, 100))
          },
        )
      }
    }
    const workers = [work(), work()]
    await enqueueAll(queue, newJobs(30))
    await expect.poll(() => seen.size).toBe(30)
    await elasticmq.stop()
    await elasticmq.start()
    const jobs = newJobs(30)
    await expect.poll(() => enqueueAll(queue, jobs).then(() => 'done', String), { timeout: 20_000 }).toBe('done')
    await expect.poll(() => sorted(jobs).filter((job) => !seen.has(job)), { timeout: 10_000 }).toEqual([])
    ending.abort()
    await Promise.all(workers)
    expect(failures.length).toBeGreaterThan(0)
    for (const failure of failures) expect(failure).toBeInstanceOf(StoreUnavailableError)
  })
})

describe('an SQS that', () => {
  it('is not there at start is named', async () => {
    const proxy = await startSqsProxy()
    await proxy.close()
    for (const make of [undefined, { maxReceives: 3 }]) {
      await expect(openSqsQueue({ ...OPTIONS, endpointUrl: proxy.url, make })).rejects.toThrow(
        /^SQS, queue jobs: it cannot be reached \(ECONNREFUSED\): see SQS_ENDPOINT_URL and AWS_REGION\.$/,
      )
    }
  })

  it('never answers fails each call in a few seconds, a wait a few after its time', async () => {
    const { queue, take } = await faked()
    take(() => 'hang')
    const startMs = performance.now()
    const wait = queue.receive({ max: 1, visibilityMs: 1000, waitMs: 3000 })
    const others = askAll(queue).filter((_, index) => index !== 1)
    for (const outcome of await Promise.allSettled(others)) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: { message: expect.stringMatching(/no answer in time/) } })
    }
    expect(performance.now() - startMs).toBeLessThan(8000)
    await expect(wait).rejects.toBeInstanceOf(StoreUnavailableError)
    expect(performance.now() - startMs).toBeLessThan(10_000)
  })

  it('never answers holds up neither the end of a wait nor that of the queue', async () => {
    const { queue, take } = await faked()
    take(() => 'hang')
    const controller = new AbortController()
    const first = queue.receive({ max: 1, visibilityMs: 1000, waitMs: FOR_EVER_MS, signal: controller.signal })
    const second = waiting(queue)
    const sending = enqueueAll(queue, newJobs(1))
    sending.catch(() => undefined)
    await new Promise((resolve) => setTimeout(resolve, 200))
    const startMs = performance.now()
    controller.abort()
    expect(await first).toEqual([])
    await queue.close()
    expect(await second).toEqual([])
    await expect(sending).rejects.toBeInstanceOf(StoreUnavailableError)
    expect(performance.now() - startMs).toBeLessThan(8000)
  })

  it.each([
    ['throttles', sqsError('ThrottlingException', 'Rate exceeded', 400), /too many requests/],
    ['throttles by status', sqsError('Strange', '', 429), /too many requests/],
    ['fails', sqsError('InternalError', '', 500), /it failed \(InternalError, status 500\)/],
    ['refuses the credentials', sqsError('InvalidClientTokenId', 'AKIASECRET', 403), /credentials are missing or refused/],
    ['refuses expired credentials', sqsError('ExpiredToken', 'AKIASECRET', 403), /credentials are missing or refused/],
    ['permits nothing', sqsError('AccessDenied', 'arn:aws:iam::1:user/AKIASECRET', 403), /may not do this/],
    ['has lost the queue', sqsError('QueueDoesNotExist'), /the queue does not exist/],
    ['breaks connections', 'reset' as const, /cannot be reached \(ECONNRESET\)/],
    ['answers as a web server does', { status: 200, body: '<html>' }, /it failed \(SyntaxError/],
  ])('%s is unavailable, in words for the operator, and is used again afterwards', async (_, answer, words) => {
    const { queue, take } = await faked()
    take(() => answer)
    await expectRefusals(queue, words)
    const job = newJob()
    const Body = JSON.stringify(job)
    const MD5OfBody = createHash('md5').update(Body).digest('hex')
    const message = { MessageId: '1', ReceiptHandle: 'receipt', Body, MD5OfBody, Attributes: { ApproximateReceiveCount: '2' } }
    take((call) => ({ status: 200, body: call === 'ReceiveMessage' ? { Messages: [message] } : { Successful: [], Failed: [] } }))
    await enqueueAll(queue, [job])
    expect(await receiveOnce(queue)).toEqual([{ job, receipt: 'receipt', receiveCount: 2 }])
  })

  it('fails once is asked again at once', async () => {
    const { queue, proxy, take } = await faked()
    let time = 0
    take(() => (++time < 3 ? sqsError('InternalError', '', 500) : { status: 200, body: { Successful: [], Failed: [] } }))
    await enqueueAll(queue, newJobs(1))
    expect(proxy.calls).toEqual(['SendMessageBatch', 'SendMessageBatch', 'SendMessageBatch'])
  })
})

const receiveOnce = (queue: Queue) => queue.receive({ max: 10, visibilityMs: 1000, waitMs: 0 })

it('takes no calls once it is closed', async () => {
  const { queue } = await faked()
  await queue.close()
  await queue.close()
  await expectRefusals(queue, /clos/)
})

it('has nothing to do for no jobs and no receipts', async () => {
  const { queue, proxy } = await faked()
  await queue.enqueue([])
  await queue.ack([])
  await queue.ack([''])
  await queue.extend('', 1000)
  expect(await queue.receive({ max: 0, visibilityMs: 1000, waitMs: FOR_EVER_MS })).toEqual([])
  expect(proxy.calls).toEqual([])
})
