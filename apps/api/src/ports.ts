import type { MoveStore } from './move-ports.ts'
import type { DeliveryStore, OutboxStore, ReplayStore, WebhookStore } from './webhook-ports.ts'

/**
 * What the domain needs from the world, and the records that cross the line; `webhook-ports.ts` and `move-ports.ts` have the rest. Both sides read
 * these files, which import each other alone. Times are whole microseconds since the Unix epoch (`…Us`), which a JavaScript number holds exactly until 2255.
 */

export const PRIORITIES = ['low', 'normal', 'high'] as const
export type Priority = (typeof PRIORITIES)[number]

export const EVENT_STATUSES = ['pending', 'acknowledged'] as const
export type EventStatus = (typeof EVENT_STATUSES)[number]

/** An event to store. The store gives it its id and its time, in commit order. */
export interface NewEvent {
  source: string
  eventType: string
  priority: Priority
  /** JSON object text as it is read back: `priority` always, the named keys, the user's own. */
  metadata: string
  /** JSON object text, compact, otherwise as sent. */
  payload: string
  /** The idempotency key with the SHA-256 of the content it stands for. */
  idempotency?: { key: string; fingerprint: Uint8Array } | undefined
}

export interface EventRecord {
  eventId: string
  createdAtUs: number
  source: string
  eventType: string
  payload: string
  status: EventStatus
  metadata: string
  acknowledgedAtUs: number | null
}

/**
 * `replayed`: the key was used for the same content; the first event's id and time. `key_reused`: for other content. `unavailable`: it could not be
 * stored now, while others of the call could; a call of which nothing can be done rejects with `StoreUnavailableError`.
 */
export type CreateResult =
  | { outcome: 'created' | 'replayed'; eventId: string; createdAtUs: number }
  | { outcome: 'key_reused' | 'unavailable' }

/** `unavailable` as in `CreateResult`. */
export type AckResult =
  | { outcome: 'acknowledged' | 'already_acknowledged'; acknowledgedAtUs: number }
  | { outcome: 'not_found' | 'unavailable' }

export interface EventFilter {
  source?: string | undefined
  eventType?: string | undefined
  priority?: Priority | undefined
  status?: EventStatus | undefined
  /** Key → the text that the value must have: a string itself, a number or boolean as JSON. */
  metadata?: Readonly<Record<string, string>> | undefined
  /** Both inclusive. */
  createdAfterUs?: number | undefined
  createdBeforeUs?: number | undefined
}

export interface EventQuery {
  workspaceId: string
  filter: EventFilter
  order: 'asc' | 'desc'
  /** At most this many events. */
  limit: number
  /** The page ends before its events' JSON would pass this many bytes, but never without one event. */
  maxBytes: number
  /** Where the last page ended: an `EventPage.next` of the same store, filter and order. */
  after?: string | undefined
}

export interface EventPage {
  events: EventRecord[]
  /** The position to go on from; null exactly when nothing more matches now. */
  next: string | null
}

/** One secret of a key. */
export interface KeyVersion {
  /** 1 for the first, one more for each rotation. */
  version: number
  /** The keyed hash of the secret (base64url). */
  hash: string
  createdAtUs: number
  /** When its successor was made; null for the newest. */
  rotatedAtUs: number | null
  /** When it stops to work; null: not before the key does. */
  expiresAtUs: number | null
}

/** A secret that the server must be able to use, encrypted. */
export interface SealedSecret {
  sealed: string
  /** When it stops to work; null for the one in use. */
  expiresAtUs: number | null
}

/** An API key as it is stored: whole, so that one write changes all of it or nothing. */
export interface ApiKeyRecord {
  keyId: string
  workspaceId: string
  name: string
  scopes: readonly Scope[]
  /** Requests a minute, 0 without limit; null: the server's default. */
  rateLimitPerMinute: number | null
  /** Addresses and CIDR ranges; empty allows all. */
  allowedIps: readonly string[]
  requireSignature: boolean
  /** The newest first; at most two. */
  signingSecrets: readonly SealedSecret[]
  /** The newest first, ended ones too. */
  versions: readonly KeyVersion[]
  createdAtUs: number
  expiresAtUs: number | null
  revokedAtUs: number | null
  /** How often it was written; 0 for one that is not stored yet. */
  revision: number
}

export interface StoredApiKey extends ApiKeyRecord {
  /** Known a few seconds late, and not part of `revision`. */
  lastUsedAtUs: number | null
}

/** `changed`: the stored revision is another one; `hash_taken`: one of its hashes belongs to another key. */
export type SaveResult = 'saved' | 'changed' | 'hash_taken'

export interface NewAuditEntry {
  /** Null for what concerns the whole installation. */
  workspaceId: string | null
  /** `api_key.rotated`: what was changed, and how. */
  action: string
  actor: { type: 'api_key' | 'operator' | 'server'; keyId: string | null }
  target: { type: string; id: string }
  /** Never a secret, a hash or a sealed secret. */
  changes: Readonly<Record<string, { from: unknown; to: unknown }>>
  ip: string | null
  requestId: string | null
}

export interface AuditEntry extends NewAuditEntry {
  /** A UUID of version 7. */
  entryId: string
  createdAtUs: number
}

export interface AuditQuery {
  /** Null for the entries that concern the whole installation. */
  workspaceId: string | null
  action?: string | undefined
  /** Both inclusive. */
  createdAfterUs?: number | undefined
  createdBeforeUs?: number | undefined
  limit: number
  /** Where the last page ended: a `next` of the same query. */
  after?: string | undefined
}

export interface EventStore {
  /** One result per event; durable before it resolves. Where the engine can, all of them are one commit; their order is that of the call. */
  createEvents(workspaceId: string, events: readonly NewEvent[]): Promise<CreateResult[]>
  getEvent(workspaceId: string, eventId: string): Promise<EventRecord | undefined>
  listEvents(query: EventQuery): Promise<EventPage>
  /** One result per id, in order. An id twice in one call is acknowledged once. */
  ackEvents(workspaceId: string, eventIds: readonly string[]): Promise<AckResult[]>
  /** Ids that are not there are passed over. */
  deleteEvents(workspaceId: string, eventIds: readonly string[]): Promise<void>
}

export interface AccessStore {
  /** Makes a workspace, with its audit entry in the same commit; false, and nothing written, when it is there. */
  createWorkspace(workspaceId: string, audit: NewAuditEntry): Promise<boolean>
  /** Whether it was created, or anything was ever stored in it. */
  hasWorkspace(workspaceId: string): Promise<boolean>
  /** By name, from behind `after` on. */
  listWorkspaces(query: { limit: number; after?: string | undefined }): Promise<{ workspaceIds: string[]; next: string | null }>
  /**
   * Writes the key whole, and the audit entry, in one commit, if the stored revision is still the record's (0: if there is no such key).
   * It is found by the hashes of its versions that have not expired at the time of the write; other hashes of it are forgotten.
   * Its workspace is made where it is missing. Saved, its revision is one more.
   */
  saveApiKey(record: ApiKeyRecord, audit: NewAuditEntry | null): Promise<SaveResult>
  /** The key with that id, of any workspace. */
  getApiKey(keyId: string): Promise<StoredApiKey | undefined>
  /** The key, revoked ones too, that has a version with that hash. Whether the version still works is the caller's to judge. */
  findApiKeyByHash(hash: string): Promise<StoredApiKey | undefined>
  /** The newest first, revoked ones too; of all workspaces without `workspaceId`. */
  listApiKeys(query: {
    workspaceId?: string | undefined
    limit: number
    after?: string | undefined
  }): Promise<{ apiKeys: StoredApiKey[]; next: string | null }>
  /** Moves `lastUsedAtUs` forward, never back. Unknown keys are passed over. */
  recordKeyUse(uses: readonly { keyId: string; usedAtUs: number }[]): Promise<void>
  /** The newest first. */
  listAuditEntries(query: AuditQuery): Promise<{ entries: AuditEntry[]; next: string | null }>
  /** Appends an entry that goes with no other write. */
  appendAuditEntry(entry: NewAuditEntry): Promise<void>
  /** Remembers a signature until then; false when it is remembered already. Durable before it resolves. */
  rememberSignature(signature: string, expiresAtUs: number): Promise<boolean>
  /** The data key of that name; `candidate` becomes it when there is none yet. */
  dataKey(name: string, candidate: Uint8Array): Promise<Uint8Array>
  listDataKeys(): Promise<{ name: string; key: Uint8Array }[]>
  /** Replaces the key if it is still `expected`; `null` removes it. False when it is another one. */
  replaceDataKey(name: string, expected: Uint8Array, key: Uint8Array | null): Promise<boolean>
}

/** Every method rejects with `StoreUnavailableError`, and nothing else, when the storage cannot do its work now. */
export interface Store extends EventStore, AccessStore, WebhookStore, OutboxStore, DeliveryStore, ReplayStore, MoveStore {
  /** Removes at most `limit` expired rows of each kind; true when there may be more. */
  sweep(limit: number): Promise<boolean>
  /** Finishes what was asked, then releases everything. */
  close(): Promise<void>
}

/** The storage cannot be reached, is full, locked or overloaded. What was asked has not been done, in no part. */
export class StoreUnavailableError extends Error {
  override name = 'StoreUnavailableError'
}

export interface Clock {
  /** Microseconds since the Unix epoch. */
  nowUs(): number
}

export const SCOPES = ['events:write', 'events:read', 'inbox:consume', 'webhooks:manage', 'analytics:read', 'keys:manage'] as const
export type Scope = (typeof SCOPES)[number]

/** Who a request comes from, and what binds them. */
export interface Principal {
  workspaceId: string
  keyId: string
  name: string
  scopes: readonly Scope[]
  /** Requests a minute; 0 without limit. */
  rateLimitPerMinute: number
  /** Addresses and CIDR ranges; empty allows all. */
  allowedIps: readonly string[]
  requireSignature: boolean
  /** In the clear, the newest first; whether one's time has ended is judged at each request. */
  signingSecrets: readonly { secret: string; expiresAtUs: number | null }[]
  expiresAtUs: number | null
  /** The development key's: it is not stored, and stands above the rules of who may make which key. */
  isDevelopment: boolean
}

export type Authentication = { outcome: 'known'; principal: Principal } | { outcome: 'unknown' | 'expired' | 'revoked' }

export interface KeyRing {
  /**
   * Whose secret it is, judged at this moment. Answers at once what it knows.
   * @throws StoreUnavailableError when it must ask the store, and cannot
   */
  authenticate(secret: string): Authentication | Promise<Authentication>
  /** After a change of the key: the next request finds it as it is stored. */
  forget(keyId: string): void
}

export interface RateLimit {
  allowed: boolean
  /** Whole requests that are left. */
  remaining: number
  /** When the bucket is full again. */
  fullAtUs: number
  /** When the next request is allowed; now, if it is. */
  retryAtUs: number
}

export interface RateLimiter {
  /**
   * Takes tokens from a bucket that holds `perMinute`, and gains as many a minute, evenly. Nothing is taken when it has too few.
   * @param tokens 1 for a request; 0 only looks, and is always allowed
   * @throws StoreUnavailableError (rejects) when tokens are shared with other processes, and cannot be had
   */
  take(bucket: string, perMinute: number, tokens?: 0 | 1): RateLimit | Promise<RateLimit>
}
