import type { SqsClient } from './sqs-client.ts'
import { isMissingQueue, SqsError } from './sqs-errors.ts'

/** SQS's longest. */
const RETENTION_SECONDS = String(14 * 86_400)

export interface QueueUrls {
  jobs: string
  dead: string
}

export const deadQueueName = (queueName: string): string => `${queueName}-dead`

/**
 * Finds the queue and that of its dead letters, and makes sure that the one leads to the other.
 * @param make how often a job is received before it is dead, for queues that are made where they are missing; undefined: they must be there
 */
export async function openQueues(client: SqsClient, make: { maxReceives: number } | undefined): Promise<QueueUrls> {
  const { queueName } = client
  if (make !== undefined) await makeQueues(client, make.maxReceives)
  const dead = await urlOf(client, deadQueueName(queueName))
  const jobs = await urlOf(client, queueName)
  const redrive = (await attributeOf(client, jobs, 'RedrivePolicy')) ?? ''
  if (!redrive.includes(`:${deadQueueName(queueName)}"`)) {
    throw new SqsError(
      'NoRedrive',
      `The SQS queue ${queueName} does not send its dead letters to ${deadQueueName(queueName)}: give it a redrive policy, as docs/OPERATING.md shows.`,
    )
  }
  return { jobs, dead }
}

/** Any number of servers may do so at once: making what is there in the same form is no mistake. */
async function makeQueues(client: SqsClient, maxReceives: number): Promise<void> {
  const deadName = deadQueueName(client.queueName)
  await makeQueue(client, deadName, {})
  const deadLetterTargetArn = await attributeOf(client, await urlOf(client, deadName), 'QueueArn')
  await makeQueue(client, client.queueName, {
    RedrivePolicy: JSON.stringify({ deadLetterTargetArn, maxReceiveCount: maxReceives }),
  })
}

async function makeQueue(client: SqsClient, name: string, attributes: Record<string, string>): Promise<void> {
  try {
    await client.call((sqs, options) =>
      sqs.createQueue({ QueueName: name, Attributes: { MessageRetentionPeriod: RETENTION_SECONDS, ...attributes } }, options),
    )
  } catch (error) {
    // It is there in a form that its owner gave it.
    if (!(error instanceof SqsError && /^Queue(NameExists|AlreadyExists)/.test(error.reason))) throw error
  }
}

async function urlOf(client: SqsClient, name: string): Promise<string> {
  try {
    const { QueueUrl } = await client.call((sqs, options) => sqs.getQueueUrl({ QueueName: name }, options))
    if (QueueUrl !== undefined) return QueueUrl
  } catch (error) {
    if (!(error instanceof SqsError && isMissingQueue(error.reason))) throw error
  }
  throw new SqsError(
    'QueueDoesNotExist',
    `The SQS queue ${name} does not exist: make it, as docs/OPERATING.md shows, or set SQS_QUEUE_NAME and AWS_REGION to where it is.`,
  )
}

async function attributeOf(client: SqsClient, url: string, name: 'QueueArn' | 'RedrivePolicy'): Promise<string | undefined> {
  const answer = await client.call((sqs, options) => sqs.getQueueAttributes({ QueueUrl: url, AttributeNames: [name] }, options))
  return answer.Attributes?.[name]
}
