import { errors } from 'undici'
import type { SendError } from '../../webhook-ports.ts'

/** Why nothing usable was answered; its message is for the webhook's owner, and names nothing that was not in the URL. */
export class SendFailure extends Error {
  override name = 'SendFailure'
  readonly error: SendError

  constructor(error: SendError, message: string) {
    super(message)
    this.error = error
  }
}

/** What Node and OpenSSL say of a certificate. */
const CERTIFICATE_PROBLEMS: Record<string, string> = {
  CERT_HAS_EXPIRED: 'its certificate has expired',
  CERT_NOT_YET_VALID: 'its certificate is not valid yet',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is self-signed',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for other names',
  SELF_SIGNED_CERT_IN_CHAIN: 'its certificate comes from an authority that is not trusted',
  UNABLE_TO_GET_ISSUER_CERT: 'its certificate chain is incomplete',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'its certificate chain is incomplete, or its authority is not trusted',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its certificate chain is incomplete, or its authority is not trusted',
}

const RESET = new Set(['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET'])
const INVALID_ANSWER = new Set(['UND_ERR_HEADERS_OVERFLOW', 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH'])
/** What undici says of an answer with 100 or 101, which nobody asked for; it is its code for a lost connection, too. */
const UNASKED = new Set(['bad response', 'bad upgrade'])

/**
 * What an error of the network, of TLS or of undici means. Their messages hold addresses, names of certificates and paths: none is kept.
 * @param host as in the URL, with the port where the URL has one
 */
export function failureOf(error: unknown, host: string): SendFailure {
  if (error instanceof SendFailure) return error
  const code = codeOf(error)
  if (code === 'ECONNREFUSED') return new SendFailure('connection_refused', `${host} refused the connection.`)
  if (code === 'ETIMEDOUT') return new SendFailure('connect_timeout', `No connection to ${host} came about in time.`)
  if (code === 'UND_ERR_HEADERS_TIMEOUT') return new SendFailure('timeout', `${host} did not answer in time.`)
  const isInvalid = error instanceof errors.HTTPParserError || (error instanceof errors.SocketError && UNASKED.has(error.message))
  if (isInvalid || INVALID_ANSWER.has(code)) {
    return new SendFailure('invalid_answer', `What ${host} answered is not HTTP/1.1, or its headers are too long.`)
  }
  if (RESET.has(code)) return new SendFailure('connection_reset', `${host} closed the connection before it answered.`)
  if (code.startsWith('ERR_SSL_') || code.startsWith('ERR_TLS_')) return tlsFailureOf(error, host)
  return new SendFailure('connection_failed', `The connection to ${host} failed${code === '' ? '' : ` (${code})`}.`)
}

/** The same for an error of a TLS handshake. */
export function tlsFailureOf(error: unknown, host: string): SendFailure {
  if (error instanceof SendFailure) return error
  const code = codeOf(error)
  if (RESET.has(code)) return new SendFailure('connection_reset', `${host} closed the connection during the TLS handshake.`)
  const problem = CERTIFICATE_PROBLEMS[code] ?? `the handshake failed${code === '' ? '' : ` (${code})`}`
  return new SendFailure('tls_failed', `TLS with ${host} failed: ${problem}.`)
}

/** Of several addresses that were tried, the error that says most: one that answered with a refusal is there. */
function codeOf(error: unknown): string {
  if (error instanceof AggregateError) {
    const codes = error.errors.map(codeOf)
    return codes.find((code) => code === 'ECONNREFUSED') ?? codes.find((code) => code === 'ETIMEDOUT') ?? codes[0] ?? ''
  }
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : ''
}
