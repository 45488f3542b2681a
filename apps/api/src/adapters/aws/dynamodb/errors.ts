import { StoreUnavailableError } from '../../../ports.ts'
import { isThrottled, meaningOf, reasonOf, statusOf } from '../errors.ts'

/** DynamoDB could not do its work. The message is for the operator's log. */
export class DynamoError extends StoreUnavailableError {
  /** DynamoDB's or the network's name for it. */
  readonly reason: string
  /** Whether the request may have been carried out all the same: nobody knows. */
  readonly isUncertain: boolean

  constructor(reason: string, message: string, isUncertain = false) {
    super(message)
    this.reason = reason
    this.isUncertain = isUncertain
  }
}

/**
 * What an error of the SDK means.
 * @param error whatever was thrown
 */
export function dynamoErrorOf(error: unknown): DynamoError {
  if (error instanceof DynamoError) return error
  const reason = reasonOf(error)
  const status = statusOf(error)
  const meaning =
    reason === 'ResourceNotFoundException'
      ? 'a table or an index does not exist: see DYNAMODB_TABLE_PREFIX and AWS_REGION'
      : meaningOf(reason, status, 'see DYNAMODB_ENDPOINT_URL and AWS_REGION')
  // An answer of 4xx says that nothing was done.
  return new DynamoError(reason, `DynamoDB: ${meaning}.`, status === undefined || status >= 500)
}

/** Whether asking again in a moment may help. */
export const mayPass = ({ reason, isUncertain }: DynamoError): boolean => isThrottled(reason) || isUncertain
