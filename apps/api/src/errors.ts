import { z } from '@hono/zod-openapi'

/** Every error code with its statuses, the usual one first, and when it is answered. */
export const ERRORS = {
  VALIDATION_ERROR: { statuses: [400, 415, 422], when: 'The request is not of the form that the call takes.' },
  UNAUTHORIZED: { statuses: [401], when: 'The API key is missing, unknown, expired or revoked, or the signature is missing or not valid.' },
  FORBIDDEN: { statuses: [403], when: 'The key, or the place it is used from, may not do this.' },
  NOT_FOUND: { statuses: [404], when: 'There is no such thing in this workspace.' },
  METHOD_NOT_ALLOWED: { statuses: [405], when: 'The path knows other methods; `Allow` lists them.' },
  REQUEST_TIMEOUT: { statuses: [408], when: 'The request did not arrive in time.' },
  CONFLICT: {
    statuses: [409],
    when: 'The thing is in a state that does not allow it: an event is acknowledged already, a key is revoked.',
  },
  PAYLOAD_TOO_LARGE: { statuses: [413], when: 'The payload or the body is over its limit.' },
  IDEMPOTENCY_KEY_REUSED: { statuses: [422], when: 'The idempotency key stands for other content.' },
  RATE_LIMIT_EXCEEDED: { statuses: [429], when: 'Too many requests; `Retry-After` says when to come back.' },
  INTERNAL_ERROR: { statuses: [500], when: 'A fault of the server. Its log has the request id.' },
  SERVICE_UNAVAILABLE: {
    statuses: [503],
    when: 'The storage cannot take it now. Nothing was stored; `Retry-After` says when to come back.',
  },
} as const satisfies Record<string, { statuses: readonly number[]; when: string }>

export type ErrorCode = keyof typeof ERRORS
export type ErrorStatus<Code extends ErrorCode = ErrorCode> = (typeof ERRORS)[Code]['statuses'][number]

/** A failure that the caller is told about, whole. */
export class ApiError<Code extends ErrorCode = ErrorCode> extends Error {
  override name = 'ApiError'
  readonly code: Code
  readonly status: ErrorStatus<Code>
  readonly details: Record<string, unknown>
  readonly headers: Record<string, string>

  /** @param options `status` where the code has several; `details` and `headers` for the answer */
  constructor(
    code: Code,
    message: string,
    options: { status?: ErrorStatus<Code>; details?: Record<string, unknown>; headers?: Record<string, string> } = {},
  ) {
    super(message)
    this.code = code
    this.status = options.status ?? ERRORS[code].statuses[0]
    this.details = options.details ?? {}
    this.headers = options.headers ?? {}
  }
}

/** One thing wrong with a request. `field` is a path in the body, in a bulk call in its item: `metadata.priority`. */
export interface Problem {
  field: string
  issue: string
  suggestion: string
}

/** Problems listed in one answer, at the most. */
const SHOWN_PROBLEMS = 20

/** @param problems at least one; the first is repeated at the top of `details` */
export function validationError(problems: readonly Problem[], status: ErrorStatus<'VALIDATION_ERROR'> = 400): ApiError<'VALIDATION_ERROR'> {
  const shown = problems.slice(0, SHOWN_PROBLEMS)
  const [first] = shown
  const message = first === undefined ? 'The request is not valid.' : `${first.field}: ${first.issue}`
  return new ApiError('VALIDATION_ERROR', message, { status, details: { ...first, errors: shown } })
}

/** When a client should come back to a storage that cannot take its work now, in seconds. */
const RETRY_AFTER_SECONDS = '1'

/** The storage could not do this now, in no part. */
export function storageUnavailable(suggestion: string): ApiError<'SERVICE_UNAVAILABLE'> {
  return new ApiError('SERVICE_UNAVAILABLE', 'The storage cannot take it now; nothing was stored.', {
    details: { suggestion },
    headers: { 'retry-after': RETRY_AFTER_SECONDS },
  })
}

const ErrorBody = z
  .object({
    code: z.enum(Object.keys(ERRORS)).openapi({ description: 'What went wrong, for programs.', example: 'NOT_FOUND' }),
    message: z.string().openapi({ description: 'What went wrong, for people.', example: 'There is no such event.' }),
    details: z.record(z.string(), z.unknown()).openapi({ description: 'More about it; which members depends on the code.' }),
  })
  .openapi('Error')

/** The error of a bulk item; the request id stands at the top of the answer. */
export const ItemErrorSchema = ErrorBody

export const ErrorSchema = z
  .object({
    error: ErrorBody.extend({
      request_id: z
        .string()
        .openapi({ description: 'The id under which the server logged the request.', example: '01932d5e-7c1a-4b44-9d0a-5f3e2b1c4d6e' }),
    }),
  })
  .openapi('ErrorAnswer')

/** What every call with a key can answer, whatever it does; a stated length over the limit is refused where no body is read, too. */
const ALWAYS = ['UNAUTHORIZED', 'FORBIDDEN', 'PAYLOAD_TOO_LARGE', 'RATE_LIMIT_EXCEEDED', 'INTERNAL_ERROR', 'SERVICE_UNAVAILABLE'] as const

/**
 * The `responses` of a route's errors, from the table above.
 * @param own what the call answers beside the errors that every call can; a code, or one of its statuses: `VALIDATION_ERROR.422`
 */
export function errorResponses(...own: (ErrorCode | `${ErrorCode}.${number}`)[]) {
  const responses: Record<
    number,
    { description: string; content: { 'application/json': { schema: typeof ErrorSchema; example: unknown } } }
  > = {}
  for (const entry of [...own, ...ALWAYS]) {
    const [name, only] = entry.split('.')
    for (const [code, { statuses, when }] of Object.entries(ERRORS)) {
      if (code !== name) continue
      for (const status of statuses) {
        if (only === undefined ? status !== statuses[0] : status !== Number(only)) continue
        const description = responses[status] ? `${responses[status].description} Or \`${code}\`: ${when}` : `\`${code}\`: ${when}`
        const example = { error: { code, message: when, details: {}, request_id: '01932d5e-7c1a-4b44-9d0a-5f3e2b1c4d6e' } }
        responses[status] = { description, content: { 'application/json': { schema: ErrorSchema, example } } }
      }
    }
  }
  return responses
}
