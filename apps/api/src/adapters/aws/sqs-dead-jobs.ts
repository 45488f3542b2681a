import type { Message } from '@aws-sdk/client-sqs'
import type { Job } from '../../webhook-ports.ts'
import { BATCH } from './sqs-batches.ts'
import type { SqsClient } from './sqs-client.ts'
import { jobOf } from './sqs-messages.ts'

/** How long a letter is hidden from others at the most while it is looked at. */
const LOOK_SECONDS = 20
/** Long enough for SQS to ask all of its machines: without a wait it asks some. */
const WAIT_SECONDS = 1

/**
 * Peeks at the dead letters: SQS has no other way than to receive them, and to make them visible again. So it costs two requests for each ten, hides them
 * meanwhile, and of more than `limit` gives any; these the newest first.
 */
export async function deadJobs(client: SqsClient, url: string, limit: number): Promise<Job[]> {
  const letters: Message[] = []
  try {
    while (letters.length < limit) {
      const { Messages = [] } = await client.call(
        (sqs, call) =>
          sqs.receiveMessage(
            {
              QueueUrl: url,
              MaxNumberOfMessages: Math.min(BATCH, limit - letters.length),
              VisibilityTimeout: LOOK_SECONDS,
              WaitTimeSeconds: WAIT_SECONDS,
              MessageSystemAttributeNames: ['SentTimestamp'],
            },
            call,
          ),
        WAIT_SECONDS * 1000,
      )
      if (Messages.length === 0) break
      letters.push(...Messages)
    }
  } finally {
    await showAgain(client, url, letters)
  }
  return letters.sort((one, other) => sentMs(other) - sentMs(one)).flatMap(({ Body }) => jobOf(Body) ?? [])
}

/** One that cannot be is visible again soon by itself. */
async function showAgain(client: SqsClient, url: string, letters: readonly Message[]): Promise<void> {
  for (let start = 0; start < letters.length; start += BATCH) {
    const entries = letters
      .slice(start, start + BATCH)
      .flatMap(({ ReceiptHandle }, index) =>
        ReceiptHandle === undefined ? [] : [{ Id: String(index), ReceiptHandle, VisibilityTimeout: 0 }],
      )
    await client.call((sqs, call) => sqs.changeMessageVisibilityBatch({ QueueUrl: url, Entries: entries }, call)).catch(() => undefined)
  }
}

const sentMs = ({ Attributes }: Message): number => Number(Attributes?.SentTimestamp ?? 0)
