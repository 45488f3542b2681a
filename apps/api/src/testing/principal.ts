import { type Principal, SCOPES } from '../ports.ts'

/** Who may do everything in the workspace `acme`, bound by nothing but what is given. */
export function principalWith(fields: Partial<Principal>): Principal {
  return {
    workspaceId: 'acme',
    keyId: 'key_test',
    name: 'A test key',
    scopes: SCOPES,
    rateLimitPerMinute: 0,
    allowedIps: [],
    requireSignature: false,
    signingSecrets: [],
    expiresAtUs: null,
    isDevelopment: false,
    ...fields,
  }
}
