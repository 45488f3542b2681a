import { z } from '@hono/zod-openapi'
import { MAX_RATE_PER_MINUTE } from '../../config.ts'
import type { ApiKeyChanges, NewApiKey } from '../../domain/api-key-fields.ts'
import { canonicalRange } from '../../domain/ip-address.ts'
import { formatTime, parseTime } from '../../domain/time.ts'
import { SCOPES, type StoredApiKey } from '../../ports.ts'
import { EXAMPLE_REQUEST_ID, EXAMPLE_TIME, formatOrNull, nameOf, requestId, TIME_RULE, timeOrNull, timestamp } from '../schemas.ts'

export const EXAMPLE_KEY_ID = 'key_019aa5b2c3d47e5f8a9b0c1d2e3f4a5b'
/** Of the right form, but for its checksum: scanners and servers leave it alone. */
export const EXAMPLE_SECRET = 'trg_EXAMPLEexampleEXAMPLEexampleEXAM000000'
export const EXAMPLE_SIGNING_SECRET = 'sign_example-example-example-example-example-123'

export const keyId = z
  .string()
  .regex(/^key_[0-9a-z_]{1,64}$/, 'must be the id of an API key, such as key_019aa5b2c3d47e5f8a9b0c1d2e3f4a5b')
  .openapi({ description: "The key's public id.", example: EXAMPLE_KEY_ID })

export const KeyParams = z.object({ key_id: keyId })

export const secret = z.string().openapi({ description: 'The secret that callers send. It is shown this once.', example: EXAMPLE_SECRET })
export const signingSecret = z
  .string()
  .openapi({ description: 'The secret to sign requests with. It is shown this once.', example: EXAMPLE_SIGNING_SECRET })

const MAX_ALLOWED_IPS = 100
const DESCRIBED = {
  name: 'What people call the key.',
  scopes: 'What the key may do.',
  rateLimit: 'Requests a minute; 0 is without limit.',
  allowedIps: 'The addresses that the key may be used from: IPv4, IPv6, CIDR ranges. Empty allows all.',
  requireSignature: 'Whether every request must be signed.',
}

const scopesInput = z
  .array(z.enum(SCOPES))
  .min(1, 'must have at least one scope')
  .openapi({ description: DESCRIBED.scopes, example: ['events:write', 'inbox:consume'] })

const rateLimitInput = z
  .number()
  .refine(
    (rate) => Number.isInteger(rate) && rate >= 0 && rate <= MAX_RATE_PER_MINUTE,
    `must be a whole number from 0 to ${MAX_RATE_PER_MINUTE}`,
  )
  .nullable()
  .openapi({
    type: ['integer', 'null'],
    minimum: 0,
    maximum: MAX_RATE_PER_MINUTE,
    description: `${DESCRIBED.rateLimit} \`null\`: the server's default.`,
    example: 600,
  })

/** Canonical on the way in, so that equal ranges are equal texts. */
const allowedIpsInput = z
  .array(
    z.string().transform((text, ctx) => {
      const range = canonicalRange(text)
      if (range === undefined)
        ctx.addIssue({ code: 'custom', message: 'must be an IPv4 or IPv6 address or CIDR range, such as 203.0.113.0/24' })
      return range ?? text
    }),
  )
  .max(MAX_ALLOWED_IPS, `must have at most ${MAX_ALLOWED_IPS} entries`)
  .openapi({
    type: 'array',
    items: { type: 'string' },
    maxItems: MAX_ALLOWED_IPS,
    description: DESCRIBED.allowedIps,
    example: ['203.0.113.0/24', '2001:db8::/32'],
  })

const requireSignatureInput = z.boolean().openapi({ description: DESCRIBED.requireSignature, example: false })

const expiresAtInput = z
  .string()
  .nullable()
  .transform((text, ctx) => {
    if (text === null) return null
    const us = parseTime(text, 'down')
    if (us === undefined) ctx.addIssue({ code: 'custom', message: TIME_RULE })
    else if (!Number.isSafeInteger(us)) ctx.addIssue({ code: 'custom', message: 'must be before the year 2255; null is without end' })
    else return us
    return z.NEVER
  })
  .openapi({
    type: ['string', 'null'],
    description: 'When the key stops to work, in the future. ISO 8601; UTC without an offset. `null`: not before it is revoked.',
    example: '2026-11-21T08:00:00Z',
  })

export const ApiKeyInputSchema = z
  .strictObject({
    name: nameOf(DESCRIBED.name, 'Checkout service'),
    scopes: scopesInput,
    rate_limit_per_minute: rateLimitInput.optional(),
    allowed_ips: allowedIpsInput.optional(),
    require_signature: requireSignatureInput.optional(),
    expires_at: expiresAtInput.optional(),
  })
  .openapi('ApiKeyInput')

const ignored = (type: 'string' | 'boolean' | 'integer' | ['string', 'null']) =>
  z
    .unknown()
    .optional()
    .openapi({ type, readOnly: true, description: 'Read only: taken, so that a key as it was read can be sent back, and ignored.' })

export const ApiKeyChangesSchema = z
  .strictObject({
    ...ApiKeyInputSchema.partial().shape,
    key_id: ignored('string'),
    workspace_id: ignored('string'),
    has_signing_secret: ignored('boolean'),
    version: ignored('integer'),
    created_at: ignored('string'),
    last_used_at: ignored(['string', 'null']),
    revoked_at: ignored(['string', 'null']),
    request_id: ignored('string'),
  })
  .openapi('ApiKeyChanges')

/** The body in the domain's words. */
export function readNewApiKey(body: z.output<typeof ApiKeyInputSchema>): NewApiKey {
  return { ...readChanges(body), name: body.name, scopes: body.scopes }
}

/** The body in the domain's words; what it does not have is undefined. */
export function readChanges(body: z.output<typeof ApiKeyChangesSchema>): ApiKeyChanges {
  return {
    name: body.name,
    scopes: body.scopes,
    rateLimitPerMinute: body.rate_limit_per_minute,
    allowedIps: body.allowed_ips,
    requireSignature: body.require_signature,
    expiresAtUs: body.expires_at,
  }
}

export const apiKeyFields = {
  key_id: keyId,
  name: z.string().openapi({ description: DESCRIBED.name, example: 'Checkout service' }),
  workspace_id: z.string().openapi({ description: 'The workspace that the key reads and writes.', example: 'default' }),
  scopes: z.array(z.enum(SCOPES)).openapi({ description: DESCRIBED.scopes, example: ['events:write'] }),
  rate_limit_per_minute: z
    .number()
    .int()
    .openapi({ description: `${DESCRIBED.rateLimit} The server's default where none is set.`, example: 1000 }),
  allowed_ips: z.array(z.string()).openapi({ description: DESCRIBED.allowedIps, example: ['203.0.113.0/24'] }),
  require_signature: z.boolean().openapi({ description: DESCRIBED.requireSignature, example: false }),
  has_signing_secret: z.boolean().openapi({ description: 'Whether requests can be signed. A signature that comes is always checked.' }),
  version: z.number().int().openapi({ description: 'Which secret is the newest: 1, and one more for each rotation.', example: 1 }),
  created_at: timestamp('When the key was made.'),
  last_used_at: timeOrNull('When it was last used, known some seconds late; null: never.'),
  expires_at: timeOrNull('When it stops to work; null: not before it is revoked.'),
  revoked_at: timeOrNull('When it was revoked; null: it is not.'),
}

export const ApiKeySchema = z.object(apiKeyFields).openapi('ApiKey')
export const SingleApiKeySchema = z.object({ ...apiKeyFields, request_id: requestId }).openapi('SingleApiKey')

export const EXAMPLE_API_KEY = {
  key_id: EXAMPLE_KEY_ID,
  name: 'Checkout service',
  workspace_id: 'default',
  scopes: ['events:write'],
  rate_limit_per_minute: 1000,
  allowed_ips: ['203.0.113.0/24'],
  require_signature: false,
  has_signing_secret: false,
  version: 1,
  created_at: EXAMPLE_TIME,
  last_used_at: null,
  expires_at: null,
  revoked_at: null,
}
export const EXAMPLE_SINGLE_API_KEY = { ...EXAMPLE_API_KEY, request_id: EXAMPLE_REQUEST_ID }

/**
 * A key as every call shows it.
 * @param defaultRateLimit the server's, which a key without its own has
 */
export function presentApiKey(key: StoredApiKey, defaultRateLimit: number): z.input<typeof ApiKeySchema> {
  return {
    key_id: key.keyId,
    name: key.name,
    workspace_id: key.workspaceId,
    scopes: [...key.scopes],
    rate_limit_per_minute: key.rateLimitPerMinute ?? defaultRateLimit,
    allowed_ips: [...key.allowedIps],
    require_signature: key.requireSignature,
    has_signing_secret: key.signingSecrets.length > 0,
    version: key.versions[0]?.version ?? 1,
    created_at: formatTime(key.createdAtUs),
    last_used_at: formatOrNull(key.lastUsedAtUs),
    expires_at: formatOrNull(key.expiresAtUs),
    revoked_at: formatOrNull(key.revokedAtUs),
  }
}
