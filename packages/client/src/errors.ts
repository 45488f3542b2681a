/** All that a call can fail with, but for an abort, which rejects with the signal's own reason. */
import type { ErrorCode } from './types.ts'

/**
 * What all errors of this client are.
 *
 * @example
 * try {
 *   await triggers.events.get(id)
 * } catch (error) {
 *   if (error instanceof NotFoundError) return undefined
 *   throw error
 * }
 */
export class TriggersError extends Error {
  override readonly name: string = 'TriggersError'
}

/** What an {@link ApiError} is made of. */
export interface ApiErrorInit {
  status: number
  code: ErrorCode
  message: string
  requestId: string | undefined
  details: Readonly<Record<string, unknown>>
  headers: Readonly<Record<string, string>>
  retryAfterMs: number | undefined
}

/** The server answered with an error. */
export class ApiError extends TriggersError {
  override readonly name: string = 'ApiError'
  /** The HTTP status. */
  readonly status: number
  /** What went wrong, for programs: `NOT_FOUND`, …; `HTTP_502` and its like where the answer was not the API's own. */
  readonly code: ErrorCode
  /** The id under which the server logged the request. */
  readonly requestId: string | undefined
  /** More about it; which members depends on the code. */
  readonly details: Readonly<Record<string, unknown>>
  /** How long the server asks to wait before a further try, in milliseconds; undefined where it doesn't say. */
  readonly retryAfterMs: number | undefined
  // Not a property, so that printing an error stays short.
  readonly #headers: Readonly<Record<string, string>>

  constructor(init: ApiErrorInit) {
    super(init.message)
    this.status = init.status
    this.code = init.code
    this.requestId = init.requestId
    this.details = init.details
    this.retryAfterMs = init.retryAfterMs
    this.#headers = init.headers
  }

  /** The answer's headers, by their lower-case names. */
  get headers(): Readonly<Record<string, string>> {
    return this.#headers
  }
}

/** 400, 415, 422: something in the request is not as it must be; `details.errors` lists what. */
export class ValidationError extends ApiError {
  override readonly name: string = 'ValidationError'
}

/** 401: the key or the signature is missing or wrong. */
export class AuthenticationError extends ApiError {
  override readonly name = 'AuthenticationError'
}

/** 403: the key may not do this, or not from here. */
export class PermissionError extends ApiError {
  override readonly name = 'PermissionError'
}

/** 404: there is no such thing in this workspace. */
export class NotFoundError extends ApiError {
  override readonly name = 'NotFoundError'
}

/** 409: its state does not allow it, as with an event that is acknowledged already. */
export class ConflictError extends ApiError {
  override readonly name = 'ConflictError'
}

/** 422: the idempotency key belongs to an event of other content. */
export class IdempotencyKeyReusedError extends ApiError {
  override readonly name = 'IdempotencyKeyReusedError'
}

/** 413: the payload or the body is beyond its limit, which `details.limit_bytes` says. */
export class PayloadTooLargeError extends ApiError {
  override readonly name = 'PayloadTooLargeError'
}

/** 429: too many requests. */
export class RateLimitError extends ApiError {
  override readonly name = 'RateLimitError'
}

/** 5xx: the server failed. */
export class ServerError extends ApiError {
  override readonly name = 'ServerError'
}

/** There was no whole answer: the server cannot be reached, or the connection ended on the way. */
export class ConnectionError extends TriggersError {
  override readonly name = 'ConnectionError'
  /** The platform's code for it, such as `ECONNREFUSED`, where there is one. */
  readonly code: string | undefined
  /** The `X-Request-ID` that was sent. */
  readonly requestId: string

  constructor(message: string, { code, requestId }: { code: string | undefined; requestId: string }) {
    super(message)
    this.code = code
    this.requestId = requestId
  }
}

/** The answer took too long. */
export class TimeoutError extends TriggersError {
  override readonly name = 'TimeoutError'
  /** What ran out: the time of one try (`timeoutMs`), or of the whole call (`totalTimeoutMs`). */
  readonly scope: 'try' | 'total'
  readonly timeoutMs: number
  /** The `X-Request-ID` that was sent. */
  readonly requestId: string

  constructor(scope: 'try' | 'total', timeoutMs: number, requestId: string) {
    super(scope === 'try' ? `No answer within ${timeoutMs} ms (timeoutMs).` : `The call took longer than ${timeoutMs} ms (totalTimeoutMs).`)
    this.scope = scope
    this.timeoutMs = timeoutMs
    this.requestId = requestId
  }
}

/** A webhook delivery is not to be trusted; its subclasses say why. */
export class SignatureVerificationError extends TriggersError {
  override readonly name: string = 'SignatureVerificationError'
}

/** @returns the error of the class that goes with the status */
export function apiErrorFrom(init: ApiErrorInit): ApiError {
  switch (init.status) {
    case 400:
    case 415:
      return new ValidationError(init)
    case 401:
      return new AuthenticationError(init)
    case 403:
      return new PermissionError(init)
    case 404:
      return new NotFoundError(init)
    case 409:
      return new ConflictError(init)
    case 413:
      return new PayloadTooLargeError(init)
    case 422:
      return init.code === 'IDEMPOTENCY_KEY_REUSED' ? new IdempotencyKeyReusedError(init) : new ValidationError(init)
    case 429:
      return new RateLimitError(init)
    default:
      return init.status >= 500 ? new ServerError(init) : new ApiError(init)
  }
}
