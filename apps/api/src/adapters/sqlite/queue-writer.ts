import type { DatabaseSync } from 'node:sqlite'
import { MAX_DELAY_MS } from '../../webhook-ports.ts'
import { prepareAll } from './database.ts'
import type { CallOf, InputOf, OutputOf, QueueWriterCalls } from './protocol.ts'
import { QUEUE_WRITES } from './queue-sql.ts'

/** SQS's longest retention. */
const DEAD_JOBS_KEPT_US = 14 * 86_400_000_000
/**
 * No job is hidden for longer than the longest delay. One that seems to be was hidden before the clock went back, and is visible; the
 * minute is for the clock's small corrections, which must not give a held job to two.
 */
const FARTHEST_US = MAX_DELAY_MS * 1000 + 60_000_000

/** The writer's part in the queue. A job is held while its visibility lies ahead; the count of its receivings tells holders apart. */
export function queueWriter(db: DatabaseSync) {
  const sql = prepareAll(db, QUEUE_WRITES)

  function receiveJobs(
    { max, visibilityUs, maxReceives }: InputOf<QueueWriterCalls, 'receiveJobs'>,
    nowUs: number,
  ): OutputOf<QueueWriterCalls, 'receiveJobs'> {
    const rows = sql.visible.all(nowUs, max)
    if (rows.length < max) rows.push(...sql.tooFarAhead.all(nowUs + FARTHEST_US, max - rows.length))
    const jobs: OutputOf<QueueWriterCalls, 'receiveJobs'>['jobs'] = []
    for (const row of rows) {
      const id = Number(row['id'])
      const receiveCount = Number(row['receive_count'])
      if (receiveCount >= maxReceives) {
        sql.bury.run(nowUs, id)
      } else {
        sql.take.run(nowUs + visibilityUs, id)
        jobs.push({ id, receiveCount: receiveCount + 1, job: String(row['job']) })
      }
    }
    const next = sql.nextVisible.get()
    return { jobs, nextVisibleUs: next === undefined ? null : Number(next['visible_us']) }
  }

  /** As a new row: a new id, so that no receipt of the former one can ever mean this one. */
  function delayJob({ held, job, delayUs }: InputOf<QueueWriterCalls, 'delayJob'>, nowUs: number): void {
    if (sql.remove.run(held.id, held.receiveCount).changes === 1) sql.enqueue.run(nowUs + delayUs, job)
  }

  return {
    handle(call: CallOf<QueueWriterCalls>, nowUs: number): unknown {
      switch (call.type) {
        case 'enqueueJobs':
          for (const { job, delayUs } of call.input) sql.enqueue.run(nowUs + delayUs, job)
          return null
        case 'receiveJobs':
          return receiveJobs(call.input, nowUs)
        case 'ackJobs':
          for (const { id, receiveCount } of call.input) sql.remove.run(id, receiveCount)
          return null
        case 'delayJob':
          delayJob(call.input, nowUs)
          return null
        case 'extendJob':
          sql.hide.run(nowUs + call.input.visibilityUs, call.input.held.id, call.input.held.receiveCount)
          return null
        case 'putBackJobs':
          for (const { id, receiveCount } of call.input) sql.putBack.run(nowUs, id, receiveCount)
          return null
        default:
          return call satisfies never
      }
    },
    /** Removes at most `limit` dead jobs that were kept long enough; true when there may be more. */
    sweep(nowUs: number, limit: number): boolean {
      return sql.sweepDead.run(nowUs - DEAD_JOBS_KEPT_US, limit).changes === limit
    },
  }
}
