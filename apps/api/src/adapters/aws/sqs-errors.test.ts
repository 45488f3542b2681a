import { describe, expect, it } from 'vitest'
import { StoreUnavailableError } from '../../ports.ts'
import { sqsErrorOf } from './sqs-errors.ts'

const errorOf = (name: string, message: string, fields: object = {}) => Object.assign(new Error(message), { name, ...fields })
const SECRET = 'x-amz-security-token:IQoJb3JpZ2luX2VjEXAMPLE'

describe('an error of SQS', () => {
  it.each([
    [errorOf('QueueDoesNotExist', SECRET), /the queue does not exist/],
    [errorOf('AWS.SimpleQueueService.NonExistentQueue', SECRET), /the queue does not exist/],
    [errorOf('AccessDenied', SECRET), /may not do this \(AccessDenied\)/],
    [errorOf('SignatureDoesNotMatch', SECRET), /credentials are missing or refused \(SignatureDoesNotMatch\)/],
    [errorOf('ExpiredToken', SECRET), /credentials are missing or refused \(ExpiredToken\)/],
    [errorOf('CredentialsProviderError', SECRET), /credentials are missing or refused/],
    [errorOf('ThrottlingException', SECRET), /too many requests/],
    [errorOf('RequestThrottled', SECRET), /too many requests/],
    [errorOf('TimeoutError', SECRET), /no answer in time/],
    [errorOf('AbortError', SECRET), /no answer in time/],
    [errorOf('Error', SECRET, { code: 'ECONNREFUSED' }), /cannot be reached \(ECONNREFUSED\)/],
    [errorOf('Error', SECRET, { code: 'ENOTFOUND' }), /cannot be reached \(ENOTFOUND\)/],
    [errorOf('InternalError', SECRET, { $metadata: { httpStatusCode: 500 } }), /it failed \(InternalError, status 500\)/],
    [errorOf(SECRET, SECRET), /it failed \(unknown\)/],
    [new Error('Region is missing'), /set AWS_REGION/],
    [SECRET, /it failed \(unknown\)/],
  ])('is one of the store with words for the operator, and repeats none of its own: %s', (error, words) => {
    const translated = sqsErrorOf(error, 'jobs')
    expect(translated).toBeInstanceOf(StoreUnavailableError)
    expect(translated.message).toMatch(words)
    expect(translated.message).toMatch(/^SQS, queue jobs: [^\n]*\.$/)
    expect(`${translated.stack} ${JSON.stringify(translated)} ${translated.cause}`).not.toContain('IQoJ')
  })
})
