/** API keys: who may make and change which, what overlaps when a secret is replaced, and what the audit log is told. */
import type { Config } from '../config.ts'
import type { Deps } from '../deps.ts'
import {
  type ApiKeyRecord,
  type KeyVersion,
  type NewAuditEntry,
  type SealedSecret,
  type StoredApiKey,
  StoreUnavailableError,
} from '../ports.ts'
import { type ApiKeyChanges, auditedFields, changedFields, inOrder, type NewApiKey } from './api-key-fields.ts'
import { apiKeyNotFound, developmentKeyRefused, refuseExpired, refusePast, refuseRevoked } from './api-key-refusals.ts'
import { newApiKeySecret, newKeyId, newSigningSecret } from './api-key-secret.ts'
import { auditEntry, type ChangedBy, differences } from './audit.ts'
import { DEVELOPMENT_KEY_ID } from './key-ring.ts'
import { refuseForeignScopes, refuseStronger } from './key-strength.ts'
import { DAY_US, formatTime } from './time.ts'

export type ApiKeyDeps = Pick<Deps, 'store' | 'vault' | 'keys' | 'clock'> & {
  config: Pick<Config, 'rateLimitPerMinute'> & Partial<Pick<Config, 'authMode'>>
}

/** How long the former secret goes on working. */
export type Overlap = { transitionDays: number } | { revokePrevious: true }

/** A version as it is seen at a time. */
export interface VersionAt {
  version: number
  status: 'active' | 'rotating' | 'expired'
  createdAtUs: number
  rotatedAtUs: number | null
  /** When it stops, or stopped, to work; null: no end is set. */
  expiresAtUs: number | null
}

/** The version in use and those before it; the record stays small enough for any store. */
const MAX_VERSIONS = 101
/** Of those who change one key at the same time, one succeeds at each try. */
const MAX_TRIES = 64

/**
 * Makes a key. Its secrets are in the answer, and nowhere else.
 * @throws ApiError FORBIDDEN when it could do more than its maker, VALIDATION_ERROR
 */
export async function createApiKey(
  deps: ApiKeyDeps,
  by: ChangedBy,
  workspaceId: string,
  input: NewApiKey,
): Promise<{ apiKey: StoredApiKey; secret: string; signingSecret: string | undefined }> {
  const nowUs = deps.clock.nowUs()
  const keyId = newKeyId(nowUs)
  const secret = newApiKeySecret()
  const record: ApiKeyRecord = {
    keyId,
    workspaceId,
    name: input.name,
    scopes: inOrder(input.scopes),
    rateLimitPerMinute: input.rateLimitPerMinute ?? null,
    allowedIps: [...new Set(input.allowedIps)],
    requireSignature: input.requireSignature ?? false,
    signingSecrets: [],
    versions: [{ version: 1, hash: deps.vault.hash(secret), createdAtUs: nowUs, rotatedAtUs: null, expiresAtUs: null }],
    createdAtUs: nowUs,
    expiresAtUs: input.expiresAtUs ?? null,
    revokedAtUs: null,
    revision: 0,
  }
  if (record.expiresAtUs !== null) refusePast(record.expiresAtUs, nowUs)
  refuseStronger(by.principal, record, deps.config.rateLimitPerMinute)
  const signingSecret = record.requireSignature ? newSigningSecret() : undefined
  if (signingSecret !== undefined) record.signingSecrets = [{ sealed: await deps.vault.seal(signingSecret, keyId), expiresAtUs: null }]
  const saved = await deps.store.saveApiKey(
    record,
    entryOf(by, record, { action: 'api_key.created', changes: differences(null, auditedFields(record)) }),
  )
  if (saved !== 'saved') throw new Error(`A new key could not be saved: ${saved}.`)
  deps.keys.forget(keyId)
  return { apiKey: { ...record, revision: 1, lastUsedAtUs: null }, secret, signingSecret }
}

/**
 * @param workspaceId null: of any workspace
 * @throws ApiError NOT_FOUND; FORBIDDEN for the development key
 */
export async function findApiKey(
  deps: Pick<ApiKeyDeps, 'store' | 'config'>,
  workspaceId: string | null,
  keyId: string,
): Promise<StoredApiKey> {
  if (keyId === DEVELOPMENT_KEY_ID && deps.config.authMode === 'local') throw developmentKeyRefused(keyId)
  const key = await deps.store.getApiKey(keyId)
  if (key === undefined || (workspaceId !== null && key.workspaceId !== workspaceId)) throw apiKeyNotFound(keyId)
  return key
}

/**
 * Changes what is given. A change that makes no difference is not written.
 * @throws ApiError NOT_FOUND, FORBIDDEN, CONFLICT when the key is revoked, VALIDATION_ERROR
 */
export async function updateApiKey(
  deps: ApiKeyDeps,
  by: ChangedBy,
  workspaceId: string | null,
  keyId: string,
  changes: ApiKeyChanges,
): Promise<StoredApiKey> {
  const { key } = await change(deps, by, workspaceId, keyId, (key) => {
    refuseForeignScopes(by.principal, key)
    refuseRevoked(key)
    const fields = changedFields(key, changes, { nowUs: deps.clock.nowUs(), defaultRateLimit: deps.config.rateLimitPerMinute })
    const after = { ...key, ...fields }
    refuseStronger(by.principal, after, deps.config.rateLimitPerMinute)
    return { action: 'api_key.updated', fields, changes: differences(auditedFields(key), auditedFields(after)) }
  })
  return key
}

/**
 * Ends the key now, for good; it stays readable. Again, it does nothing.
 * @throws ApiError NOT_FOUND; FORBIDDEN when the key has a scope that the caller lacks
 */
export async function revokeApiKey(deps: ApiKeyDeps, by: ChangedBy, workspaceId: string | null, keyId: string): Promise<void> {
  await change(deps, by, workspaceId, keyId, (key) => {
    refuseForeignScopes(by.principal, key)
    if (key.revokedAtUs !== null) return { action: 'api_key.revoked', fields: {}, changes: {} }
    const revokedAtUs = deps.clock.nowUs()
    return { action: 'api_key.revoked', fields: { revokedAtUs }, changes: { revoked_at: { from: null, to: formatTime(revokedAtUs) } } }
  })
}

/**
 * Gives the key a new secret. The former one works through the overlap, at most until the key expires; one before it ends now.
 * @returns the new secret, and when the former one stops to work
 * @throws ApiError NOT_FOUND, FORBIDDEN, CONFLICT when the key is revoked or has expired
 */
export async function rotateApiKey(deps: ApiKeyDeps, by: ChangedBy, workspaceId: string | null, keyId: string, overlap: Overlap) {
  const secret = newApiKeySecret()
  const hash = deps.vault.hash(secret)
  const { decision } = await change(deps, by, workspaceId, keyId, (key) => {
    refuseStronger(by.principal, key, deps.config.rateLimitPerMinute)
    refuseRevoked(key)
    const nowUs = deps.clock.nowUs()
    refuseExpired(key, nowUs)
    const [newest, ...older] = key.versions
    if (newest === undefined) throw new Error(`${key.keyId} has no version.`)
    const version = newest.version + 1
    const expiresAtUs = 'revokePrevious' in overlap ? nowUs : overlapEnd(key, nowUs, overlap.transitionDays)
    const versions: KeyVersion[] = [
      { version, hash, createdAtUs: nowUs, rotatedAtUs: null, expiresAtUs: null },
      { ...newest, rotatedAtUs: nowUs, expiresAtUs },
      ...older.map((former) => ({ ...former, expiresAtUs: Math.min(former.expiresAtUs ?? nowUs, nowUs) })),
    ]
    return {
      action: 'api_key.rotated',
      fields: { versions: versions.slice(0, MAX_VERSIONS) },
      changes: {
        version: { from: newest.version, to: version },
        previous_expires_at: { from: null, to: formatTime(expiresAtUs) },
      },
      rotation: { version, previousVersion: newest.version, rotatedAtUs: nowUs, expiresAtUs },
    }
  })
  return { secret, ...decision.rotation }
}

/**
 * Makes the key's signing secret, or replaces it. The former one works through the overlap; one before it ends now.
 * @returns the new secret, and when the former one stops to work; null when there was none
 * @throws ApiError NOT_FOUND, FORBIDDEN, CONFLICT when the key is revoked
 */
export async function replaceSigningSecret(
  deps: ApiKeyDeps,
  by: ChangedBy,
  workspaceId: string | null,
  keyId: string,
  transitionDays: number,
): Promise<{ signingSecret: string; previousExpiresAtUs: number | null }> {
  const signingSecret = newSigningSecret()
  const { decision } = await change(deps, by, workspaceId, keyId, async (key) => {
    refuseStronger(by.principal, key, deps.config.rateLimitPerMinute)
    refuseRevoked(key)
    const sealed = await deps.vault.seal(signingSecret, keyId)
    const nowUs = deps.clock.nowUs()
    const [former] = key.signingSecrets
    const previousExpiresAtUs = former === undefined ? null : overlapEnd(key, nowUs, transitionDays)
    const signingSecrets: SealedSecret[] = [{ sealed, expiresAtUs: null }]
    // One that has ended is of no use to anybody but a thief.
    if (former !== undefined && previousExpiresAtUs !== null && previousExpiresAtUs > nowUs) {
      signingSecrets.push({ ...former, expiresAtUs: previousExpiresAtUs })
    }
    return {
      action: 'api_key.signing_secret_replaced',
      fields: { signingSecrets },
      changes:
        previousExpiresAtUs === null
          ? { has_signing_secret: { from: false, to: true } }
          : { previous_expires_at: { from: null, to: formatTime(previousExpiresAtUs) } },
      previousExpiresAtUs,
    }
  })
  return { signingSecret, previousExpiresAtUs: decision.previousExpiresAtUs }
}

/** The key's versions as they are at that time, the newest first. */
export function versionsOf(key: ApiKeyRecord, nowUs: number): VersionAt[] {
  return key.versions.map(({ version, createdAtUs, rotatedAtUs, expiresAtUs }, index) => {
    const endUs = Math.min(...[expiresAtUs, key.expiresAtUs, key.revokedAtUs].map((us) => us ?? Number.POSITIVE_INFINITY))
    const status = endUs <= nowUs ? 'expired' : index === 0 ? 'active' : 'rotating'
    return { version, status, createdAtUs, rotatedAtUs, expiresAtUs: Number.isFinite(endUs) ? endUs : null }
  })
}

interface Decision {
  action: string
  /** What the record is to have; without `changes`, nothing is written. */
  fields: Partial<ApiKeyRecord>
  changes: NewAuditEntry['changes']
}

/** Decides on the key as it is stored, and writes that; once more when it was changed meanwhile. */
async function change<Decided extends Decision>(
  deps: ApiKeyDeps,
  by: ChangedBy,
  workspaceId: string | null,
  keyId: string,
  decide: (key: StoredApiKey) => Decided | Promise<Decided>,
): Promise<{ key: StoredApiKey; decision: Decided }> {
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    const key = await findApiKey(deps, workspaceId, keyId)
    const decision = await decide(key)
    if (Object.keys(decision.changes).length === 0) return { key, decision }
    const { lastUsedAtUs, ...record } = { ...key, ...decision.fields }
    const saved = await deps.store.saveApiKey(record, entryOf(by, key, decision))
    if (saved === 'hash_taken') throw new Error(`A new secret of ${keyId} has the hash of another key's.`)
    deps.keys.forget(keyId)
    if (saved === 'saved') return { key: { ...record, revision: record.revision + 1, lastUsedAtUs }, decision }
  }
  throw new StoreUnavailableError(`${keyId} was changed by others at each of ${MAX_TRIES} tries.`)
}

/** What the audit log is told: by the names of the wire. */
function entryOf(by: ChangedBy, key: ApiKeyRecord, { action, changes }: Omit<Decision, 'fields'>): NewAuditEntry {
  return auditEntry(by, { workspaceId: key.workspaceId, action, target: { type: 'api_key', id: key.keyId }, changes })
}

/** Nothing outlives the key. */
function overlapEnd(key: ApiKeyRecord, nowUs: number, days: number): number {
  return Math.max(nowUs, Math.min(nowUs + days * DAY_US, key.expiresAtUs ?? Number.POSITIVE_INFINITY))
}
