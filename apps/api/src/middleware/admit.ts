import type { Context } from 'hono'
import type { AppEnv } from '../context.ts'
import { authenticate } from './authenticate.ts'
import { refuseForeignAddress } from './ip-allowlist.ts'
import { limitRate } from './rate-limit.ts'
import { mustBeSigned, refuseRepeatedSignature, verifySignature } from './verify-signature.ts'

/**
 * Lets in whoever has a valid key, from where it may be used, signed where that is asked, within its rate; puts the principal on
 * the context. The order is the contract's. It waits only where there is something to wait for: each wait costs every create.
 * @throws ApiError UNAUTHORIZED, FORBIDDEN, RATE_LIMIT_EXCEEDED; PAYLOAD_TOO_LARGE while a signed body is read
 * @throws StoreUnavailableError when a key or a limit cannot be judged
 */
export async function admit(c: Context<AppEnv>): Promise<void> {
  await authenticate(c)
  const refused = refuseForeignAddress(c)
  if (refused !== undefined) await refused
  const isSigned = mustBeSigned(c)
  if (isSigned) await verifySignature(c)
  const limited = limitRate(c, 1)
  if (limited !== undefined) await limited
  if (isSigned) await refuseRepeatedSignature(c)
}
