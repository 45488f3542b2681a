import { describe, expect, it } from 'vitest'
import { StoreUnavailableError } from '../../ports.ts'
import { MAX_DELAY_MS, type Queue, type ReceivedJob } from '../../webhook-ports.ts'
import {
  enqueueAll,
  FOR_EVER_MS,
  jobsOf,
  LONG_MS,
  newJob,
  newJobs,
  type QueueHarness,
  receiveAll,
  receiveOne,
  sorted,
} from './queue-harness.ts'

const waiting = (queue: Queue, signal?: AbortSignal): Promise<ReceivedJob[]> =>
  queue.receive({ max: 10, visibilityMs: LONG_MS, waitMs: FOR_EVER_MS, signal })

export function queueReceiversSuite(open: () => Promise<QueueHarness>): void {
  describe('a receiver', () => {
    it('gets no more jobs than it asks for', async () => {
      const { queue, sureAfterMs } = await open()
      const jobs = newJobs(7)
      await enqueueAll(queue, jobs)
      const received: ReceivedJob[] = []
      while (received.length < jobs.length) {
        const some = await queue.receive({ max: 2, visibilityMs: LONG_MS, waitMs: sureAfterMs })
        expect([1, 2]).toContain(some.length)
        received.push(...some)
      }
      expect(sorted(jobsOf(received))).toEqual(sorted(jobs))
    })

    it('takes a job for the longest time that there is', async () => {
      const harness = await open()
      await enqueueAll(harness.queue, [newJob()])
      const { receipt } = await receiveOne(harness, MAX_DELAY_MS)
      await harness.queue.extend(receipt, MAX_DELAY_MS)
      await harness.passTime(2000)
      expect(await receiveAll(harness)).toEqual([])
    })

    it('gets what is there without waiting for more', async () => {
      const { queue } = await open()
      const job = newJob()
      await enqueueAll(queue, [job])
      expect(jobsOf(await waiting(queue))).toEqual([job])
    })

    it('gets nothing when nothing comes while it waits', async () => {
      const { queue } = await open()
      expect(await queue.receive({ max: 10, visibilityMs: LONG_MS, waitMs: 1000 })).toEqual([])
    })

    it('that waits gets what is enqueued meanwhile', async () => {
      const { queue } = await open()
      const job = newJob()
      const received = waiting(queue)
      await enqueueAll(queue, [job])
      expect(jobsOf(await received)).toEqual([job])
    })

    it('that waits gets a job when its delay ends, or its visibility', async () => {
      const harness = await open()
      const [delayed, held] = [newJob(), newJob()]
      await enqueueAll(harness.queue, [held])
      await receiveOne(harness, 2000)
      await enqueueAll(harness.queue, [delayed], 5000)
      for (const job of [held, delayed]) {
        const received = waiting(harness.queue)
        await harness.passTime(3000)
        expect(jobsOf(await received)).toEqual([job])
      }
    })

    it('that waits gets a job that was given back', async () => {
      const harness = await open()
      await enqueueAll(harness.queue, [newJob()])
      const held = await receiveOne(harness)
      const received = waiting(harness.queue)
      await harness.queue.delay(held, 0)
      expect(jobsOf(await received)).toEqual([held.job])
    })

    it('stops waiting by its signal, and takes nothing afterwards', async () => {
      const harness = await open()
      const controller = new AbortController()
      const received = waiting(harness.queue, controller.signal)
      controller.abort()
      expect(await received).toEqual([])
      const job = newJob()
      await enqueueAll(harness.queue, [job])
      expect(await waiting(harness.queue, controller.signal)).toEqual([])
      // A queue that is asked over a network may have given it to who has gone: then it comes back as new, a moment later.
      expect(await waiting(harness.queue)).toMatchObject([{ job, receiveCount: 1 }])
    })

    it('shares the jobs with others: fifty by five at once, each job once', async () => {
      const { queue, sureAfterMs } = await open()
      const jobs = newJobs(50)
      await enqueueAll(queue, jobs)
      const work = async () => {
        const received: ReceivedJob[] = []
        for (;;) {
          const some = await queue.receive({ max: 3, visibilityMs: LONG_MS, waitMs: sureAfterMs })
          if (some.length === 0) return received
          received.push(...some)
        }
      }
      const received = (await Promise.all([work(), work(), work(), work(), work()])).flat()
      expect(sorted(jobsOf(received))).toEqual(sorted(jobs))
      await queue.ack(received.map(({ receipt }) => receipt))
      expect(await receiveAll({ queue, sureAfterMs })).toEqual([])
    })
  })

  describe('opened again', () => {
    it('has all jobs as they were: new, delayed, held and dead', async () => {
      const harness = await open()
      const [dead, held, delayed, ready] = [newJob(), newJob(), newJob(), newJob()]
      await enqueueAll(harness.queue, [dead])
      for (let time = 0; time < harness.maxReceives; time++) {
        await receiveOne(harness, 1000)
        await harness.passTime(2000)
      }
      expect(await receiveAll(harness)).toEqual([])
      await enqueueAll(harness.queue, [held])
      const { receipt } = await receiveOne(harness, 8000)
      await enqueueAll(harness.queue, [delayed], 8000)
      await enqueueAll(harness.queue, [ready])

      const again = { ...harness, queue: await harness.reopen() }
      expect(await again.queue.listDeadJobs(10)).toEqual([dead])
      expect(jobsOf(await receiveAll(again))).toEqual([ready])
      await again.queue.ack([receipt])
      await harness.passTime(9000)
      expect(jobsOf(await receiveAll(again))).toEqual([delayed])
      await again.queue.close()
    })

    it('shares the jobs with the first: each goes to one of them, also to who waits', async () => {
      const harness = await open()
      const again = { ...harness, queue: await harness.reopen() }
      const jobs = newJobs(40)
      await enqueueAll(harness.queue, jobs)
      const received = await Promise.all([receiveAll(harness), receiveAll(again)])
      expect(sorted(jobsOf(received.flat()))).toEqual(sorted(jobs))

      for (const job of newJobs(2)) {
        const next = waiting(again.queue)
        await enqueueAll(harness.queue, [job])
        const [taken] = await next
        expect(taken?.job).toEqual(job)
        // For the second one nothing else is there.
        await harness.queue.ack([...received.flat(), ...(taken === undefined ? [] : [taken])].map(({ receipt }) => receipt))
      }
      await again.queue.close()
    })

    it('ends what waits when it is closed, and receives no more', async () => {
      const harness = await open()
      const again = await harness.reopen()
      const received = waiting(again)
      await again.close()
      expect(await received).toEqual([])
      await enqueueAll(harness.queue, [newJob()])
      await expect(waiting(again)).rejects.toBeInstanceOf(StoreUnavailableError)
      expect(await receiveOne(harness)).toMatchObject({ receiveCount: 1 })
      await again.close()
    })
  })
}
