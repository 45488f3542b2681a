/**
 * What the domain needs from the world, and the records that cross the line. Both sides read this file; it imports
 * nothing. Times are whole microseconds since the Unix epoch (`…Us`), which a JavaScript number holds exactly until 2255.
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

/** `replayed`: the key was used for the same content; the first event's id and time. `key_reused`: for other content. */
export type CreateResult = { outcome: 'created' | 'replayed'; eventId: string; createdAtUs: number } | { outcome: 'key_reused' }

export type AckResult = { outcome: 'acknowledged' | 'already_acknowledged'; acknowledgedAtUs: number } | { outcome: 'not_found' }

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

/** Every method rejects with `StoreUnavailableError`, and nothing else, when the storage cannot do its work now. */
export interface Store {
  /** All of them in one commit, in order; durable before it resolves. One result per event. */
  createEvents(workspaceId: string, events: readonly NewEvent[]): Promise<CreateResult[]>
  getEvent(workspaceId: string, eventId: string): Promise<EventRecord | undefined>
  listEvents(query: EventQuery): Promise<EventPage>
  /** One result per id, in order. An id twice in one call is acknowledged once. */
  ackEvents(workspaceId: string, eventIds: readonly string[]): Promise<AckResult[]>
  /** Ids that are not there are passed over. */
  deleteEvents(workspaceId: string, eventIds: readonly string[]): Promise<void>
  /** Removes at most `limit` expired rows; true when there may be more. */
  sweep(limit: number): Promise<boolean>
  /** The data key of that name; `candidate` becomes it when there is none yet. */
  dataKey(name: string, candidate: Uint8Array): Promise<Uint8Array>
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

/** Who a request comes from. */
export interface Principal {
  workspaceId: string
  keyId: string
  name: string
  scopes: readonly Scope[]
}

export interface KeyRing {
  /** The key's principal, or undefined when the key is unknown. */
  authenticate(secret: string): Promise<Principal | undefined>
}
