import type { Message } from '@aws-sdk/client-sqs'
import type { Job, ReceivedJob } from '../../webhook-ports.ts'

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

export const bodyOf = (job: Job): string => JSON.stringify(job)

/** Undefined for what is no job: anyone with access to the queue can send into it. */
export function jobOf(body: string | undefined): Job | undefined {
  const { type, webhookId, replayId } = fieldsOf(body)
  switch (type) {
    case 'deliver':
      return isId(webhookId) && (replayId === null || isId(replayId)) ? { type, webhookId, replayId } : undefined
    case 'replay':
      return isId(replayId) ? { type, replayId } : undefined
    default:
      return undefined
  }
}

export function receivedJobOf(message: Message): ReceivedJob | undefined {
  const job = jobOf(message.Body)
  if (job === undefined || message.ReceiptHandle === undefined) return undefined
  return { job, receipt: message.ReceiptHandle, receiveCount: Number(message.Attributes?.ApproximateReceiveCount ?? 1) }
}

function fieldsOf(body: string | undefined): Partial<Record<'type' | 'webhookId' | 'replayId', unknown>> {
  try {
    const value: unknown = JSON.parse(body ?? '')
    return typeof value === 'object' && value !== null ? value : {}
  } catch {
    return {}
  }
}

function isId(value: unknown): value is string {
  return typeof value === 'string' && UUID.test(value)
}
