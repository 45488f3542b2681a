import type { rotateApiKey } from '../domain/api-keys.ts'
import { formatTime } from '../domain/time.ts'

export const DEFAULT_TRANSITION_DAYS = 7
export const MAX_TRANSITION_DAYS = 90

type Rotation = Awaited<ReturnType<typeof rotateApiKey>>

/** As the API answers. */
export function rotationDocument(keyId: string, { secret, version, previousVersion, rotatedAtUs, expiresAtUs }: Rotation) {
  return {
    key_id: keyId,
    api_key: secret,
    version,
    previous_version: previousVersion,
    rotated_at: formatTime(rotatedAtUs),
    expires_at: formatTime(expiresAtUs),
  }
}

export function rotationLines(keyId: string, { secret, version, rotatedAtUs, expiresAtUs }: Rotation): string[] {
  const former = expiresAtUs <= rotatedAtUs ? 'has stopped to work' : `works until ${formatTime(expiresAtUs)}`
  return [`The key ${keyId} has version ${version}, which is not shown again; the former one ${former}.`, `API key: ${secret}`]
}
