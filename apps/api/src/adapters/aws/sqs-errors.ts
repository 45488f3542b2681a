import { StoreUnavailableError } from '../../ports.ts'

/** SQS could not do its work. The message is for the operator's log; it never quotes SQS, whose texts may repeat parts of a signed request. */
export class SqsError extends StoreUnavailableError {
  /** SQS's or the network's name for it, without SQS's own prefix. */
  readonly reason: string

  constructor(reason: string, message: string) {
    super(message)
    this.reason = reason
  }
}

const CREDENTIALS =
  /^(CredentialsProviderError|TokenProviderError|InvalidClientTokenId|UnrecognizedClient|ExpiredToken|InvalidSecurity|SignatureDoesNotMatch|IncompleteSignature|MissingAuthenticationToken|RequestExpired|OptInRequired|NotAuthorized)/
const THROTTLED = /Throttl|TooManyRequests|RequestLimitExceeded|OverLimit|SlowDown|BandwidthLimitExceeded/
const TIMED_OUT = /^(TimeoutError|AbortError|ETIMEDOUT)$/

/**
 * What an error of the SDK means.
 * @param error whatever was thrown
 * @param queueName what it was about
 */
export function sqsErrorOf(error: unknown, queueName: string): SqsError {
  if (error instanceof SqsError) return error
  const reason = reasonOf(error)
  return new SqsError(reason, `SQS, queue ${queueName}: ${meaningOf(reason, statusOf(error))}.`)
}

function meaningOf(reason: string, status: number | undefined): string {
  if (isMissingQueue(reason)) return 'the queue does not exist'
  if (/^AccessDenied|^InvalidAddress/.test(reason)) return `the credentials may not do this (${reason})`
  if (CREDENTIALS.test(reason)) return `the credentials are missing or refused (${reason}): they are those that the AWS SDK finds`
  if (THROTTLED.test(reason) || status === 429) return `too many requests (${reason})`
  if (TIMED_OUT.test(reason)) return 'no answer in time: see SQS_ENDPOINT_URL and AWS_REGION'
  if (/^E[A-Z_]+$/.test(reason)) return `it cannot be reached (${reason}): see SQS_ENDPOINT_URL and AWS_REGION`
  return status === undefined ? `it failed (${reason})` : `it failed (${reason}, status ${status})`
}

export function isMissingQueue(reason: string): boolean {
  return /^(QueueDoesNotExist|NonExistentQueue)/.test(reason)
}

/** That a receipt stands for nothing any more, or never did. SQS has several names for it, by how old the receipt is. */
export function isVoidReceipt(reason: string): boolean {
  return /^(ReceiptHandleIsInvalid|InvalidReceiptHandle|InvalidParameterValue|MessageNotInflight|EmptyValue|MissingParameter)/.test(reason)
}

/** A code of the network first: the SDK calls those just `Error`. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown'
  if (error.message === 'Region is missing') return 'the region is missing: set AWS_REGION'
  const code = 'code' in error && typeof error.code === 'string' ? error.code : ''
  return nameOf(/^E[A-Z_]+$/.test(code) ? code : error.name)
}

/** @param name perhaps of a server's making, so of no form that one can rely on */
export function nameOf(name: string | undefined): string {
  const bare = (name ?? '').replace(/^.*[.#]/, '')
  return /^\w{1,60}$/.test(bare) ? bare : 'unknown'
}

function statusOf(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('$metadata' in error)) return undefined
  const metadata = error.$metadata
  if (typeof metadata !== 'object' || metadata === null || !('httpStatusCode' in metadata)) return undefined
  return typeof metadata.httpStatusCode === 'number' ? metadata.httpStatusCode : undefined
}
