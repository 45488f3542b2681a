/** Why a call on an API key is refused, whoever makes it; what depends on the caller is in `key-strength.ts`. */
import { ApiError, validationError } from '../errors.ts'
import type { ApiKeyRecord } from '../ports.ts'
import { formatTime } from './time.ts'

export function apiKeyNotFound(keyId: string): ApiError {
  return new ApiError('NOT_FOUND', 'There is no such API key in this workspace.', {
    details: { key_id: keyId, suggestion: 'Check the id; the list of API keys has those of the workspace.' },
  })
}

export function developmentKeyRefused(keyId: string): ApiError {
  return new ApiError('FORBIDDEN', 'The development key is not stored: it cannot be shown or changed.', {
    details: { key_id: keyId, suggestion: 'Make a key of your own (POST /v1/api-keys); AUTH_MODE=keys switches the development key off.' },
  })
}

/** @throws ApiError CONFLICT */
export function refuseRevoked({ keyId, revokedAtUs }: ApiKeyRecord): void {
  if (revokedAtUs === null) return
  throw new ApiError('CONFLICT', 'The API key is revoked.', {
    details: { key_id: keyId, revoked_at: formatTime(revokedAtUs), suggestion: 'Make a new key: a revoked one stays revoked.' },
  })
}

/** @throws ApiError CONFLICT */
export function refuseExpired({ keyId, expiresAtUs }: ApiKeyRecord, nowUs: number): void {
  if (expiresAtUs === null || expiresAtUs > nowUs) return
  throw new ApiError('CONFLICT', 'The API key has expired.', {
    details: {
      key_id: keyId,
      expires_at: formatTime(expiresAtUs),
      suggestion: 'Change its `expires_at` first (PATCH), or make a new key.',
    },
  })
}

/** @throws ApiError VALIDATION_ERROR */
export function refusePast(expiresAtUs: number, nowUs: number): void {
  if (expiresAtUs > nowUs) return
  const suggestion = 'Send a later time, or delete the key to end it now.'
  throw validationError([{ field: 'expires_at', issue: `must be after the server's time, ${formatTime(nowUs)}`, suggestion }])
}

/** @throws ApiError VALIDATION_ERROR for a key that nobody could sign with */
export function refuseMissingSigningSecret({ signingSecrets }: ApiKeyRecord): void {
  if (signingSecrets.length > 0) return
  const suggestion = 'Make one first (POST /v1/api-keys/{key_id}/signing-secret), so that the key is not locked out; then require it.'
  throw validationError([{ field: 'require_signature', issue: 'needs a signing secret, and the key has none', suggestion }])
}
