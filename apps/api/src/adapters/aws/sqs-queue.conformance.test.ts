import { setTimeout as sleep } from 'node:timers/promises'
import { describe, it } from 'vitest'
import { sqsForTests } from '../../testing/elasticmq.ts'
import { testQueues } from '../../testing/sqs-queues.ts'
import { queueConformance } from '../conformance/queue.ts'

const endpointUrl = await sqsForTests()

if (endpointUrl === undefined) {
  it.skip("keeps the queue's contract: needs a JDK and Maven, or SQS_ENDPOINT_URL", () => {})
} else {
  const { open } = testQueues(endpointUrl)
  // Its clock is the real one: the tests wait together.
  describe.concurrent('real time', () => {
    queueConformance('SQS', async () => {
      const { queue, queueName } = await open()
      return {
        queue,
        maxReceives: 3,
        passTime: (ms) => sleep(ms),
        reopen: async () => (await open({ queueName })).queue,
        // SQS itself would need a second, since it asks some of its machines only when it does not wait.
        sureAfterMs: 0,
      }
    })
  })
}
