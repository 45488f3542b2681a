import type { Context } from 'hono'
import { type AppEnv, answerJson } from './context.ts'
import { ApiError, storageUnavailable } from './errors.ts'
import { StoreUnavailableError } from './ports.ts'

/** The one envelope of all failures. What the caller cannot know or mend is logged, and answered with a fixed sentence. */
export function answerError(c: Context<AppEnv>, error: unknown): Response {
  const { code, status, message, details, headers } = asApiError(c, error)
  return answerJson(c, status, { error: { code, message, details, request_id: c.get('requestId') } }, headers)
}

function asApiError(c: Context<AppEnv>, error: unknown): ApiError {
  if (error instanceof ApiError) return error
  const { log } = c.get('deps')
  // Not the path: whatever a caller puts there by mistake would be logged, a key of no known form, too.
  const request = { requestId: c.get('requestId'), method: c.req.method, operation: c.get('operationId') }
  if (error instanceof StoreUnavailableError) {
    log.warn({ ...request, err: error }, 'the storage is unavailable')
    return storageUnavailable('Try again after the seconds in `Retry-After`.')
  }
  log.error({ ...request, err: error }, 'a request failed')
  return new ApiError('INTERNAL_ERROR', 'The server failed. Its log has this request id.')
}
