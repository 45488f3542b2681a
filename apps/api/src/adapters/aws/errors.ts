/** What the errors of the AWS SDK mean, in words for the operator. They never quote AWS, whose texts may repeat parts of a signed request. */

const CREDENTIALS =
  /^(CredentialsProviderError|TokenProviderError|InvalidClientTokenId|UnrecognizedClient|ExpiredToken|InvalidSecurity|InvalidSignature|SignatureDoesNotMatch|IncompleteSignature|MissingAuthenticationToken|RequestExpired|OptInRequired|NotAuthorized)/
const THROTTLED = /Throttl|TooManyRequests|RequestLimitExceeded|ProvisionedThroughputExceeded|OverLimit|SlowDown|BandwidthLimitExceeded/
const TIMED_OUT = /^(TimeoutError|AbortError|ETIMEDOUT)$/

/**
 * @param reason of `reasonOf`
 * @param where the settings that say where the service is: `see SQS_ENDPOINT_URL and AWS_REGION`
 */
export function meaningOf(reason: string, status: number | undefined, where: string): string {
  if (/^AccessDenied|^InvalidAddress/.test(reason)) return `the credentials may not do this (${reason})`
  if (CREDENTIALS.test(reason)) return `the credentials are missing or refused (${reason}): they are those that the AWS SDK finds`
  if (isThrottled(reason) || status === 429) return `too many requests (${reason})`
  if (TIMED_OUT.test(reason)) return `no answer in time: ${where}`
  if (/^E[A-Z_]+$/.test(reason)) return `it cannot be reached (${reason}): ${where}`
  return status === undefined ? `it failed (${reason})` : `it failed (${reason}, status ${status})`
}

export function isThrottled(reason: string): boolean {
  return THROTTLED.test(reason)
}

/** The service's or the network's name for it. A code of the network first: the SDK calls those just `Error`. */
export function reasonOf(error: unknown): string {
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

export function statusOf(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('$metadata' in error)) return undefined
  const metadata = error.$metadata
  if (typeof metadata !== 'object' || metadata === null || !('httpStatusCode' in metadata)) return undefined
  return typeof metadata.httpStatusCode === 'number' ? metadata.httpStatusCode : undefined
}
