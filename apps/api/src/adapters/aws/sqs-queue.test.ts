import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it, onTestFinished } from 'vitest'
import { StoreUnavailableError } from '../../ports.ts'
import { sqsForTests } from '../../testing/elasticmq.ts'
import { sqsError, startSqsProxy } from '../../testing/sqs-proxy.ts'
import { testQueues } from '../../testing/sqs-queues.ts'
import { type Job, MAX_DELAY_MS } from '../../webhook-ports.ts'
import { enqueueAll, FOR_EVER_MS, jobsOf, LONG_MS, newJob, newJobs, receiveAll, receiveOne, sorted } from '../conformance/queue-harness.ts'

const endpointUrl = await sqsForTests()

if (endpointUrl === undefined) it.skip('SQS itself: needs a JDK and Maven, or SQS_ENDPOINT_URL', () => {})
else describe('SQS itself', () => suite(endpointUrl))

function suite(url: string): void {
  const { sqs, open, urlOf } = testQueues(url)
  const unhurried = { sureAfterMs: 0 }

  async function proxied() {
    const proxy = await startSqsProxy(url)
    onTestFinished(() => proxy.close())
    const { queue, queueName } = await open({ endpointUrl: proxy.url })
    return { proxy, queue, queueName }
  }

  describe('the queues', () => {
    it('are made with a redrive policy and the longest retention, and found as they are by the next', async () => {
      const proxy = await startSqsProxy(url)
      onTestFinished(() => proxy.close())
      const made: Record<string, string> = {}
      proxy.take((call, body) => {
        // ElasticMQ takes this attribute, and forgets it.
        if (call === 'CreateQueue') made[body.QueueName] = body.Attributes.MessageRetentionPeriod
        return undefined
      })
      const { queueName } = await open({ endpointUrl: proxy.url, make: { maxReceives: 10 } })
      expect(made).toEqual({ [queueName]: '1209600', [`${queueName}-dead`]: '1209600' })
      const attributesOf = async (name: string) =>
        (await sqs.getQueueAttributes({ QueueUrl: await urlOf(name), AttributeNames: ['All'] })).Attributes ?? {}
      const dead = await attributesOf(`${queueName}-dead`)
      const jobs = await attributesOf(queueName)
      const { deadLetterTargetArn, maxReceiveCount } = JSON.parse(jobs.RedrivePolicy ?? '{}')
      expect([deadLetterTargetArn, Number(maxReceiveCount)]).toEqual([dead.QueueArn, 10])
      // In another form than that of this server: they are their owner's.
      await open({ queueName, make: { maxReceives: 5 } })
      await open({ queueName, make: undefined })
      expect((await attributesOf(queueName)).RedrivePolicy).toBe(jobs.RedrivePolicy)
    })

    it('must be there when they are not to be made; a message names the one that is missing', async () => {
      await expect(open({ queueName: 'nobody-made-it', make: undefined })).rejects.toThrow(
        /^The SQS queue nobody-made-it-dead does not exist: .*OPERATING.md.*\.$/,
      )
    })

    it('must lead to the dead letters', async () => {
      const queueName = `test-${randomUUID()}`
      for (const name of [queueName, `${queueName}-dead`]) await sqs.createQueue({ QueueName: name })
      for (const make of [undefined, { maxReceives: 3 }])
        await expect(open({ queueName, make })).rejects.toThrow(/give it a redrive policy/)
    })

    it('that are gone are made again by the next call but one', async () => {
      const { queue, queueName } = await open()
      await sqs.deleteQueue({ QueueUrl: await urlOf(queueName) })
      await expect(enqueueAll(queue, newJobs(1))).rejects.toThrow(/the queue does not exist/)
      const job = newJob()
      await enqueueAll(queue, [job])
      expect((await receiveOne({ queue, ...unhurried })).job).toEqual(job)
    })

    it('that are gone and not ours to make are used again as soon as they are there', async () => {
      const { queueName } = await open()
      const { queue } = await open({ queueName, make: undefined })
      await sqs.deleteQueue({ QueueUrl: await urlOf(queueName) })
      for (let time = 0; time < 2; time++) {
        const refused = queue.receive({ max: 1, visibilityMs: 1000, waitMs: 0 })
        await expect(refused).rejects.toThrow(/the queue does not exist/)
        await expect(refused).rejects.toBeInstanceOf(StoreUnavailableError)
      }
      await open({ queueName })
      const job = newJob()
      await enqueueAll(queue, [job])
      expect((await receiveOne({ queue, ...unhurried })).job).toEqual(job)
    })
  })

  it('holds ids only', async () => {
    const { queue, queueName } = await open()
    const job = newJob()
    await enqueueAll(queue, [job])
    const { Messages: [message] = [] } = await sqs.receiveMessage({ QueueUrl: await urlOf(queueName), MessageAttributeNames: ['All'] })
    expect(JSON.parse(message?.Body ?? '')).toEqual(job)
    expect(message?.MessageAttributes ?? {}).toEqual({})
  })

  it('takes a delay beyond the longest for the longest, and rounds up to whole seconds', async () => {
    const { proxy, queue } = await proxied()
    const delays: unknown[] = []
    proxy.take((call, body) => {
      if (call === 'SendMessageBatch') for (const { DelaySeconds } of body.Entries) delays.push(DelaySeconds)
      return undefined
    })
    await queue.enqueue([10 * MAX_DELAY_MS, 1001, 1000, 1, 0, -5, undefined].map((delayMs) => ({ job: newJob(), delayMs })))
    expect(delays).toEqual([900, 2, 1, 1, 0, 0, 0])
  })

  it('gives more than ten at once, by further requests only when the first comes back full', async () => {
    const { proxy, queue } = await proxied()
    const jobs = newJobs(40)
    await enqueueAll(queue, jobs)
    const receiveUpTo = (max: number) => queue.receive({ max, visibilityMs: LONG_MS, waitMs: 1000 })
    const calls = () => proxy.calls.splice(0).filter((call) => call === 'ReceiveMessage').length
    calls()
    const first = await receiveUpTo(32)
    expect([first.length, calls()]).toEqual([32, 4])
    const rest = await receiveUpTo(32)
    expect([rest.length, calls()]).toEqual([8, 1])
    expect(sorted(jobsOf([...first, ...rest]))).toEqual(sorted(jobs))
    await queue.ack([...first, ...rest].map(({ receipt }) => receipt))
    expect(proxy.calls.splice(0)).toEqual(Array.from({ length: 4 }, () => 'DeleteMessageBatch'))
  })

  it('gives what it has when a further request fails', async () => {
    const { proxy, queue } = await proxied()
    await enqueueAll(queue, newJobs(30))
    let time = 0
    proxy.take((call) => (call === 'ReceiveMessage' && ++time === 2 ? sqsError('AccessDenied', '', 403) : undefined))
    expect(await queue.receive({ max: 30, visibilityMs: LONG_MS, waitMs: 0 })).toHaveLength(20)
  })

  describe('a message that is no job', () => {
    const FOREIGN = [
      'hello',
      '{"type":"deliver"}',
      '{"type":"deliver","webhookId":"*","replayId":null}',
      '{"type":"replay","replayId":{"$gt":""}}',
      '{"type":"unknown"}',
      '[]',
      'null',
      '"deliver"',
    ]

    it('is told of, holds up no job, and ends among the dead letters', async () => {
      const foreign: string[] = []
      const { queue, queueName } = await open({ onForeignMessage: (messageId) => void foreign.push(messageId) })
      const sent = await sqs.sendMessageBatch({
        QueueUrl: await urlOf(queueName),
        Entries: FOREIGN.map((MessageBody, index) => ({ Id: String(index), MessageBody })),
      })
      const job = newJob()
      await enqueueAll(queue, [job])
      for (let time = 0; time < 4; time++) {
        // It waits on, whatever else it is given meanwhile.
        const received = await queue.receive({ max: 10, visibilityMs: 1000, waitMs: 1500 })
        expect(jobsOf(received)).toEqual(time === 0 ? [job] : [])
        await queue.ack(received.map(({ receipt }) => receipt))
      }
      expect(new Set(foreign)).toEqual(new Set(sent.Successful?.map(({ MessageId }) => MessageId)))
      expect(await queue.listDeadJobs(20)).toEqual([])
      const dead = await sqs.receiveMessage({ QueueUrl: await urlOf(`${queueName}-dead`), MaxNumberOfMessages: 10 })
      expect(dead.Messages).toHaveLength(FOREIGN.length)
    })
  })

  it('lists dead letters again and again, more than ten, and leaves them where they are', async () => {
    const { queue } = await open({ make: { maxReceives: 1 } })
    const jobs = newJobs(25)
    await enqueueAll(queue, jobs)
    await receiveAll({ queue, ...unhurried }, 1000)
    await sleep(2000)
    // Each look of a receiver buries some.
    for (let time = 0; time < 5; time++) expect(await receiveAll({ queue, ...unhurried })).toEqual([])
    for (let time = 0; time < 2; time++) expect(sorted(await queue.listDeadJobs(100))).toEqual(sorted(jobs))
    expect(await queue.listDeadJobs(12)).toHaveLength(12)
  })

  describe('entries of a batch that fail', () => {
    const failing = (ids: readonly string[], code: string) => ({
      status: 200,
      body: { Successful: [], Failed: ids.map((Id) => ({ Id, Code: code, SenderFault: false, Message: 'secret-text' })) },
    })

    it('are sent again, those alone', async () => {
      const { proxy, queue } = await proxied()
      const sent: unknown[][] = []
      proxy.take((call, body) => {
        if (call !== 'SendMessageBatch') return undefined
        sent.push(body.Entries.map(({ MessageBody }: { MessageBody: string }) => JSON.parse(MessageBody)))
        // The proxy took them all in its own name, but for the second and the last.
        return sent.length < 3
          ? { status: 200, body: { Successful: [], Failed: failing(['1', String(body.Entries.length - 1)], 'InternalError').body.Failed } }
          : undefined
      })
      const jobs = newJobs(5)
      await enqueueAll(queue, jobs)
      expect(sent).toEqual([jobs, [jobs[1], jobs[4]], [jobs[4]]])
    })

    it('to the end are said, without what SQS wrote', async () => {
      const { proxy, queue } = await proxied()
      proxy.take((call) => (call === 'SendMessageBatch' ? failing(['0'], 'InternalError') : undefined))
      const refused = enqueueAll(queue, newJobs(3))
      await expect(refused).rejects.toBeInstanceOf(StoreUnavailableError)
      await expect(refused).rejects.toThrow(/1 of 3 entries failed \(InternalError\)\.$/)
      expect(proxy.calls.filter((call) => call === 'SendMessageBatch')).toHaveLength(4)
    })

    it('are deleted again, but not those whose receipt is void', async () => {
      const { proxy, queue } = await proxied()
      await enqueueAll(queue, newJobs(2))
      const received = await receiveAll({ queue, ...unhurried })
      proxy.calls.splice(0)
      let time = 0
      proxy.take((call) => (call === 'DeleteMessageBatch' && ++time === 1 ? failing(['0', '1'], 'ServiceUnavailable') : undefined))
      await queue.ack(received.map(({ receipt }) => receipt))
      expect(proxy.calls).toHaveLength(2)
      proxy.take(() => failing(['0'], 'ReceiptHandleIsInvalid'))
      await queue.ack(['void'])
      expect(proxy.calls).toHaveLength(3)
    })
  })

  describe('a receiver that goes away', () => {
    it('has its answer at once, and what comes for it meanwhile goes to the next, as new', async () => {
      const { queue } = await open({ pollMs: 20_000 })
      const controller = new AbortController()
      const received = queue.receive({ max: 10, visibilityMs: LONG_MS, waitMs: FOR_EVER_MS, signal: controller.signal })
      await sleep(300)
      const startMs = performance.now()
      controller.abort()
      expect(await received).toEqual([])
      // Long before the request to SQS ends.
      expect(performance.now() - startMs).toBeLessThan(10_000)
      const jobs = newJobs(3)
      await enqueueAll(queue, jobs)
      // Some may have come for the one that went away, and come again a moment later than the others.
      const next: Job[] = []
      await expect
        .poll(
          async () => {
            next.push(...jobsOf(await receiveAll({ queue, ...unhurried })))
            return sorted(next)
          },
          { timeout: 20_000 },
        )
        .toEqual(sorted(jobs))
    })

    it('by the end of all leaves, after a second, a request to SQS that may hide a job until its visibility ends', async () => {
      const { queueName } = await open()
      const { queue } = await open({ queueName, pollMs: 20_000, drainMs: 500 })
      const received = queue.receive({ max: 10, visibilityMs: 3000, waitMs: FOR_EVER_MS })
      await sleep(300)
      const startMs = performance.now()
      await queue.close()
      expect(performance.now() - startMs).toBeLessThan(10_000)
      expect(await received).toEqual([])
      const { queue: next } = await open({ queueName })
      const job = newJob()
      await enqueueAll(next, [job])
      const [again] = await next.receive({ max: 1, visibilityMs: LONG_MS, waitMs: 10_000 })
      expect(again?.job).toEqual(job)
    })
  })
}
