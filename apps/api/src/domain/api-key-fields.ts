/** What people set on an API key. */
import { type ApiKeyRecord, SCOPES, type Scope } from '../ports.ts'
import { refuseMissingSigningSecret, refusePast } from './api-key-refusals.ts'
import { formatTime } from './time.ts'

/** A key to make, of the right form: its name trimmed, its ranges canonical. */
export interface NewApiKey {
  name: string
  scopes: readonly Scope[]
  /** Null: the server's default; 0: without limit. */
  rateLimitPerMinute?: number | null | undefined
  allowedIps?: readonly string[] | undefined
  requireSignature?: boolean | undefined
  expiresAtUs?: number | null | undefined
}

/** What is to be another; the rest stays. */
export type ApiKeyChanges = { [Field in keyof NewApiKey]?: NewApiKey[Field] | undefined }

/**
 * What the changes make of the key's fields.
 * @throws ApiError VALIDATION_ERROR for what this key cannot have
 */
export function changedFields(
  key: ApiKeyRecord,
  changes: ApiKeyChanges,
  { nowUs, defaultRateLimit }: { nowUs: number; defaultRateLimit: number },
): Partial<ApiKeyRecord> {
  const { name, scopes, rateLimitPerMinute, allowedIps, requireSignature, expiresAtUs } = changes
  if (requireSignature === true) refuseMissingSigningSecret(key)
  // What was read can be sent back, the end of an expired key too.
  if (typeof expiresAtUs === 'number' && expiresAtUs !== key.expiresAtUs) refusePast(expiresAtUs, nowUs)
  // A key on the default is read with its number: sent back, it must not tie the key to that.
  const isReadDefault = key.rateLimitPerMinute === null && rateLimitPerMinute === defaultRateLimit
  return {
    ...(name !== undefined && { name }),
    ...(scopes !== undefined && { scopes: inOrder(scopes) }),
    ...(rateLimitPerMinute !== undefined && !isReadDefault && { rateLimitPerMinute }),
    ...(allowedIps !== undefined && { allowedIps: [...new Set(allowedIps)] }),
    ...(requireSignature !== undefined && { requireSignature }),
    ...(expiresAtUs !== undefined && { expiresAtUs }),
  }
}

/** Each once, in the order of the documentation. */
export function inOrder(scopes: readonly Scope[]): Scope[] {
  return SCOPES.filter((scope) => scopes.includes(scope))
}

/** What the audit log shows of a key, by the names of the wire. */
export function auditedFields(key: ApiKeyRecord) {
  return {
    name: key.name,
    scopes: key.scopes,
    rate_limit_per_minute: key.rateLimitPerMinute,
    allowed_ips: key.allowedIps,
    require_signature: key.requireSignature,
    expires_at: key.expiresAtUs === null ? null : formatTime(key.expiresAtUs),
  }
}
