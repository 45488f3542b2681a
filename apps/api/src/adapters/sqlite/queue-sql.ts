/** A job that is there to be received, by its visibility; `queueWriter` takes it. */
const JOB = 'SELECT id, receive_count, job FROM jobs WHERE dead_us IS NULL'
/** A job as its receipt names it. */
const HELD = 'WHERE id = ? AND receive_count = ? AND dead_us IS NULL'

/** The writer's statements on jobs. */
export const QUEUE_WRITES = {
  enqueue: 'INSERT INTO jobs (visible_us, receive_count, job) VALUES (?, 0, ?)',
  visible: `${JOB} AND visible_us <= ? ORDER BY visible_us, id LIMIT ?`,
  tooFarAhead: `${JOB} AND visible_us > ? ORDER BY visible_us, id LIMIT ?`,
  nextVisible: 'SELECT visible_us FROM jobs WHERE dead_us IS NULL ORDER BY visible_us LIMIT 1',
  take: 'UPDATE jobs SET visible_us = ?, receive_count = receive_count + 1 WHERE id = ?',
  bury: 'UPDATE jobs SET dead_us = ? WHERE id = ?',
  remove: `DELETE FROM jobs ${HELD}`,
  hide: `UPDATE jobs SET visible_us = ? ${HELD}`,
  putBack: `UPDATE jobs SET visible_us = ?, receive_count = receive_count - 1 ${HELD}`,
  sweepDead: 'DELETE FROM jobs WHERE id IN (SELECT id FROM jobs WHERE dead_us < ? ORDER BY dead_us LIMIT ?)',
} as const

/** The reader's. */
export const QUEUE_READS = {
  deadJobs: 'SELECT job FROM jobs WHERE dead_us IS NOT NULL ORDER BY dead_us DESC, id DESC LIMIT ?',
} as const
