import type { Context } from 'hono'
import type { AppEnv } from '../context.ts'
import { matcherOf } from '../domain/ip-address.ts'
import { ApiError } from '../errors.ts'
import { limitRate } from './rate-limit.ts'

/** By the list itself, which lives as long as the principal is kept. */
const matchers = new WeakMap<readonly string[], (address: string) => boolean>()

/**
 * Refuses a key that is used from an address outside its `allowed_ips`.
 * @returns undefined when it is allowed; else a promise that rejects
 * @throws ApiError FORBIDDEN (rejects)
 */
export function refuseForeignAddress(c: Context<AppEnv>): Promise<never> | undefined {
  const { allowedIps } = c.get('principal')
  return allowedIps.length === 0 || allows(allowedIps, c.get('clientAddress')) ? undefined : refuse(c)
}

async function refuse(c: Context<AppEnv>): Promise<never> {
  const ip = c.get('clientAddress')
  const { keyId } = c.get('principal')
  c.get('deps').log.warn({ requestId: c.get('requestId'), keyId, ip }, 'a key was used from an address that it does not allow')
  // The key is valid, so the answer says how much of its rate is left; nothing is taken from it.
  await limitRate(c, 0)
  throw new ApiError('FORBIDDEN', 'The API key may not be used from this address.', {
    details: { ip, suggestion: 'Call from an allowed address, or add this one to the allowed_ips of the key.' },
  })
}

function allows(allowedIps: readonly string[], address: string): boolean {
  const known = matchers.get(allowedIps)
  if (known !== undefined) return known(address)
  const matcher = matcherOf(allowedIps)
  matchers.set(allowedIps, matcher)
  return matcher(address)
}
