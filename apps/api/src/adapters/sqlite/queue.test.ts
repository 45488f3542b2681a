import { getEventListeners } from 'node:events'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { StoreUnavailableError } from '../../ports.ts'
import { FakeClock } from '../../testing/fake-clock.ts'
import { planOf } from '../../testing/query-plan.ts'
import { temporaryStore } from '../../testing/temporary-store.ts'
import { MAX_DELAY_MS } from '../../webhook-ports.ts'
import { queueConformance } from '../conformance/queue.ts'
import { enqueueAll, FOR_EVER_MS, jobsOf, LONG_MS, newJob, newJobs, receiveAll, receiveOne } from '../conformance/queue-harness.ts'
import { QUEUE_READS, QUEUE_WRITES } from './queue-sql.ts'

async function openQueue() {
  const clock = new FakeClock()
  const { store, reopen, directory } = await temporaryStore(clock, { maxReceives: 3 })
  return { store, queue: store.queue, clock, reopen, directory, sureAfterMs: 0 }
}

queueConformance('SQLite', async () => {
  const { queue, clock, reopen, sureAfterMs } = await openQueue()
  return {
    queue,
    maxReceives: 3,
    passTime: async (ms) => clock.advance({ us: ms * 1000 }),
    reopen: async () => (await reopen()).queue,
    sureAfterMs,
  }
})

describe('order', () => {
  it('gives jobs in the order in which they became visible, and were enqueued', async () => {
    const harness = await openQueue()
    const [later, ...jobs] = newJobs(500)
    await enqueueAll(harness.queue, later === undefined ? [] : [later], 1000)
    await enqueueAll(harness.queue, jobs.slice(0, 300))
    await enqueueAll(harness.queue, jobs.slice(300))
    harness.clock.advance({ seconds: 1 })
    const last = newJob()
    await enqueueAll(harness.queue, [last])
    expect(jobsOf(await receiveAll(harness))).toEqual([...jobs, later, last])
  })

  it('lists the newest dead letters first', async () => {
    const harness = await openQueue()
    const jobs = newJobs(3)
    for (const job of jobs) {
      await enqueueAll(harness.queue, [job])
      for (let time = 0; time < 3; time++) {
        await receiveOne(harness, 1000)
        harness.clock.advance({ seconds: 1 })
      }
      expect(await receiveAll(harness)).toEqual([])
    }
    expect(await harness.queue.listDeadJobs(2)).toEqual(jobs.reverse().slice(0, 2))
  })
})

it('takes a delay beyond the longest for the longest, and one below nothing for none', async () => {
  const harness = await openQueue()
  const [late, early] = [newJob(), newJob()]
  await harness.queue.enqueue([
    { job: late, delayMs: 10 * MAX_DELAY_MS },
    { job: early, delayMs: -10 * MAX_DELAY_MS },
  ])
  const { job, receipt } = await receiveOne(harness)
  expect(job).toEqual(early)
  await harness.queue.ack([receipt])
  harness.clock.advance({ seconds: MAX_DELAY_MS / 1000 })
  expect((await receiveOne(harness)).job).toEqual(late)
})

it('makes no second job when one is given back by a void receipt', async () => {
  const harness = await openQueue()
  await enqueueAll(harness.queue, [newJob()])
  const late = await receiveOne(harness, 1000)
  harness.clock.advance({ seconds: 1 })
  const { receipt } = await receiveOne(harness)
  await harness.queue.delay(late, 0)
  expect(await receiveAll(harness)).toEqual([])
  await harness.queue.ack([receipt])
  await harness.queue.delay(late, 0)
  expect(await receiveAll(harness)).toEqual([])
})

describe('when the clock goes back', () => {
  it('gives what would else be hidden for longer than the longest delay', async () => {
    const harness = await openQueue()
    const [held, delayed, ready] = [newJob(), newJob(), newJob()]
    await enqueueAll(harness.queue, [held])
    await receiveOne(harness)
    await enqueueAll(harness.queue, [delayed], LONG_MS)
    await enqueueAll(harness.queue, [ready])
    harness.clock.advance({ hours: -1 })
    expect(jobsOf(await receiveAll(harness))).toEqual([ready, held, delayed])
    expect(await receiveAll(harness)).toEqual([])
  })

  it('wakes who waits', async () => {
    const harness = await openQueue()
    const job = newJob()
    await enqueueAll(harness.queue, [job], MAX_DELAY_MS)
    const received = harness.queue.receive({ max: 1, visibilityMs: LONG_MS, waitMs: FOR_EVER_MS })
    harness.clock.advance({ hours: -1 })
    expect(jobsOf(await received)).toEqual([job])
  })

  it('does not give a held job to a second receiver when it was set back by a little', async () => {
    const harness = await openQueue()
    await enqueueAll(harness.queue, [newJob()])
    await receiveOne(harness, MAX_DELAY_MS)
    harness.clock.advance({ seconds: -5 })
    expect(await receiveAll(harness)).toEqual([])
  })
})

describe('while another process holds the lock', () => {
  it('says that the storage is unavailable, and goes on afterwards', async () => {
    const harness = await openQueue()
    const { queue } = harness
    await enqueueAll(queue, newJobs(2))
    const [first, second] = await receiveAll(harness)
    if (first === undefined || second === undefined) throw new Error('There must be two jobs.')
    const other = new DatabaseSync(join(harness.directory, 'triggers.db'))
    onTestFinished(() => other.close())
    other.exec('BEGIN IMMEDIATE')
    const refused = await Promise.allSettled([
      enqueueAll(queue, [newJob()]),
      queue.receive({ max: 1, visibilityMs: 1000, waitMs: FOR_EVER_MS }),
      queue.ack([first.receipt]),
      queue.delay(second, 1000),
      queue.extend(first.receipt, 1000),
    ])
    for (const outcome of refused) expect(outcome).toMatchObject({ status: 'rejected', reason: expect.any(StoreUnavailableError) })
    other.exec('ROLLBACK')
    const job = newJob()
    await enqueueAll(queue, [job])
    expect(jobsOf(await receiveAll(harness))).toEqual([job])
  })
})

describe('a receiver that waits', () => {
  it('is woken by what is enqueued or given back, at whatever moment, by its signal and by the end, and not by time', async () => {
    const harness = await openQueue()
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    onTestFinished(() => {
      vi.useRealTimers()
    })
    const wait = () => harness.queue.receive({ max: 1, visibilityMs: LONG_MS, waitMs: FOR_EVER_MS })
    const jobs = newJobs(100)
    for (const [turn, job] of jobs.entries()) {
      const received = wait()
      // The look of the one and the commit of the other fall together in every way.
      for (let ticks = 0; ticks < turn % 20; ticks++) await (turn < 50 ? undefined : new Promise(setImmediate))
      await enqueueAll(harness.queue, [job])
      const [held] = await received
      if (held === undefined) throw new Error('There is no job.')
      const again = wait()
      await harness.queue.delay(held, 0)
      const [next] = await again
      expect(next?.job).toEqual(job)
      await harness.queue.ack([next?.receipt ?? ''])
    }

    const controller = new AbortController()
    const aborted = harness.queue.receive({ max: 1, visibilityMs: LONG_MS, waitMs: FOR_EVER_MS, signal: controller.signal })
    const closed = wait()
    // By then they wait.
    for (let turn = 0; turn < 3; turn++) await harness.queue.listDeadJobs(1)
    controller.abort()
    expect(await aborted).toEqual([])
    await harness.queue.close()
    expect(await closed).toEqual([])
  })
})

it('finds what another process enqueues while it waits at an empty queue', async () => {
  const { queue, reopen } = await openQueue()
  const other = await reopen()
  const received = queue.receive({ max: 1, visibilityMs: LONG_MS, waitMs: FOR_EVER_MS })
  // Behind its first look.
  await queue.extend('1.1', 0)
  const job = newJob()
  await enqueueAll(other.queue, [job])
  expect(jobsOf(await received)).toEqual([job])
})

describe('a receive that ends while it looks', () => {
  it('gives back what it took, as if it had not, when its signal ends it', async () => {
    const harness = await openQueue()
    const jobs = newJobs(3)
    await enqueueAll(harness.queue, jobs)
    const controller = new AbortController()
    const received = harness.queue.receive({ max: 2, visibilityMs: LONG_MS, waitMs: 0, signal: controller.signal })
    controller.abort()
    expect(await received).toEqual([])
    expect((await receiveAll(harness)).map(({ receiveCount }) => receiveCount)).toEqual([1, 1, 1])
  })

  it('does so, too, when the store is closed', async () => {
    const { store, queue, reopen, sureAfterMs } = await openQueue()
    const job = newJob()
    await enqueueAll(queue, [job])
    const received = queue.receive({ max: 2, visibilityMs: LONG_MS, waitMs: FOR_EVER_MS })
    await store.close()
    expect(await received).toEqual([])
    expect(await receiveOne({ queue: (await reopen()).queue, sureAfterMs })).toMatchObject({ job, receiveCount: 1 })
  })
})

it('leaves no timer behind, and none keeps the process alive; nor a listener on the signal', async () => {
  const { queue } = await openQueue()
  const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
  const before = timers()
  const { signal } = new AbortController()
  const received = Promise.all([1, 2, 3].map(() => queue.receive({ max: 1, visibilityMs: LONG_MS, waitMs: FOR_EVER_MS, signal })))
  await expect.poll(() => getEventListeners(signal, 'abort').length).toBe(3)
  expect(timers()).toBeLessThanOrEqual(before + 1)
  await enqueueAll(queue, newJobs(3))
  expect((await received).flat()).toHaveLength(3)
  expect(getEventListeners(signal, 'abort')).toEqual([])
})

it('removes dead letters after fourteen days, a few at a time', async () => {
  const harness = await openQueue()
  const { queue, clock, store } = harness
  await enqueueAll(queue, newJobs(5))
  for (let time = 0; time <= 3; time++) {
    await receiveAll(harness, 1000)
    clock.advance({ seconds: 1 })
  }
  expect(await queue.listDeadJobs(10)).toHaveLength(5)
  const waiting = newJob()
  await enqueueAll(queue, [waiting])
  clock.advance({ days: 14, seconds: -2 })
  expect(await store.sweep(2)).toBe(false)
  clock.advance({ seconds: 2 })
  expect([await store.sweep(2), (await queue.listDeadJobs(10)).length]).toEqual([true, 3])
  expect([await store.sweep(2), (await queue.listDeadJobs(10)).length]).toEqual([true, 1])
  expect([await store.sweep(2), (await queue.listDeadJobs(10)).length]).toEqual([false, 0])
  expect(jobsOf(await receiveAll(harness))).toEqual([waiting])
})

describe('statements', () => {
  for (const [name, sql] of Object.entries({ ...QUEUE_READS, ...QUEUE_WRITES })) {
    it(`goes through no table from its beginning, and sorts nothing: ${name}`, () => {
      expect(planOf(sql)).not.toMatch(/SCAN jobs$|TEMP B-TREE/m)
    })
  }

  it('finds visible jobs, the next one and dead ones in their indexes', () => {
    expect(planOf(QUEUE_WRITES.visible)).toMatch(/INDEX jobs_visible \(visible_us<\?\)/)
    expect(planOf(QUEUE_WRITES.tooFarAhead)).toMatch(/INDEX jobs_visible \(visible_us>\?\)/)
    expect(planOf(QUEUE_WRITES.nextVisible)).toMatch(/INDEX jobs_visible/)
    expect(planOf(QUEUE_WRITES.sweepDead)).toMatch(/INDEX jobs_dead \(dead_us<\?\)/)
    expect(planOf(QUEUE_READS.deadJobs)).toMatch(/INDEX jobs_dead/)
  })
})
