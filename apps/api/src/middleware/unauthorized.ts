import type { Context } from 'hono'
import type { AppEnv } from '../context.ts'
import { secondsUntil } from '../domain/time.ts'
import { ApiError } from '../errors.ts'

/**
 * The refusal of a caller whose key or signature is not valid, which counts against the address it came from.
 * @param reason for programs, in snake_case
 * @returns UNAUTHORIZED, or RATE_LIMIT_EXCEEDED once too many from there were refused
 */
export function unauthorized(c: Context<AppEnv>, reason: string, message: string, suggestion: string): ApiError {
  const { failures, clock } = c.get('deps')
  const beyond = failures.fail(c.get('clientAddress'))
  if (beyond === undefined) {
    return new ApiError('UNAUTHORIZED', message, { details: { reason, suggestion }, headers: { 'www-authenticate': 'Bearer' } })
  }
  const seconds = Math.max(1, secondsUntil(beyond.retryAtUs, clock.nowUs()))
  return new ApiError('RATE_LIMIT_EXCEEDED', 'Too many failed authentications came from this address.', {
    details: { retry_after_seconds: seconds, suggestion: 'Correct the key or the signature. A valid key is accepted meanwhile.' },
    headers: { 'retry-after': String(seconds) },
  })
}
