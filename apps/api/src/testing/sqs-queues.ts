/** Queues in a real SQS for tests, each with a name of its own; all of them go away at the end of the file. */
import { randomUUID } from 'node:crypto'
import { SQS } from '@aws-sdk/client-sqs'
import { afterAll } from 'vitest'
import { openSqsQueue, type SqsQueueOptions } from '../adapters/aws/sqs-queue.ts'
import { parseConfig } from '../config.ts'
import type { Queue } from '../webhook-ports.ts'

export interface TestQueues {
  /** The SDK itself, for what the port has no word for. */
  sqs: SQS
  /** Opens a queue; without a name a new one, made as a server makes it. */
  open(options?: Partial<SqsQueueOptions>): Promise<{ queue: Queue; queueName: string }>
  urlOf(queueName: string): Promise<string>
}

/** For the top of a file. @param endpointUrl of the server */
export function testQueues(endpointUrl: string): TestQueues {
  const { sqs: access } = parseConfig({ AWS_REGION: 'us-east-1', ...process.env, SQS_ENDPOINT_URL: endpointUrl })
  const credentials = { accessKeyId: 'local', secretAccessKey: 'local' }
  const sqs = new SQS({
    endpoint: endpointUrl,
    region: access.region ?? 'us-east-1',
    useQueueUrlAsEndpoint: false,
    ...(access.madeUpCredentials && { credentials }),
  })
  const opened: Queue[] = []
  const names = new Set<string>()
  const urlOf = async (queueName: string) => (await sqs.getQueueUrl({ QueueName: queueName })).QueueUrl ?? ''

  afterAll(async () => {
    await Promise.all(opened.map((queue) => queue.close()))
    for (const name of names) {
      for (const each of [name, `${name}-dead`]) {
        // One that the server has no longer is as good as removed.
        await urlOf(each)
          .then((url) => sqs.deleteQueue({ QueueUrl: url }))
          .catch(() => undefined)
      }
    }
    sqs.destroy()
  })

  return {
    sqs,
    urlOf,
    async open(options = {}) {
      const queueName = options.queueName ?? `test-${randomUUID()}`
      names.add(queueName)
      const queue = await openSqsQueue({
        ...access,
        make: { maxReceives: 3 },
        onForeignMessage: () => {},
        // Short, so that none of a closed receiver is left when the test goes on.
        pollMs: 1000,
        drainMs: 10_000,
        ...options,
        queueName,
      })
      opened.push(queue)
      return { queue, queueName }
    },
  }
}
