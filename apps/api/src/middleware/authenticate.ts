import type { Context } from 'hono'
import { type AppEnv, requestHeader } from '../context.ts'
import type { Authentication } from '../ports.ts'
import { setClientAddress } from './client-address.ts'
import { unauthorized } from './unauthorized.ts'

const REFUSALS = {
  unknown: 'The API key is not known.',
  expired: 'The API key has expired.',
  revoked: 'The API key was revoked.',
} as const satisfies Record<Exclude<Authentication['outcome'], 'known'>, string>

const HOW_TO_SEND = 'Send a valid key in the header `X-API-Key`, or as `Authorization: Bearer <key>`.'

/**
 * Finds out who asks, by `X-API-Key` or `Authorization: Bearer`. It looks at no body, so it need not wait for one.
 * @returns a promise where the key must be looked up first
 * @throws ApiError UNAUTHORIZED, or RATE_LIMIT_EXCEEDED when too many keys from that address have failed
 */
export function authenticate(c: Context<AppEnv>): Promise<void> | undefined {
  setClientAddress(c)
  const secret = requestHeader(c, 'x-api-key') ?? bearerToken(requestHeader(c, 'authorization'))
  if (secret === undefined) throw unauthorized(c, 'key_missing', 'An API key is required.', suggestionFor(c.req.url))
  const found = c.get('deps').keys.authenticate(secret)
  if (found instanceof Promise) return found.then((authentication) => settle(c, authentication))
  settle(c, found)
  return undefined
}

function settle(c: Context<AppEnv>, authentication: Authentication): void {
  if (authentication.outcome !== 'known')
    throw unauthorized(c, `key_${authentication.outcome}`, REFUSALS[authentication.outcome], HOW_TO_SEND)
  c.set('principal', authentication.principal)
}

/** RFC 6750, section 2.1; the scheme's name in any case (RFC 9110, section 11.1). */
function bearerToken(authorization: string | undefined): string | undefined {
  return authorization === undefined ? undefined : /^Bearer +(\S+)$/i.exec(authorization)?.[1]
}

const KEY_PARAMETER = /[?&](?:x[-_])?(?:api[-_]?key|key|token|access_token)=/i

/** A key in a URL ends up in logs and histories: it does not count, and the caller is told so. */
function suggestionFor(url: string): string {
  return KEY_PARAMETER.test(url) ? `A key in the query string is not accepted, and should be replaced. ${HOW_TO_SEND}` : HOW_TO_SEND
}
