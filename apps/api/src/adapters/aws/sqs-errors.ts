import { StoreUnavailableError } from '../../ports.ts'
import { meaningOf, reasonOf, statusOf } from './errors.ts'

/** SQS could not do its work. The message is for the operator's log. */
export class SqsError extends StoreUnavailableError {
  /** SQS's or the network's name for it, without SQS's own prefix. */
  readonly reason: string

  constructor(reason: string, message: string) {
    super(message)
    this.reason = reason
  }
}

/**
 * What an error of the SDK means.
 * @param error whatever was thrown
 * @param queueName what it was about
 */
export function sqsErrorOf(error: unknown, queueName: string): SqsError {
  if (error instanceof SqsError) return error
  const reason = reasonOf(error)
  const meaning = isMissingQueue(reason)
    ? 'the queue does not exist'
    : meaningOf(reason, statusOf(error), 'see SQS_ENDPOINT_URL and AWS_REGION')
  return new SqsError(reason, `SQS, queue ${queueName}: ${meaning}.`)
}

export function isMissingQueue(reason: string): boolean {
  return /^(QueueDoesNotExist|NonExistentQueue)/.test(reason)
}

/** That a receipt stands for nothing any more, or never did. SQS has several names for it, by how old the receipt is. */
export function isVoidReceipt(reason: string): boolean {
  return /^(ReceiptHandleIsInvalid|InvalidReceiptHandle|InvalidParameterValue|MessageNotInflight|EmptyValue|MissingParameter)/.test(reason)
}
