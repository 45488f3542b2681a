import { describe, expect, it } from 'vitest'
import { ApiError } from '../errors.ts'
import { type Principal, SCOPES } from '../ports.ts'
import { principalWith } from '../testing/principal.ts'
import { sharedApp } from '../testing/test-app.ts'
import type { NewApiKey } from './api-key-fields.ts'
import { createApiKey, replaceSigningSecret, revokeApiKey, rotateApiKey, updateApiKey } from './api-keys.ts'
import type { ChangedBy } from './audit.ts'

const { deps, clock } = await sharedApp()
const WORKSPACE = 'acme'
const LATER = clock.nowUs() + 3600e6
const OPERATOR: ChangedBy = { principal: null, ip: null, requestId: null }

/** As tight as any caller here asks for. */
const TIGHT: NewApiKey = {
  name: 'Tight',
  scopes: ['events:read'],
  allowedIps: ['10.1.1.1'],
  requireSignature: true,
  expiresAtUs: LATER - 1e6,
  rateLimitPerMinute: 1,
}

const callerWith = (restrictions: Partial<Principal>): ChangedBy => ({
  principal: principalWith({ workspaceId: WORKSPACE, keyId: 'key_caller', ...restrictions }),
  ip: '10.1.1.1',
  requestId: 'test',
})

/** What a call comes to: `allowed`, or the field that it is refused for. */
async function outcomeOf(call: Promise<unknown>): Promise<unknown> {
  try {
    await call
    return 'allowed'
  } catch (error) {
    if (!(error instanceof ApiError) || error.code !== 'FORBIDDEN') throw error
    expect(error.details).toMatchObject({ issue: expect.stringMatching(/.+/), suggestion: expect.stringMatching(/.+/) })
    return error.details['field']
  }
}

/** A key that the operator made. */
async function keyWith(fields: Partial<NewApiKey>): Promise<string> {
  const { apiKey } = await createApiKey(deps, OPERATOR, WORKSPACE, { ...TIGHT, ...fields })
  return apiKey.keyId
}

const OPERATIONS: Record<string, (by: ChangedBy, fields: Partial<NewApiKey>) => Promise<unknown>> = {
  'making such a key': (by, fields) => createApiKey(deps, by, WORKSPACE, { ...TIGHT, ...fields }),
  'changing a key into such a one': async (by, fields) => updateApiKey(deps, by, WORKSPACE, await keyWith({}), fields),
  'changing something else of such a key': async (by, fields) =>
    updateApiKey(deps, by, WORKSPACE, await keyWith(fields), { name: 'Renamed' }),
  'rotating such a key': async (by, fields) => rotateApiKey(deps, by, WORKSPACE, await keyWith(fields), { transitionDays: 7 }),
  'making a signing secret for such a key': async (by, fields) => replaceSigningSecret(deps, by, WORKSPACE, await keyWith(fields), 0),
}

interface Case {
  caller: Partial<Principal>
  key: Partial<NewApiKey>
  outcome: string
}

const bound = { allowedIps: ['10.0.0.0/8', '192.0.2.1', '2001:db8::/32'] }
const CASES: Record<string, Case> = {
  'scopes, looser': {
    caller: { scopes: ['keys:manage', 'events:read'] },
    key: { scopes: ['events:read', 'events:write'] },
    outcome: 'scopes',
  },
  'scopes, others': { caller: { scopes: ['keys:manage'] }, key: { scopes: ['events:read'] }, outcome: 'scopes' },
  'scopes, equal': {
    caller: { scopes: ['keys:manage', 'events:read'] },
    key: { scopes: ['events:read', 'keys:manage'] },
    outcome: 'allowed',
  },
  'scopes, tighter': { caller: { scopes: ['keys:manage', 'events:read'] }, key: { scopes: ['events:read'] }, outcome: 'allowed' },
  'addresses, absent': { caller: bound, key: { allowedIps: [] }, outcome: 'allowed_ips' },
  'addresses, looser': { caller: bound, key: { allowedIps: ['10.0.0.0/7'] }, outcome: 'allowed_ips' },
  'addresses, one of two looser': { caller: bound, key: { allowedIps: ['10.1.0.0/16', '192.0.2.0/31'] }, outcome: 'allowed_ips' },
  'addresses, of the other family': { caller: { allowedIps: ['10.0.0.0/8'] }, key: { allowedIps: ['::/0'] }, outcome: 'allowed_ips' },
  'addresses, all instead of some': { caller: bound, key: { allowedIps: ['0.0.0.0/0'] }, outcome: 'allowed_ips' },
  'addresses, equal': { caller: bound, key: bound, outcome: 'allowed' },
  'addresses, tighter': { caller: bound, key: { allowedIps: ['10.1.0.0/16', '2001:db8::1'] }, outcome: 'allowed' },
  'signature, absent': { caller: { requireSignature: true }, key: { requireSignature: false }, outcome: 'require_signature' },
  'signature, equal': { caller: { requireSignature: true }, key: { requireSignature: true }, outcome: 'allowed' },
  'expiry, absent': { caller: { expiresAtUs: LATER }, key: { expiresAtUs: null }, outcome: 'expires_at' },
  'expiry, looser': { caller: { expiresAtUs: LATER }, key: { expiresAtUs: LATER + 1 }, outcome: 'expires_at' },
  'expiry, equal': { caller: { expiresAtUs: LATER }, key: { expiresAtUs: LATER }, outcome: 'allowed' },
  'expiry, tighter': { caller: { expiresAtUs: LATER }, key: { expiresAtUs: LATER - 1 }, outcome: 'allowed' },
  'rate, absent': { caller: { rateLimitPerMinute: 999 }, key: { rateLimitPerMinute: null }, outcome: 'rate_limit_per_minute' },
  'rate, without limit': { caller: { rateLimitPerMinute: 999 }, key: { rateLimitPerMinute: 0 }, outcome: 'rate_limit_per_minute' },
  'rate, looser': { caller: { rateLimitPerMinute: 100 }, key: { rateLimitPerMinute: 101 }, outcome: 'rate_limit_per_minute' },
  'rate, equal': { caller: { rateLimitPerMinute: 100 }, key: { rateLimitPerMinute: 100 }, outcome: 'allowed' },
  'rate, equal by default': { caller: { rateLimitPerMinute: 1000 }, key: { rateLimitPerMinute: null }, outcome: 'allowed' },
  'rate, tighter': { caller: { rateLimitPerMinute: 100 }, key: { rateLimitPerMinute: 99 }, outcome: 'allowed' },
  'rate, any for a caller without limit': { caller: { rateLimitPerMinute: 0 }, key: { rateLimitPerMinute: 0 }, outcome: 'allowed' },
  'nothing, by an unbound caller': {
    caller: {},
    key: { scopes: SCOPES, allowedIps: [], requireSignature: false, expiresAtUs: null, rateLimitPerMinute: 0 },
    outcome: 'allowed',
  },
}

describe.each(Object.entries(OPERATIONS))('%s', (_name, run) => {
  it.each(Object.entries(CASES))('%s', async (_case, { caller, key, outcome }) => {
    expect(await outcomeOf(run(callerWith(caller), key))).toBe(outcome)
  })

  it('is allowed to the operator and the development key, however bound', async () => {
    const free: Partial<NewApiKey> = { scopes: SCOPES, allowedIps: [], requireSignature: false, expiresAtUs: null, rateLimitPerMinute: 0 }
    const development = callerWith({
      isDevelopment: true,
      scopes: [],
      ...bound,
      requireSignature: true,
      expiresAtUs: LATER,
      rateLimitPerMinute: 1,
    })
    for (const by of [OPERATOR, development]) expect(await outcomeOf(run(by, free))).toBe('allowed')
  })
})

describe('a refused call', () => {
  it('stores nothing', async () => {
    const keyId = await keyWith({ allowedIps: [] })
    const before = await deps.store.getApiKey(keyId)
    const by = callerWith(bound)
    const calls = [
      updateApiKey(deps, by, WORKSPACE, keyId, { name: 'Renamed' }),
      rotateApiKey(deps, by, WORKSPACE, keyId, { revokePrevious: true }),
      replaceSigningSecret(deps, by, WORKSPACE, keyId, 0),
    ]
    expect(await Promise.all(calls.map(outcomeOf))).toEqual(['allowed_ips', 'allowed_ips', 'allowed_ips'])
    expect(await deps.store.getApiKey(keyId)).toEqual(before)
  })

  it('says what the caller is bound to', async () => {
    const refused = async (caller: Partial<Principal>, fields: Partial<NewApiKey>) => {
      const failure = await createApiKey(deps, callerWith(caller), WORKSPACE, { ...TIGHT, ...fields }).catch((error: unknown) => error)
      return failure instanceof ApiError ? failure.details : failure
    }
    expect(await refused(bound, { allowedIps: ['11.0.0.1', '10.0.0.1'] })).toMatchObject({
      issue: expect.stringContaining('11.0.0.1.'),
      caller_allowed_ips: bound.allowedIps,
    })
    expect(await refused({ expiresAtUs: LATER }, { expiresAtUs: null })).toMatchObject({ caller_expires_at: '2025-11-21T09:00:00.000000Z' })
    expect(await refused({ rateLimitPerMinute: 5 }, { rateLimitPerMinute: 6 })).toMatchObject({ caller_rate_limit_per_minute: 5 })
  })
})

describe('tightening a looser key', () => {
  it('is allowed, since it is judged as it will be', async () => {
    const keyId = await keyWith({ allowedIps: [], expiresAtUs: null })
    const by = callerWith({ ...bound, expiresAtUs: LATER })
    expect(await outcomeOf(updateApiKey(deps, by, WORKSPACE, keyId, { allowedIps: ['10.0.0.1'] }))).toBe('expires_at')
    expect(await outcomeOf(updateApiKey(deps, by, WORKSPACE, keyId, { allowedIps: ['10.0.0.1'], expiresAtUs: LATER }))).toBe('allowed')
  })
})

describe('revoking', () => {
  it.each(Object.entries(CASES))('is refused for a foreign scope alone: %s', async (_name, { caller, key, outcome }) => {
    const keyId = await keyWith(key)
    expect(await outcomeOf(revokeApiKey(deps, callerWith(caller), WORKSPACE, keyId))).toBe(outcome === 'scopes' ? 'scopes' : 'allowed')
  })
})
