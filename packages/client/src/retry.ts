/** Which failures are tried again, and when. */
import { ApiError, ConnectionError, TimeoutError, type TriggersError } from './errors.ts'
import type { RetryClass } from './transport.ts'

const MAX_RETRY_AFTER_MS = 60_000
const FIRST_BACK_OFF_MS = 500
const MAX_BACK_OFF_MS = 8_000

/** The connection was never made: nothing was sent. */
const NEVER_SENT = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN'])

/** @returns whether it is sure that the server did nothing */
function nothingWasDone(error: TriggersError): boolean {
  if (error instanceof ApiError) return error.status === 429 || error.status === 503
  return error instanceof ConnectionError && NEVER_SENT.has(error.code ?? '')
}

function isPassing(error: TriggersError): boolean {
  if (error instanceof ApiError) return error.status === 408 || error.status === 429 || error.status >= 500
  return error instanceof ConnectionError || (error instanceof TimeoutError && error.scope === 'try')
}

/** @returns whether the call may be tried again after this failure */
export function mayRetry(error: TriggersError, retry: RetryClass): boolean {
  return isPassing(error) && (retry !== 'not-done-only' || nothingWasDone(error))
}

/** @returns whether the try that failed like this may have done its work on the server */
export function mayHaveReachedServer(error: TriggersError): boolean {
  return isPassing(error) && !nothingWasDone(error)
}

/** @param retries how many retries there were before @returns how long to wait for the next one */
export function retryDelayMs(error: TriggersError, retries: number, random: () => number): number {
  if (error instanceof ApiError && error.retryAfterMs !== undefined) return Math.min(error.retryAfterMs, MAX_RETRY_AFTER_MS)
  // Full jitter: clients that failed together don't come back together.
  return random() * Math.min(MAX_BACK_OFF_MS, FIRST_BACK_OFF_MS * 2 ** retries)
}

/** @param value a `Retry-After`: seconds, or a date @returns the milliseconds from now; undefined where it is neither */
export function parseRetryAfter(value: string | undefined, nowMs: number): number | undefined {
  if (value === undefined) return undefined
  if (/^\d+(\.\d+)?$/.test(value.trim())) return Number(value) * 1000
  const atMs = Date.parse(value)
  return Number.isNaN(atMs) ? undefined : Math.max(0, atMs - nowMs)
}
