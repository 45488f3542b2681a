import type { Context } from 'hono'
import { type AppEnv, requestHeader } from '../context.ts'
import { hasSignatureHeaders, type SignatureHeaders, verifyRequestSignature } from '../domain/request-signing.ts'
import { readBody } from '../request.ts'
import { unauthorized } from './unauthorized.ts'

/** Twice the window in which a signature is valid, whose ends count, so that none outlives its memory. */
const REMEMBERED_US = 601e6
/** Writes that a replay would repeat with effect: they are accepted once per signature. */
const ONCE_ONLY = /^\/v1\/(?:api-keys|webhooks)(?:\/|$)/

/** Whether the request is signed, or has to be. */
export function mustBeSigned(c: Context<AppEnv>): boolean {
  return c.get('principal').requireSignature || hasSignatureHeaders(signatureHeaders(c))
}

function signatureHeaders(c: Context<AppEnv>): SignatureHeaders {
  return {
    version: requestHeader(c, 'x-signature-version'),
    timestamp: requestHeader(c, 'x-signature-timestamp'),
    signature: requestHeader(c, 'x-signature'),
  }
}

/**
 * Verifies the signature of a request that must have one.
 * @throws ApiError UNAUTHORIZED with the reason in its details; PAYLOAD_TOO_LARGE while the body is read
 */
export async function verifySignature(c: Context<AppEnv>): Promise<void> {
  const body = await readBody(c)
  const nowUs = c.get('deps').clock.nowUs()
  const { signingSecrets } = c.get('principal')
  const secrets = signingSecrets.filter(({ expiresAtUs }) => expiresAtUs === null || expiresAtUs > nowUs).map(({ secret }) => secret)
  const failure = verifyRequestSignature({ method: c.req.method, target: targetOf(c), body, ...signatureHeaders(c), secrets, nowUs })
  if (failure !== undefined) throw unauthorized(c, failure.reason, failure.message, failure.suggestion)
}

/**
 * Refuses a signed write to keys and webhooks whose signature was accepted before.
 * @throws ApiError UNAUTHORIZED
 */
export async function refuseRepeatedSignature(c: Context<AppEnv>): Promise<void> {
  if (c.req.method === 'GET' || c.req.method === 'HEAD' || !ONCE_ONLY.test(c.req.path)) return
  const { store, clock } = c.get('deps')
  const isFirst = await store.rememberSignature(
    `${c.get('principal').keyId}:${requestHeader(c, 'x-signature')}`,
    clock.nowUs() + REMEMBERED_US,
  )
  if (!isFirst) {
    throw unauthorized(c, 'signature_repeated', 'This signature was used before.', 'Sign every request anew, with the time of its sending.')
  }
}

/** The request target as it came, undecoded: Node keeps it, where a URL would be normalised. */
function targetOf(c: Context<AppEnv>): string {
  const { incoming } = c.env ?? {}
  if (incoming?.url !== undefined) return incoming.url
  const { pathname, search } = new URL(c.req.url)
  return pathname + search
}
