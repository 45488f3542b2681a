import { ApiError } from '../errors.ts'
import type { ApiKeyRecord, Principal } from '../ports.ts'
import { isWithin } from './ip-address.ts'
import { formatTime } from './time.ts'

/**
 * Refuses a key that could do more than the one that makes, changes or rotates it: whoever finds a restricted key must not be able to turn
 * it into a freer one. What the caller is bound by must be on the key as well, as tight or tighter; it is not inherited silently.
 * @param key as it will be
 * @param caller null: the operator, who stands above this, as the development key does
 * @throws ApiError FORBIDDEN
 */
export function refuseStronger(caller: Principal | null, key: ApiKeyRecord, defaultRateLimit: number): void {
  if (caller === null || caller.isDevelopment) return
  refuseForeignScopes(caller, key)
  const excess =
    addressExcess(caller, key) ??
    signatureExcess(caller, key) ??
    expiryExcess(caller, key) ??
    rateExcess(caller, key.rateLimitPerMinute ?? defaultRateLimit)
  if (excess !== undefined) throw forbidden(excess)
}

/**
 * Refuses to act on a key that has a scope which the caller lacks.
 * @param caller null: the operator
 * @throws ApiError FORBIDDEN
 */
export function refuseForeignScopes(caller: Principal | null, key: Pick<ApiKeyRecord, 'scopes'>): void {
  if (caller === null || caller.isDevelopment) return
  const missing = key.scopes.filter((scope) => !caller.scopes.includes(scope))
  if (missing.length === 0) return
  throw forbidden({
    field: 'scopes',
    issue: `The caller lacks ${missing.join(', ')}, which the key has.`,
    missing_scopes: missing,
    suggestion: 'Leave these scopes out, or use a key that has them.',
  })
}

interface Excess {
  field: string
  issue: string
  suggestion: string
  [detail: string]: unknown
}

function addressExcess(caller: Principal, key: ApiKeyRecord): Excess | undefined {
  if (caller.allowedIps.length === 0) return undefined
  const beyond = key.allowedIps.filter((range) => !caller.allowedIps.some((outer) => isWithin(range, outer)))
  if (key.allowedIps.length > 0 && beyond.length === 0) return undefined
  return {
    field: 'allowed_ips',
    issue:
      key.allowedIps.length === 0
        ? 'The caller is bound to addresses; the key is not.'
        : `The caller may not be used from ${beyond.join(', ')}.`,
    caller_allowed_ips: caller.allowedIps,
    suggestion: 'Give the key `allowed_ips` that lie within those of the caller.',
  }
}

function signatureExcess(caller: Principal, key: ApiKeyRecord): Excess | undefined {
  if (!caller.requireSignature || key.requireSignature) return undefined
  return {
    field: 'require_signature',
    issue: 'The caller must sign its requests; the key need not.',
    suggestion: 'Set `require_signature` to true.',
  }
}

function expiryExcess(caller: Principal, key: ApiKeyRecord): Excess | undefined {
  if (caller.expiresAtUs === null || (key.expiresAtUs !== null && key.expiresAtUs <= caller.expiresAtUs)) return undefined
  const latest = formatTime(caller.expiresAtUs)
  return {
    field: 'expires_at',
    issue: 'The key would outlive the caller.',
    caller_expires_at: latest,
    suggestion: `Set \`expires_at\` to ${latest} or earlier.`,
  }
}

/** @param rateLimit the key's, effective: 0 without limit */
function rateExcess(caller: Principal, rateLimit: number): Excess | undefined {
  const most = caller.rateLimitPerMinute
  if (most === 0 || (rateLimit > 0 && rateLimit <= most)) return undefined
  return {
    field: 'rate_limit_per_minute',
    issue: 'The key would have more requests a minute than the caller.',
    caller_rate_limit_per_minute: most,
    suggestion: `Set \`rate_limit_per_minute\` to a number from 1 to ${most}.`,
  }
}

function forbidden(excess: Excess): ApiError {
  return new ApiError('FORBIDDEN', 'The API key may not make, change, rotate or revoke one that can do more than itself.', {
    details: excess,
  })
}
