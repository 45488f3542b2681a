import type { IdempotencyRecord, ImportOutcome, MoveStore, WholeDelivery } from '../../move-ports.ts'
import type { AuditEntry, StoredApiKey } from '../../ports.ts'
import type { ReplayRecord } from '../../webhook-ports.ts'
import type { ApiKeyRow, AuditRow } from './access-row.ts'
import type { EventAddress } from './event-id.ts'
import type { EventRow } from './event-row.ts'
import type { Call } from './protocol.ts'
import type { WebhookRow } from './webhook-row.ts'

/** Records on their way to the writer; `address` is null for an id that no row of this store can have. */
export interface MovedEvent {
  address: EventAddress | null
  row: EventRow
  status: number
  acknowledgedAtUs: number | null
}

export interface MovedIdempotencyKey extends Omit<IdempotencyRecord, 'eventId' | 'expiresAtUs'> {
  address: EventAddress | null
}

export interface MovedApiKey extends Pick<StoredApiKey, 'lastUsedAtUs'> {
  key: ApiKeyRow
}

export interface MovedWebhook {
  webhook: WebhookRow
  createdAtUs: number
  failingSinceUs: number | null
  alarmedAtUs: number | null
}

export interface MovedReplay extends Omit<ReplayRecord, 'status'> {
  status: number
  record: string
}

export interface MovedDelivery
  extends Pick<
    WholeDelivery,
    'webhookId' | 'eventType' | 'attemptCount' | 'scheduleStart' | 'dueAtUs' | 'completedAtUs' | 'replayId' | 'isInReplayLane'
  > {
  address: EventAddress | null
  /** Null for one of our own. */
  event: EventAddress | null
  status: number
  ownEvent: string | null
  attempts: [attempt: number, record: string][]
}

export interface MovedAuditEntry extends Pick<AuditEntry, 'createdAtUs'> {
  address: EventAddress | null
  row: AuditRow
}

type Import<Name extends string, Moved> = Call<{ workspaceId: string } & Record<Name, readonly Moved[]>, ImportOutcome[]>

export interface MoveWriterCalls {
  importWorkspace: Call<string, null>
  /** `busy`: a new event must be fanned out before; it was left out. */
  importEvents: Call<{ workspaceId: string; events: readonly MovedEvent[] }, (ImportOutcome | 'busy')[]>
  importIdempotencyKeys: Import<'keys', MovedIdempotencyKey>
  importApiKeys: Import<'apiKeys', MovedApiKey>
  importWebhooks: Import<'webhooks', MovedWebhook>
  importReplays: Import<'replays', MovedReplay>
  importDeliveries: Import<'deliveries', MovedDelivery>
  importAuditEntries: Import<'entries', MovedAuditEntry>
}

type PortCall<Method extends keyof MoveStore> = Call<Parameters<MoveStore[Method]>[0], Awaited<ReturnType<MoveStore[Method]>>>

export interface MoveReaderCalls {
  listIdempotencyKeys: PortCall<'listIdempotencyKeys'>
  listWholeDeliveries: PortCall<'listWholeDeliveries'>
  placeBehind: Call<{ workspaceId: string; address: EventAddress | null }, string>
  idAt: Call<{ workspaceId: string; place: number }, string>
}
