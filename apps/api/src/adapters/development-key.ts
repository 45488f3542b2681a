import { createHash, timingSafeEqual } from 'node:crypto'
import { type KeyRing, type Principal, SCOPES } from '../ports.ts'

/** Well known, so it opens nothing but a server that serves its own machine alone. */
export const DEVELOPMENT_KEY = 'test-api-key-12345'

const principal: Principal = { workspaceId: 'default', keyId: 'key_development', name: 'Development key', scopes: SCOPES }

const expected = sha256(DEVELOPMENT_KEY)

export const developmentKeyRing: KeyRing = {
  authenticate: async (secret) => (timingSafeEqual(sha256(secret), expected) ? principal : undefined),
}

function sha256(text: string): Uint8Array {
  return createHash('sha256').update(text).digest()
}
