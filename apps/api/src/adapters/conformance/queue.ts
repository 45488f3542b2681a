import { describe } from 'vitest'
import type { QueueHarness } from './queue-harness.ts'
import { queueJobsSuite } from './queue-jobs.ts'
import { queueReceiversSuite } from './queue-receivers.ts'

/**
 * The contract that every queue keeps: jobs about in order, each to one receiver until its visibility ends. Moments are whole seconds with
 * a second to spare, since some clocks cannot be moved.
 * @param open a queue without jobs, closed and removed by the caller at the end
 */
export function queueConformance(name: string, open: () => Promise<QueueHarness>): void {
  describe(`${name} keeps the queue's contract`, () => {
    queueJobsSuite(open)
    queueReceiversSuite(open)
  })
}
