import { type KeyRing, type Principal, SCOPES } from '../ports.ts'

/** Well known, so it opens nothing but a server that serves its own machine alone; it is compared like any other text. */
export const DEVELOPMENT_KEY = 'test-api-key-12345'

const principal: Principal = { workspaceId: 'default', keyId: 'key_development', name: 'Development key', scopes: SCOPES }

export const developmentKeyRing: KeyRing = {
  authenticate: async (secret) => (secret === DEVELOPMENT_KEY ? principal : undefined),
}
