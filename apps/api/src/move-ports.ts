/**
 * What moving a workspace to another store needs beside what the other ports read; it imports records only.
 * Times are whole microseconds since the Unix epoch (`…Us`).
 */
import type { AuditEntry, EventRecord, StoredApiKey } from './ports.ts'
import type { DeliveryRecord, ReplayRecord, StoredWebhook } from './webhook-ports.ts'

/** An idempotency key that is not free again yet. */
export interface IdempotencyRecord {
  key: string
  /** SHA-256 of the content that it stands for. */
  fingerprint: Uint8Array
  /** The event that was made with it; it may be deleted. */
  eventId: string
  expiresAtUs: number
}

/** A delivery with all that is stored of it. */
export interface WholeDelivery extends Omit<DeliveryRecord, 'nextAttemptAtUs'> {
  /** When it is due; while an attempt is under way, when its hold ends. Null unless pending. */
  dueAtUs: number | null
  /** How many attempts there were when its retry schedule began. */
  scheduleStart: number
  /** Whether it is in its replay's lane: one that was retried by hand has left it. */
  isInReplayLane: boolean
  /** The event itself where it is in no list: one of our own. */
  ownEvent: EventRecord | null
}

/**
 * `there`: a record of that id was there, and stays as it is. `refused`: its id, or a hash of it, belongs to another record or another
 * workspace; or it is no id that this store can have; or its webhook is not there.
 */
export type ImportOutcome = 'written' | 'there' | 'refused'

/**
 * Records come in as they were, ids and times included, and no record that is there is changed: so a part may come twice, and from two at the same time. What comes
 * in makes no audit entry, no delivery, and no job. One outcome per record, in order; each call durable before it resolves.
 */
export interface MoveStore {
  /** Resolves when lists and the outbox show everything that was written before the call. */
  settled(): Promise<void>
  /** In the order of their events. Those of deleted events may be left out. */
  listIdempotencyKeys(query: {
    workspaceId: string
    limit: number
    after?: string | undefined
  }): Promise<{ keys: IdempotencyRecord[]; next: string | null }>
  /** Of one webhook, oldest first. The page ends before its deliveries would pass about `maxBytes`, but never without one. */
  listWholeDeliveries(query: {
    workspaceId: string
    webhookId: string
    limit: number
    maxBytes: number
    after?: string | undefined
  }): Promise<{ deliveries: WholeDelivery[]; next: string | null }>
  /** What `EventQuery.after` is here for a list, oldest first, that goes on behind the event of that id, be it there or not. */
  placeBehind(workspaceId: string, eventId: string): Promise<string>
  /** The other way round: an id with which `placeBehind` finds the same place in another store. */
  idAt(workspaceId: string, after: string): Promise<string>
  /** Makes it where it is missing. */
  importWorkspace(workspaceId: string): Promise<void>
  /** Fan-out passes them, whatever their times: what was to be delivered of them comes as deliveries. Oldest first is fastest. */
  importEvents(workspaceId: string, events: readonly EventRecord[]): Promise<ImportOutcome[]>
  importIdempotencyKeys(workspaceId: string, keys: readonly IdempotencyRecord[]): Promise<ImportOutcome[]>
  /** They may have no hash that anybody knows the secret of. */
  importApiKeys(workspaceId: string, apiKeys: readonly StoredApiKey[]): Promise<ImportOutcome[]>
  importWebhooks(workspaceId: string, webhooks: readonly StoredWebhook[]): Promise<ImportOutcome[]>
  importReplays(workspaceId: string, replays: readonly ReplayRecord[]): Promise<ImportOutcome[]>
  /** After their events: without its event a delivery that is due is cancelled. */
  importDeliveries(workspaceId: string, deliveries: readonly WholeDelivery[]): Promise<ImportOutcome[]>
  importAuditEntries(workspaceId: string, entries: readonly AuditEntry[]): Promise<ImportOutcome[]>
}
