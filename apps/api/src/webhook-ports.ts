/**
 * What webhooks need from the world, and the records that cross the line; `ports.ts` has the rest. It imports records only.
 * Times are whole microseconds since the Unix epoch (`…Us`).
 */
import type { EventRecord, NewAuditEntry, Priority, SealedSecret } from './ports.ts'

export const RETRY_PROFILES = ['standard', 'short'] as const
export type RetryProfile = (typeof RETRY_PROFILES)[number]

/** `event`: the event as it is read; `standard`: `{type, timestamp, data: <the event>}`. */
export const PAYLOAD_FORMATS = ['event', 'standard'] as const
export type PayloadFormat = (typeof PAYLOAD_FORMATS)[number]

/** Why a webhook is not active: switched off by its owner, failing for days, or its receiver answered 410. */
export const DISABLED_REASONS = ['manual', 'failing', 'gone'] as const
export type DisabledReason = (typeof DISABLED_REASONS)[number]

/** `held`: its webhook was disabled before it ended. `cancelled`: its event or webhook is gone, or its replay was cancelled. */
export const DELIVERY_STATUSES = ['pending', 'delivered', 'dead', 'held', 'cancelled'] as const
export type DeliveryStatus = (typeof DELIVERY_STATUSES)[number]

export const REPLAY_STATUSES = ['running', 'completed', 'cancelled', 'failed'] as const
export type ReplayStatus = (typeof REPLAY_STATUSES)[number]

/**
 * Which events a replay sends, by what became of their deliveries to the webhook so far. `none`: there is no delivery; `undelivered`: none of
 * them was delivered. Events with a pending delivery are on their way, and never replayed.
 */
export const REPLAY_SELECTIONS = ['delivered', 'dead', 'held', 'cancelled', 'none', 'undelivered'] as const
export type ReplaySelection = (typeof REPLAY_SELECTIONS)[number]

export type PayloadValue = string | number | boolean | null
export type PayloadRange = { [Bound in 'gt' | 'gte' | 'lt' | 'lte']?: string | number | undefined }

/** A condition on the payload. The path has names and indexes: `$.user.id`, `$.items[0].sku`, `$['a b']`. */
export type PayloadCondition =
  | { path: string; op: 'equals'; value: PayloadValue }
  | { path: string; op: 'in'; value: readonly PayloadValue[] }
  | { path: string; op: 'exists'; value?: boolean | undefined }
  | { path: string; op: 'prefix'; value: string }
  | { path: string; op: 'range'; value: PayloadRange }

/** What an event must be like beside its type; all of it. */
export interface WebhookFilter {
  source?: readonly string[] | undefined
  priority?: readonly Priority[] | undefined
  metadata?: Readonly<Record<string, string | number | boolean>> | undefined
  payload?: readonly PayloadCondition[] | undefined
}

/** A webhook as it is stored: whole, so that one write changes all of it or nothing. */
export interface WebhookRecord {
  /** A UUID of version 7. */
  webhookId: string
  workspaceId: string
  url: string
  /** Patterns of event types: `*`, `user.*`, `user.created`. */
  events: readonly string[]
  description: string | null
  filter: WebhookFilter | null
  /** The owner's own headers: `sealed` is the JSON of an object, name → value, sealed for the webhook's id. */
  headers: { names: readonly string[]; sealed: string } | null
  /** Deliveries a second; null without limit. */
  rateLimit: number | null
  retry: RetryProfile
  payloadFormat: PayloadFormat
  /** Sealed for the webhook's id; the newest first, at most two. */
  secrets: readonly SealedSecret[]
  isActive: boolean
  disabledAtUs: number | null
  disabledReason: DisabledReason | null
  updatedAtUs: number
  /** How often it was written; 0 for one that is not stored yet. */
  revision: number
}

/** What deliveries make of a webhook; not part of `revision`. */
export interface WebhookHealth {
  /** When the first attempt failed since the last success; null: the last one succeeded, or there was none. */
  failingSinceUs: number | null
  /** When the owner was last told of trouble (a dead delivery, a disabled webhook) since the last success. */
  alarmedAtUs: number | null
}

export interface StoredWebhook extends WebhookRecord, WebhookHealth {
  /** Its place in the commit order of events: it gets those created after it. */
  createdAtUs: number
}

/** A delivery to store; it begins pending. One to a webhook that is gone or not active by then is left out. */
export interface NewDelivery {
  webhookId: string
  eventId: string
  eventType: string
  dueAtUs: number
  replayId: string | null
  /** The event itself where it is in no list: one of our own. */
  ownEvent: EventRecord | null
}

/** One try at a delivery. */
export interface AttemptRecord {
  /** 1 for the first. */
  attempt: number
  startedAtUs: number
  durationMs: number
  /** Null without an answer. */
  statusCode: number | null
  /** Why there was no answer; null with one. */
  error: SendError | null
  /** The first 4 kB of the answer's body, as text. */
  responseBody: string
  responseTruncated: boolean
  /** Why it is tried again: `status_500`, or the error; null where it is not. */
  retryReason: string | null
}

export interface DeliveryRecord {
  /** A UUID of version 7. */
  deliveryId: string
  webhookId: string
  eventId: string
  eventType: string
  status: DeliveryStatus
  attemptCount: number
  /** Null unless pending, and while an attempt is under way. */
  nextAttemptAtUs: number | null
  createdAtUs: number
  completedAtUs: number | null
  replayId: string | null
  /** Oldest first; where there were more, the newest hundred. */
  attempts: AttemptRecord[]
}

/**
 * What is sent in turn: a webhook's live deliveries, or those of one replay. Lanes do not wait for each other.
 */
export interface Lane {
  webhookId: string
  /** Null for the live ones. */
  replayId: string | null
}

export interface ClaimQuery extends Lane {
  /** At most this many deliveries. */
  limit: number
  /** No more events than about this many bytes, but never fewer than one. */
  maxBytes: number
  /** Until when nobody else gets them. */
  heldUntilUs: number
  /** What the lane is bound by: a claim takes a place from each, and places are at least 1/perSecond apart. Shared by all who claim. */
  paces: readonly { name: string; perSecond: number }[]
}

export interface ClaimedDelivery {
  deliveryId: string
  event: EventRecord
  replayId: string | null
  createdAtUs: number
  /** Attempts so far. */
  attemptCount: number
  /** How many there were when its retry schedule began: 0, or more after a retry by hand. */
  scheduleStart: number
}

export interface Claim {
  /** As it is in the same commit; null when it is gone. Nothing is claimed unless it is active. */
  webhook: (WebhookHealth & { revision: number; isActive: boolean }) | null
  /** The longest due first. */
  deliveries: ClaimedDelivery[]
  /** When the lane has more to claim, as far as is known now: a moment gone by means at once; null: nothing is pending. */
  nextAtUs: number | null
}

/** What an attempt came to. */
export interface AttemptOutcome {
  deliveryId: string
  /** As it was claimed. */
  heldUntilUs: number
  attempt: AttemptRecord
  status: DeliveryStatus
  /** For `pending`: when it is tried again. */
  dueAtUs: number | null
  succeeded: boolean
  /** Whether the owner is told of trouble by it: sets `alarmedAtUs`. */
  alarms: boolean
  /** Deliveries of our own events that are stored with it. */
  ownDeliveries: readonly NewDelivery[]
  /** The same, stored only when the webhook was alarmed until now and this one succeeded. */
  recoveredDeliveries: readonly NewDelivery[]
}

/** `lost`: it was no longer held by this claim (the hold ended and another took it, or it was cancelled); nothing was written. */
export type RecordResult = { outcome: 'recorded'; failingSinceUs: number | null } | { outcome: 'lost' }

export interface OutboxEvent extends EventRecord {
  workspaceId: string
}

export interface Outbox {
  /** Where fan-out has come to in the store; what `fanOut` takes as `from`. */
  stored: string
  /** The events that may interest, oldest first. */
  events: OutboxEvent[]
  /** Up to where it was read: `after` for the next read, `to` for `fanOut`. */
  mark: string
  /** Whether there is more to read now. */
  more: boolean
  /** Another text after every write of any webhook. */
  webhooksVersion: string
}

export interface DeliveryQuery {
  workspaceId: string
  /** One of the two. */
  webhookId?: string | undefined
  eventId?: string | undefined
  status?: DeliveryStatus | undefined
  limit: number
  /** The page ends before its deliveries would pass about this many bytes, but never without one. */
  maxBytes: number
  after?: string | undefined
}

export interface NewReplay {
  /** A UUID of version 7. */
  replayId: string
  webhookId: string
  workspaceId: string
  /** Both inclusive. */
  sinceUs: number
  untilUs: number
  filter: WebhookFilter | null
  selection: ReplaySelection | null
  /** Deliveries a second. */
  rate: number
}

export interface ReplayRecord extends NewReplay {
  status: ReplayStatus
  matched: number
  /** Deliveries made so far, and what became of them; the rest is open. */
  enqueued: number
  delivered: number
  dead: number
  cancelled: number
  /** Where the walk over the events has come to; its meaning is the domain's. */
  position: string | null
  /** Whether every delivery has been made. */
  isWalked: boolean
  createdAtUs: number
  completedAtUs: number | null
}

export interface WebhookStore {
  /**
   * Writes the webhook whole, the audit entry, and deliveries of our own events, in one commit, if the stored revision is still the
   * record's (0: there is no such webhook). A new one takes its place in the order of commits. One that is switched off ends its running replays: failed.
   */
  saveWebhook(
    record: WebhookRecord,
    also: { audit: NewAuditEntry | null; ownDeliveries?: readonly NewDelivery[]; maxPerWorkspace?: number; alarmedAtUs?: number },
  ): Promise<{ outcome: 'saved'; webhook: StoredWebhook } | { outcome: 'changed' | 'too_many' }>
  /** Of any workspace. */
  getWebhook(webhookId: string): Promise<StoredWebhook | undefined>
  /** The newest first; of all workspaces without `workspaceId`. */
  listWebhooks(query: {
    workspaceId?: string | undefined
    isActive?: boolean | undefined
    limit: number
    after?: string | undefined
  }): Promise<{ webhooks: StoredWebhook[]; next: string | null }>
  /**
   * With the audit entry in one commit; false when it is gone already. Its running replays end cancelled; its open deliveries are cancelled by
   * `moveDeliveries`, not here.
   */
  deleteWebhook(webhookId: string, audit: NewAuditEntry): Promise<boolean>
}

export interface OutboxStore {
  /**
   * Events in commit order that were not fanned out yet.
   * @param query `after`: a mark, or from where fan-out has come to; `limit`: events looked at; `interests`: for each workspace the beginnings of
   * event types that matter: others need not be in the answer
   */
  readOutbox(query: {
    after?: string | undefined
    limit: number
    maxBytes: number
    interests: ReadonlyMap<string, readonly string[]>
  }): Promise<Outbox>
  /** Stores the deliveries and moves on, in one commit, if fan-out is still at `from`; else false, and nothing was written. */
  fanOut(input: { from: string; to: string; deliveries: readonly NewDelivery[] }): Promise<boolean>
  /** Calls back, soon after a commit of this process, when there may be something new in the outbox: a hint. Returns how to end it. */
  watchOutbox(listener: () => void): () => void
}

export interface DeliveryStore {
  /** Takes due deliveries of a lane: until the hold ends, or the attempt is recorded, nobody else gets them. Those without an event are cancelled. */
  claimDeliveries(query: ClaimQuery): Promise<Claim>
  /** One result per outcome, in order; all in one commit. */
  recordAttempts(outcomes: readonly AttemptOutcome[]): Promise<RecordResult[]>
  getDelivery(workspaceId: string, deliveryId: string): Promise<DeliveryRecord | undefined>
  /** The newest first. */
  listDeliveries(query: DeliveryQuery): Promise<{ deliveries: DeliveryRecord[]; next: string | null }>
  /** For each event the statuses of its deliveries to that webhook, oldest first. */
  deliveryStatuses(webhookId: string, eventIds: readonly string[]): Promise<DeliveryStatus[][]>
  /** Makes it pending, due then, in the webhook's live lane, its schedule begun anew. `event_gone`, `inactive`, `pending`: refused. */
  retryDelivery(
    workspaceId: string,
    deliveryId: string,
    dueAtUs: number,
  ): Promise<{ outcome: 'retried'; lane: Lane } | { outcome: 'not_found' | 'pending' | 'event_gone' | 'inactive' }>
  /**
   * Ends at most `limit` pending (or, to `cancelled`, held ones too) deliveries of a webhook or one of its lanes; true when there may be more.
   * Those under way are left to the claim that has them: its outcome is recorded, and then they are not tried again. To `held` moves nothing while
   * the webhook is active, by the same commit: what is pending of one that was switched on again is to be sent.
   */
  moveDeliveries(query: {
    webhookId: string
    /** Absent: all its lanes. */
    replayId?: string | undefined
    to: 'held' | 'cancelled'
    limit: number
  }): Promise<boolean>
  /** Lanes with something due now, from behind `after` on; those of webhooks that are gone or not active too. */
  listDueLanes(query: { limit: number; after?: string | undefined }): Promise<{ lanes: Lane[]; next: string | null }>
}

export interface ReplayStore {
  /** Running; cancelled, and not stored, when its webhook is gone. */
  createReplay(replay: NewReplay, audit: NewAuditEntry): Promise<ReplayRecord>
  /** Of any workspace. */
  getReplay(replayId: string): Promise<ReplayRecord | undefined>
  /** The newest first. */
  listReplays(query: {
    webhookId: string
    limit: number
    after?: string | undefined
  }): Promise<{ replays: ReplayRecord[]; next: string | null }>
  /** The ids of running ones whose walk is not at its end, of any workspace, from behind `after` on. */
  listRunningReplays(query: { limit: number; after?: string | undefined }): Promise<{ replayIds: string[]; next: string | null }>
  /**
   * Stores deliveries and moves the walk on, in one commit, if it runs, is still at `from`, and its webhook is active; undefined, and nothing
   * written, if not.
   * A held delivery of the same webhook and event is cancelled: the new one takes its place. A replay whose walk is at its end and that
   * has nothing open is completed.
   */
  advanceReplay(step: {
    replayId: string
    from: string | null
    to: string
    /** Added. */
    matched: number
    deliveries: readonly NewDelivery[]
    isWalked: boolean
  }): Promise<ReplayRecord | undefined>
  /** False when it has ended already. Its open deliveries are cancelled by `moveDeliveries`, not here. */
  endReplay(replayId: string, status: 'cancelled' | 'failed', audit: NewAuditEntry | null): Promise<boolean>
}

/** What a worker is to look at. The rows are the truth; a job is a hint that may come twice, late, or for nothing. */
export type Job = { type: 'deliver'; webhookId: string; replayId: string | null } | { type: 'replay'; replayId: string }

export interface ReceivedJob {
  job: Job
  /** Stands for this one receiving; void when the job became visible again. */
  receipt: string
  /** 1 for the first time. */
  receiveCount: number
}

/** The longest delay and visibility of a job: that of SQS. */
export const MAX_DELAY_MS = 900_000

/** Every method rejects with `StoreUnavailableError`, and nothing else, when the queue cannot do its work now. */
export interface Queue {
  /** Durable before it resolves. `delayMs` up to `MAX_DELAY_MS`. When it rejects, some of several may be there: enqueueing them again makes these twice. */
  enqueue(jobs: readonly { job: Job; delayMs?: number | undefined }[]): Promise<void>
  /**
   * Takes visible jobs, about the oldest first; nobody gets them again for `visibilityMs`.
   * @param options `waitMs`: how long it waits for a first one; `signal` ends the waiting, and nothing is taken
   */
  receive(options: { max: number; visibilityMs: number; waitMs: number; signal?: AbortSignal | undefined }): Promise<ReceivedJob[]>
  /** The jobs are done. Void receipts are passed over. */
  ack(receipts: readonly string[]): Promise<void>
  /** Gives the job back: it comes again, as if new, after the delay. */
  delay(received: ReceivedJob, delayMs: number): Promise<void>
  /** Keeps the job from others for that long from now on. */
  extend(receipt: string, visibilityMs: number): Promise<void>
  /** Jobs that were received `maxReceives` times and never finished: they do not come again. The newest first. */
  listDeadJobs(limit: number): Promise<Job[]>
  /** Ends what waits, then releases everything. */
  close(): Promise<void>
}

/** Why nothing, or nothing usable, was answered. */
export const SEND_ERRORS = [
  'url_refused',
  'dns_failed',
  'address_refused',
  'connect_timeout',
  'connection_refused',
  'connection_reset',
  'connection_failed',
  'tls_failed',
  'proxy_failed',
  'timeout',
  'invalid_answer',
] as const
export type SendError = (typeof SEND_ERRORS)[number]

export interface SendRequest {
  url: string
  /** Names in lower case. */
  headers: Readonly<Record<string, string>>
  body: Uint8Array
}

export type SendResult =
  | {
      outcome: 'answered'
      statusCode: number
      /** The header, as sent. */
      retryAfter: string | null
      /** The first 4 kB, as text. */
      body: string
      isTruncated: boolean
      durationMs: number
    }
  /** `message` is for the webhook's owner: it names no address that was not in the URL. */
  | { outcome: 'failed'; error: SendError; message: string; durationMs: number }

/** The only way out to users' URLs. It never follows a redirect, and connects to checked addresses alone. */
export interface HttpOut {
  /** Whether deliveries may go there, names resolved; undefined if so (a name that does not resolve yet, too), else why not, for the owner. */
  checkUrl(url: string): Promise<string | undefined>
  /** Never rejects. */
  post(request: SendRequest): Promise<SendResult>
  /** The longest that `post` takes, in milliseconds. */
  readonly longestMs: number
  close(): Promise<void>
}
