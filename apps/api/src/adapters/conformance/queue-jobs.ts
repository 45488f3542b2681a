import { randomUUID } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import type { Job } from '../../webhook-ports.ts'
import { enqueueAll, jobsOf, LONG_MS, newJob, newJobs, type QueueHarness, receiveAll, receiveOne, sorted } from './queue-harness.ts'

export function queueJobsSuite(open: () => Promise<QueueHarness>): void {
  describe('jobs', () => {
    it('come as they were enqueued, of each type', async () => {
      const harness = await open()
      const jobs: Job[] = [
        newJob(),
        { type: 'deliver', webhookId: randomUUID(), replayId: randomUUID() },
        { type: 'replay', replayId: randomUUID() },
      ]
      await enqueueAll(harness.queue, jobs)
      const received = await receiveAll(harness)
      expect(sorted(jobsOf(received))).toEqual(sorted(jobs))
      expect(received.map(({ receiveCount }) => receiveCount)).toEqual([1, 1, 1])
      expect(new Set(received.map(({ receipt }) => receipt)).size).toBe(3)
    })

    it('come all of them, however many are enqueued at once', async () => {
      const harness = await open()
      const jobs = newJobs(300)
      await harness.queue.enqueue([])
      await enqueueAll(harness.queue, jobs)
      expect(sorted(jobsOf(await receiveAll(harness)))).toEqual(sorted(jobs))
    })

    it('come twice when they are enqueued twice', async () => {
      const harness = await open()
      const job = newJob()
      await enqueueAll(harness.queue, [job, job])
      expect(jobsOf(await receiveAll(harness))).toEqual([job, job])
    })

    it('come after their delay, and hold up no others', async () => {
      const harness = await open()
      const [delayed, ready] = [newJob(), newJob()]
      await harness.queue.enqueue([{ job: delayed, delayMs: 5000 }, { job: ready }])
      expect(jobsOf(await receiveAll(harness))).toEqual([ready])
      await harness.passTime(2000)
      expect(await receiveAll(harness)).toEqual([])
      await harness.passTime(4000)
      expect(await receiveOne(harness)).toMatchObject({ job: delayed, receiveCount: 1 })
    })

    it('come to nobody until their visibility ends, then again', async () => {
      const harness = await open()
      const job = newJob()
      await enqueueAll(harness.queue, [job])
      const first = await receiveOne(harness, 5000)
      await harness.passTime(2000)
      expect(await receiveAll(harness)).toEqual([])
      await harness.passTime(4000)
      const second = await receiveOne(harness)
      expect(second).toMatchObject({ job, receiveCount: 2 })
      expect(second.receipt).not.toBe(first.receipt)
    })

    it('come never again when they were acknowledged', async () => {
      const harness = await open()
      const kept = newJob()
      await enqueueAll(harness.queue, [...newJobs(25), kept])
      const received = await receiveAll(harness, 3000)
      await harness.queue.ack(received.flatMap(({ job, receipt }) => (isSame(job, kept) ? [] : [receipt])))
      await harness.queue.ack([])
      await harness.passTime(4000)
      expect(await receiveOne(harness)).toMatchObject({ job: kept, receiveCount: 2 })
    })

    it('are kept from others for longer when they are extended, counted from then on', async () => {
      const harness = await open()
      await enqueueAll(harness.queue, [newJob()])
      const { receipt } = await receiveOne(harness, 4000)
      await harness.passTime(2000)
      await harness.queue.extend(receipt, 6000)
      await harness.passTime(3500)
      expect(await receiveAll(harness)).toEqual([])
      await harness.passTime(3500)
      expect(await receiveOne(harness)).toMatchObject({ receiveCount: 2 })
    })

    it('come sooner when they are extended by less', async () => {
      const harness = await open()
      await enqueueAll(harness.queue, [newJob()])
      const { receipt } = await receiveOne(harness, LONG_MS)
      await harness.queue.extend(receipt, 1000)
      await harness.passTime(2000)
      expect(await receiveOne(harness)).toMatchObject({ receiveCount: 2 })
    })

    it('come after a delay, as if new, when they are given back', async () => {
      const harness = await open()
      const job = newJob()
      await enqueueAll(harness.queue, [job])
      await receiveOne(harness, 1000)
      await harness.passTime(2000)
      await harness.queue.delay(await receiveOne(harness), 5000)
      await harness.passTime(2000)
      expect(await receiveAll(harness)).toEqual([])
      await harness.passTime(4000)
      expect(await receiveOne(harness)).toMatchObject({ job, receiveCount: 1 })
    })

    it('are given back as often as one likes', async () => {
      const harness = await open()
      const job = newJob()
      await enqueueAll(harness.queue, [job])
      for (let time = 0; time < harness.maxReceives + 2; time++) await harness.queue.delay(await receiveOne(harness), 0)
      expect(await receiveOne(harness)).toMatchObject({ job, receiveCount: 1 })
      expect(await harness.queue.listDeadJobs(10)).toEqual([])
    })

    it('are dead letters when they were received too often', async () => {
      const harness = await open()
      const jobs = newJobs(3)
      await enqueueAll(harness.queue, jobs)
      for (let time = 1; time <= harness.maxReceives; time++) {
        expect(await harness.queue.listDeadJobs(10)).toEqual([])
        const received = await receiveAll(harness, 1000)
        expect(received.map(({ receiveCount }) => receiveCount)).toEqual([time, time, time])
        await harness.passTime(2000)
      }
      const healthy = newJob()
      await enqueueAll(harness.queue, [healthy])
      expect(jobsOf(await receiveAll(harness))).toEqual([healthy])
      expect(sorted(await harness.queue.listDeadJobs(10))).toEqual(sorted(jobs))
      expect(await harness.queue.listDeadJobs(2)).toHaveLength(2)
      await harness.passTime(2000)
      expect(await receiveAll(harness)).toEqual([])
    })

    it('are no dead letters when the last receiver finishes them', async () => {
      const harness = await open()
      await enqueueAll(harness.queue, [newJob()])
      for (let time = 1; time < harness.maxReceives; time++) {
        await receiveOne(harness, 1000)
        await harness.passTime(2000)
      }
      const last = await receiveOne(harness, 1000)
      await harness.queue.ack([last.receipt])
      await harness.passTime(2000)
      expect(await receiveAll(harness)).toEqual([])
      expect(await harness.queue.listDeadJobs(10)).toEqual([])
    })
  })

  describe('a receipt', () => {
    it('is void when the job was received once more: it neither ends it nor keeps it', async () => {
      const harness = await open()
      const job = newJob()
      await enqueueAll(harness.queue, [job])
      const late = await receiveOne(harness, 1000)
      await harness.passTime(2000)
      await receiveOne(harness, 3000)
      await harness.queue.ack([late.receipt])
      await harness.queue.extend(late.receipt, LONG_MS)
      await harness.passTime(4000)
      const third = await receiveOne(harness, 3000)
      expect(third.job).toEqual(job)
      // It may come twice now, as a job may; it is not lost, nor does the holder lose it.
      await harness.queue.delay(late, LONG_MS)
      await harness.queue.ack([third.receipt])
      await harness.passTime(4000)
      expect(await receiveAll(harness)).toEqual([])
    })

    it('is void when the job was given back', async () => {
      const harness = await open()
      const job = newJob()
      await enqueueAll(harness.queue, [job])
      const first = await receiveOne(harness)
      await harness.queue.delay(first, 0)
      const second = await receiveOne(harness, 3000)
      expect(second.receipt).not.toBe(first.receipt)
      await harness.queue.ack([first.receipt])
      await harness.queue.extend(first.receipt, LONG_MS)
      await harness.passTime(4000)
      expect(await receiveOne(harness)).toMatchObject({ job, receiveCount: 2 })
    })

    it('is passed over when it was used already, or never given', async () => {
      const harness = await open()
      const [done, other] = [newJob(), newJob()]
      await enqueueAll(harness.queue, [done, other])
      const received = await receiveAll(harness, 3000)
      const used = received.flatMap(({ job, receipt }) => (isSame(job, done) ? [receipt] : []))
      await harness.queue.ack(used)
      await harness.queue.ack([...used, 'never given', ''])
      for (const receipt of [...used, 'never given', '']) await harness.queue.extend(receipt, LONG_MS)
      await harness.passTime(4000)
      expect((await receiveOne(harness)).job).toEqual(other)
    })
  })
}

function isSame(job: Job, other: Job | undefined): boolean {
  return JSON.stringify(job) === JSON.stringify(other)
}
