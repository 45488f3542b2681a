import type { AccessStore, AckResult, EventQuery, EventRecord, SaveResult } from '../../ports.ts'
import type {
  DeliveryQuery,
  DeliveryRecord,
  DeliveryStatus,
  DeliveryStore,
  Lane,
  NewDelivery,
  Outbox,
  RecordResult,
  ReplayRecord,
  ReplayStatus,
  ReplayStore,
  WebhookStore,
} from '../../webhook-ports.ts'
import type { ApiKeyRow, AuditRow } from './access-row.ts'
import type { OutcomeRow } from './delivery-row.ts'
import type { EventAddress } from './event-id.ts'
import type { EventRow } from './event-row.ts'
import type { MoveReaderCalls, MoveWriterCalls } from './move-protocol.ts'
import type { ReplayRow } from './replay-row.ts'
import type { WebhookRow } from './webhook-row.ts'

/** What a thread needs to start. */
export interface ThreadData {
  path: string
}

/** The moments that a batch is judged by, in microseconds since the epoch. */
export interface BatchTimes {
  nowUs: number
  /** Events created before it have expired. */
  eventsExpiredUs: number
  /** Idempotency keys first used before it are free again. */
  keysExpiredUs: number
}

export type Call<Input, Output> = { input: Input; output: Output }

/** An event's place as its address, or null for a UUID that no event of this store can have. */
type Addresses = { workspaceId: string; addresses: (EventAddress | null)[] }

/** What became of an event to store. */
export type Written = [outcome: 'created' | 'replayed', seq: number, tail: string] | [outcome: 'key_reused']

/** A call that the port's method of that name is passed on as. */
type PortCall<Method extends keyof PortMethods> = Call<Parameters<PortMethods[Method]>[0], Awaited<ReturnType<PortMethods[Method]>>>
type PortMethods = AccessStore & WebhookStore & DeliveryStore & ReplayStore

export interface AccessWriterCalls {
  createWorkspace: Call<{ workspaceId: string; audit: AuditRow }, boolean>
  saveApiKey: Call<{ key: ApiKeyRow; audit: AuditRow | null }, SaveResult>
  recordKeyUse: PortCall<'recordKeyUse'>
  appendAuditEntry: Call<AuditRow, void>
  rememberSignature: Call<{ signature: string; expiresAtUs: number }, boolean>
  dataKey: Call<{ name: string; candidate: Uint8Array }, Uint8Array>
  replaceDataKey: Call<{ name: string; expected: Uint8Array; key: Uint8Array | null }, boolean>
}

/** A job as its receiver knows it; void when the job was received once more, or is gone. */
export interface HeldJob {
  id: number
  receiveCount: number
}

export interface QueueWriterCalls {
  enqueueJobs: Call<{ job: string; delayUs: number }[], null>
  receiveJobs: Call<
    { max: number; visibilityUs: number; maxReceives: number },
    /** When the next job is visible: a moment gone by where there is more now, null where there is none at all. */
    { jobs: (HeldJob & { job: string })[]; nextVisibleUs: number | null }
  >
  ackJobs: Call<HeldJob[], null>
  delayJob: Call<{ held: HeldJob; job: string; delayUs: number }, null>
  extendJob: Call<{ held: HeldJob; visibilityUs: number }, null>
  /** As if they had not been received. */
  putBackJobs: Call<HeldJob[], null>
}

export interface WebhookWriterCalls {
  saveWebhook: Call<
    {
      webhook: WebhookRow
      audit: AuditRow | null
      ownDeliveries: readonly NewDelivery[]
      maxPerWorkspace: number | null
      alarmedAtUs: number | null
    },
    Awaited<ReturnType<WebhookStore['saveWebhook']>>
  >
  deleteWebhook: Call<{ webhookId: string; audit: AuditRow }, boolean>
}

export interface ReplayWriterCalls {
  createReplay: Call<{ replay: ReplayRow; audit: AuditRow }, ReplayRecord>
  advanceReplay: PortCall<'advanceReplay'>
  endReplay: Call<{ replayId: string; status: ReplayStatus; audit: AuditRow | null }, boolean>
}

export interface DeliveryWriterCalls {
  fanOut: Call<{ from: number; to: number; deliveries: readonly NewDelivery[] }, boolean>
  claimDeliveries: PortCall<'claimDeliveries'>
  recordAttempts: Call<OutcomeRow[], RecordResult[]>
  retryDelivery: Call<{ workspaceId: string; address: EventAddress; dueAtUs: number }, Awaited<ReturnType<DeliveryStore['retryDelivery']>>>
  moveDeliveries: PortCall<'moveDeliveries'>
}

export interface WriterCalls
  extends AccessWriterCalls,
    WebhookWriterCalls,
    ReplayWriterCalls,
    DeliveryWriterCalls,
    QueueWriterCalls,
    MoveWriterCalls {
  create: Call<{ workspaceId: string; rows: readonly EventRow[] }, Written[]>
  ack: Call<Addresses, AckResult[]>
  delete: Call<Addresses, null>
  sweep: Call<{ limit: number }, boolean>
  /** Copies what is left of the WAL into the file, behind the commit. */
  finishCheckpoint: Call<null, null>
}

export interface AccessReaderCalls {
  hasWorkspace: PortCall<'hasWorkspace'>
  listWorkspaces: PortCall<'listWorkspaces'>
  getApiKey: PortCall<'getApiKey'>
  findApiKeyByHash: PortCall<'findApiKeyByHash'>
  listApiKeys: PortCall<'listApiKeys'>
  listAuditEntries: PortCall<'listAuditEntries'>
  listDataKeys: PortCall<'listDataKeys'>
}

export interface WebhookReaderCalls {
  getWebhook: PortCall<'getWebhook'>
  listWebhooks: PortCall<'listWebhooks'>
}

export interface ReplayReaderCalls {
  getReplay: PortCall<'getReplay'>
  listReplays: PortCall<'listReplays'>
  listRunningReplays: PortCall<'listRunningReplays'>
}

export interface OutboxReaderCalls {
  readOutbox: Call<{ after: number | null; limit: number; maxBytes: number; interests: ReadonlyMap<string, readonly string[]> }, Outbox>
}

export interface DeliveryReaderCalls {
  getDelivery: Call<{ workspaceId: string; address: EventAddress }, DeliveryRecord | null>
  listDeliveries: Call<
    /** `event`: null for a UUID that no event of this store can have. */
    Omit<DeliveryQuery, 'after' | 'eventId'> & { event: EventAddress | null | undefined; after: number | null },
    { deliveries: DeliveryRecord[]; next: number | null }
  >
  deliveryStatuses: Call<{ webhookId: string; addresses: (EventAddress | null)[] }, DeliveryStatus[][]>
  listDueLanes: Call<
    { limit: number; after: readonly [webhook: number, lane: number] },
    { lanes: Lane[]; next: readonly [webhook: number, lane: number] | null }
  >
}

export interface ReaderCalls
  extends AccessReaderCalls,
    WebhookReaderCalls,
    ReplayReaderCalls,
    OutboxReaderCalls,
    DeliveryReaderCalls,
    MoveReaderCalls {
  get: Call<{ workspaceId: string; address: EventAddress }, EventRecord | null>
  listDeadJobs: Call<{ limit: number }, string[]>
  list: Call<Omit<EventQuery, 'after'> & { after: number | null }, { events: EventRecord[]; next: number | null }>
}

/** One call as it crosses to the thread. */
export type CallOf<Calls> = { [K in keyof Calls]: { type: K; input: InputOf<Calls, K> } }[keyof Calls]
export type InputOf<Calls, K extends keyof Calls> = Calls[K] extends Call<infer Input, unknown> ? Input : never
export type OutputOf<Calls, K extends keyof Calls> = Calls[K] extends Call<unknown, infer Output> ? Output : never

/** One call's answer: its value, or what kept the thread from it. */
export type Reply = { value: unknown } | { fault: 'storage' | 'program'; message: string }

export interface Batch<Calls> {
  times: BatchTimes
  calls: CallOf<Calls>[]
}

/** The thread's first message: it is ready, or why it cannot be. */
export type Started = { started: true } | { started: false; message: string }
