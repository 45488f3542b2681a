import type { Context } from 'hono'
import type { AppEnv } from '../context.ts'
import { authenticate } from './authenticate.ts'
import { refuseForeignAddress } from './ip-allowlist.ts'
import { limitRate } from './rate-limit.ts'
import { mustBeSigned, refuseRepeatedSignature, verifySignature } from './verify-signature.ts'

/**
 * Lets in whoever has a valid key, from where it may be used, signed where that is asked, within its rate; puts the principal on
 * the context. The order is the contract's.
 * @returns a promise where there is something to wait for, so that the others need not: each wait costs every create
 * @throws ApiError UNAUTHORIZED, FORBIDDEN, RATE_LIMIT_EXCEEDED; PAYLOAD_TOO_LARGE while a signed body is read
 * @throws StoreUnavailableError when a key or a limit cannot be judged
 */
export function admit(c: Context<AppEnv>): Promise<void> | undefined {
  const authenticated = authenticate(c)
  return authenticated === undefined ? admitKnown(c) : authenticated.then(() => admitKnown(c))
}

function admitKnown(c: Context<AppEnv>): Promise<void> | undefined {
  const refused = refuseForeignAddress(c)
  if (refused !== undefined) return refused
  return mustBeSigned(c) ? admitSigned(c) : limitRate(c, 1)
}

async function admitSigned(c: Context<AppEnv>): Promise<void> {
  await verifySignature(c)
  await limitRate(c, 1)
  await refuseRepeatedSignature(c)
}
