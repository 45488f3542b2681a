import { createHmac, hash, timingSafeEqual } from 'node:crypto'

/** How far a timestamp may lie from the server's clock, either way. */
const WINDOW_US = 300 * 1e6

const TIMESTAMP = /^\d{1,12}$/

const SIGNATURE_BYTES = 32

/** The three headers' values; undefined where the request has none. */
export interface SignatureHeaders {
  version?: string | undefined
  timestamp?: string | undefined
  signature?: string | undefined
}

export interface SignedRequest extends SignatureHeaders {
  method: string
  /** The request target as it was sent, neither decoded nor normalised. */
  target: string
  /** As received. */
  body: Uint8Array
  /** The key's signing secrets that work now. */
  secrets: readonly string[]
  nowUs: number
}

export type SignatureFailureReason =
  | 'signature_required'
  | 'no_signing_secret'
  | 'missing_signature_header'
  | 'unsupported_signature_version'
  | 'malformed_timestamp'
  | 'stale_timestamp'
  | 'future_timestamp'
  | 'malformed_signature'
  | 'signature_mismatch'

export interface SignatureFailure {
  reason: SignatureFailureReason
  message: string
  suggestion: string
}

const HEADERS = [
  ['version', 'X-Signature-Version'],
  ['timestamp', 'X-Signature-Timestamp'],
  ['signature', 'X-Signature'],
] as const

/** Whether the request has any of the three: then it must be signed rightly, also where signing is optional. */
export function hasSignatureHeaders(headers: SignatureHeaders): boolean {
  return HEADERS.some(([field]) => headers[field] !== undefined)
}

/**
 * Checks a request that must be signed, or claims to be.
 * @returns undefined when a secret of the key signed just this request at about this time
 */
export function verifyRequestSignature(request: SignedRequest): SignatureFailure | undefined {
  const { version, timestamp, signature, secrets } = request
  if (!hasSignatureHeaders(request)) {
    const suggestion = `Send ${HEADERS.map(([, name]) => name).join(', ')}.`
    return failure('signature_required', 'This key takes signed requests only.', suggestion)
  }
  if (secrets.length === 0) {
    const message = 'The request has signature headers, but its key has no signing secret.'
    return failure('no_signing_secret', message, 'Make a signing secret for the key, or leave the signature headers out.')
  }
  if (version === undefined || timestamp === undefined || signature === undefined) {
    const missing = HEADERS.filter(([field]) => request[field] === undefined).map(([, name]) => name)
    return failure('missing_signature_header', `Missing: ${missing.join(', ')}.`, 'Send all three signature headers, or none.')
  }
  if (version !== 'v1') {
    return failure('unsupported_signature_version', 'X-Signature-Version is not one that the server knows.', 'Use "v1".')
  }
  return timestampFailure(timestamp, request.nowUs) ?? signatureFailure(request, timestamp, signature)
}

function timestampFailure(timestamp: string, nowUs: number): SignatureFailure | undefined {
  if (!TIMESTAMP.test(timestamp)) {
    return failure('malformed_timestamp', 'X-Signature-Timestamp is not a whole number of Unix seconds.', 'Use for example "1763712000".')
  }
  const aheadUs = Number(timestamp) * 1e6 - nowUs
  if (Math.abs(aheadUs) <= WINDOW_US) return undefined
  const [reason, side] = aheadUs < 0 ? (['stale_timestamp', 'behind'] as const) : (['future_timestamp', 'ahead of'] as const)
  const seconds = Math.ceil(Math.abs(aheadUs) / 1e6)
  const message = `X-Signature-Timestamp is ${seconds} seconds ${side} the server's clock; 300 are allowed.`
  return failure(reason, message, 'Sign each request just before it is sent, each retry anew, and set the clock by NTP.')
}

function signatureFailure({ method, target, body, secrets }: SignedRequest, timestamp: string, signature: string) {
  const sent = Buffer.from(signature, 'base64')
  // Node decodes leniently; one text alone may stand for a signature, or remembering it would not stop a replay.
  if (sent.length !== SIGNATURE_BYTES || sent.toString('base64') !== signature) {
    const message = 'X-Signature is not 32 bytes in standard base64 with padding.'
    return failure('malformed_signature', message, 'Encode the HMAC-SHA256 itself: neither base64url nor hex.')
  }
  const signed = stringToSign(method, target, timestamp, body)
  let matches = false
  // Every secret is tried: the time does not tell which one it was.
  for (const secret of secrets) {
    if (timingSafeEqual(createHmac('sha256', secret).update(signed).digest(), sent)) matches = true
  }
  if (matches) return undefined
  const suggestion = 'Sign METHOD, PATH, QUERY, TIMESTAMP and the hex SHA-256 of the body, joined by LF, all exactly as they are sent.'
  return failure('signature_mismatch', 'The signature is not that of this request under a signing secret of its key.', suggestion)
}

/** Without a `?`, and with nothing behind it, the query is empty. */
function stringToSign(method: string, target: string, timestamp: string, body: Uint8Array): string {
  const mark = target.indexOf('?')
  const [path, query] = mark === -1 ? [target, ''] : [target.slice(0, mark), target.slice(mark + 1)]
  return `${method}\n${path}\n${query}\n${timestamp}\n${hash('sha256', body, 'hex')}`
}

function failure(reason: SignatureFailureReason, message: string, suggestion: string): SignatureFailure {
  return { reason, message, suggestion }
}
