import { hash as digest, randomBytes } from 'node:crypto'
import { type AccessStore, type ApiKeyRecord, type Authentication, type Clock, type KeyRing, type Principal, SCOPES } from '../ports.ts'
import { isMistypedSecret } from './api-key-secret.ts'
import type { Vault } from './vault.ts'

/** Well known, so it opens nothing but a server that serves its own machine alone. */
export const DEVELOPMENT_KEY = 'test-api-key-12345'
export const DEVELOPMENT_KEY_ID = 'key_development'

/** Of an imported secret, which may have any form; a longer one is no key's. */
export const MAX_SECRET_LENGTH = 512

const MAX_ENTRIES = 10_000
/** How late a change is seen that another process made. */
const LIFETIME_US = 4_000_000

export interface KeyUse {
  keyId: string
  usedAtUs: number
}

export interface UseCountingKeyRing extends KeyRing {
  /** When each stored key was last used, of those used since the last call. */
  takeUses(): KeyUse[]
  /** Gives back what was taken and could not be written. */
  returnUses(uses: readonly KeyUse[]): void
}

/** What is known of a secret that a stored key has, or had. */
interface Entry {
  keyId: string
  /** Before the store was asked: the entry is never younger than what it says. */
  readAtUs: number
  /** When the secret stops to work: then `ended` is the answer, until then `known`. */
  endsAtUs: number
  known: Authentication
  ended: Authentication
}

const UNKNOWN: Authentication = Object.freeze({ outcome: 'unknown' })
const EXPIRED: Authentication = Object.freeze({ outcome: 'expired' })
const REVOKED: Authentication = Object.freeze({ outcome: 'revoked' })

/**
 * The keys in the store, with those that were used lately kept in memory. Only secrets that a key has are kept, so that guessing
 * fills nothing, and by a digest that is salted for this process and a fifth of the price of the keyed hash that the store knows them by, so
 * that no secret lies in memory longer than its request.
 */
export function createKeyRing(options: {
  store: Pick<AccessStore, 'findApiKeyByHash'>
  vault: Vault
  clock: Clock
  defaultRateLimitPerMinute: number
  acceptDevelopmentKey: boolean
  maxEntries?: number
  lifetimeUs?: number
}): UseCountingKeyRing {
  const { store, vault, clock, defaultRateLimitPerMinute, maxEntries = MAX_ENTRIES, lifetimeUs = LIFETIME_US } = options
  const development = options.acceptDevelopmentKey ? knownAs(developmentPrincipal(defaultRateLimitPerMinute)) : UNKNOWN

  const salt = randomBytes(32).toString('base64url')
  /** By salted digest, the one that was used last at the end. */
  const entries = new Map<string, Entry>()
  let usedLast: Entry | undefined
  /** The look-ups under way, by salted digest: requests that come together share one. */
  const lookUps = new Map<string, Promise<Entry | undefined>>()
  /** How often something was forgotten: what was asked for before that may be outdated. */
  let generation = 0
  const uses = new Map<string, KeyUse>()

  function judge(entry: Entry, nowUs: number): Authentication {
    if (nowUs >= entry.endsAtUs) return entry.ended
    const use = uses.get(entry.keyId)
    if (use === undefined) uses.set(entry.keyId, { keyId: entry.keyId, usedAtUs: nowUs })
    else use.usedAtUs = nowUs
    return entry.known
  }

  /** The entry of that digest, if it is young enough; it becomes the one used last. */
  function recall(name: string, nowUs: number): Entry | undefined {
    const entry = entries.get(name)
    if (entry === undefined || !isYoung(entry, nowUs)) return undefined
    if (entry !== usedLast) keep(name, entry)
    return entry
  }

  /** A clock that was set back makes no entry live longer. */
  function isYoung({ readAtUs }: Entry, nowUs: number): boolean {
    return nowUs >= readAtUs && nowUs < readAtUs + lifetimeUs
  }

  function keep(name: string, entry: Entry): void {
    entries.delete(name)
    entries.set(name, entry)
    usedLast = entry
    if (entries.size <= maxEntries) return
    const [oldest] = entries.keys()
    if (oldest !== undefined) entries.delete(oldest)
  }

  async function lookUp(name: string, secret: string): Promise<Entry | undefined> {
    const asked = generation
    const readAtUs = clock.nowUs()
    const hash = vault.hash(secret)
    const record = await store.findApiKeyByHash(hash)
    const entry = record && (await entryOf(record, hash, readAtUs))
    if (entry !== undefined && generation === asked) keep(name, entry)
    return entry
  }

  async function entryOf(record: ApiKeyRecord, hash: string, readAtUs: number): Promise<Entry | undefined> {
    const version = record.versions.find((candidate) => candidate.hash === hash)
    if (version === undefined) return undefined
    const { keyId } = record
    if (record.revokedAtUs !== null) return { keyId, readAtUs, endsAtUs: 0, known: REVOKED, ended: REVOKED }
    const endsAtUs = Math.min(record.expiresAtUs ?? Infinity, version.expiresAtUs ?? Infinity)
    if (readAtUs >= endsAtUs) return { keyId, readAtUs, endsAtUs, known: EXPIRED, ended: EXPIRED }
    return { keyId, readAtUs, endsAtUs, known: knownAs(await principalOf(record, readAtUs)), ended: EXPIRED }
  }

  async function principalOf(record: ApiKeyRecord, nowUs: number): Promise<Principal> {
    const working = record.signingSecrets.filter(({ expiresAtUs }) => expiresAtUs === null || expiresAtUs > nowUs)
    return {
      workspaceId: record.workspaceId,
      keyId: record.keyId,
      name: record.name,
      scopes: record.scopes,
      rateLimitPerMinute: record.rateLimitPerMinute ?? defaultRateLimitPerMinute,
      allowedIps: record.allowedIps,
      requireSignature: record.requireSignature,
      signingSecrets: await Promise.all(
        working.map(async ({ sealed, expiresAtUs }) => ({ secret: await vault.open(sealed, record.keyId), expiresAtUs })),
      ),
      expiresAtUs: record.expiresAtUs,
      isDevelopment: false,
    }
  }

  return {
    authenticate(secret) {
      if (secret === DEVELOPMENT_KEY) return development
      if (secret === '' || secret.length > MAX_SECRET_LENGTH) return UNKNOWN
      const name = digest('sha256', salt + secret, 'base64url')
      const nowUs = clock.nowUs()
      const entry = recall(name, nowUs)
      if (entry !== undefined) return judge(entry, nowUs)
      if (isMistypedSecret(secret)) return UNKNOWN
      let found = lookUps.get(name)
      if (found === undefined) {
        const started = lookUp(name, secret).finally(() => {
          if (lookUps.get(name) === started) lookUps.delete(name)
        })
        lookUps.set(name, started)
        found = started
      }
      return found.then((looked) => (looked === undefined ? UNKNOWN : judge(looked, clock.nowUs())))
    },

    forget(keyId) {
      generation++
      lookUps.clear()
      for (const [name, entry] of entries) {
        if (entry.keyId === keyId) entries.delete(name)
      }
    },

    takeUses() {
      const taken = [...uses.values()]
      uses.clear()
      return taken
    },

    returnUses(returned) {
      for (const { keyId, usedAtUs } of returned) {
        uses.set(keyId, { keyId, usedAtUs: Math.max(usedAtUs, uses.get(keyId)?.usedAtUs ?? 0) })
      }
    },
  }
}

/** The answer that every request of the key gets: one object, which nobody can change for the next. */
function knownAs(principal: Principal): Authentication {
  return Object.freeze({
    outcome: 'known',
    principal: Object.freeze({
      ...principal,
      scopes: Object.freeze([...principal.scopes]),
      allowedIps: Object.freeze([...principal.allowedIps]),
      signingSecrets: Object.freeze(principal.signingSecrets.map((signing) => Object.freeze({ ...signing }))),
    }),
  })
}

/** Of the development key, which is nowhere stored. */
function developmentPrincipal(rateLimitPerMinute: number): Principal {
  return {
    workspaceId: 'default',
    keyId: DEVELOPMENT_KEY_ID,
    name: 'Development key',
    scopes: SCOPES,
    rateLimitPerMinute,
    allowedIps: [],
    requireSignature: false,
    signingSecrets: [],
    expiresAtUs: null,
    isDevelopment: true,
  }
}
