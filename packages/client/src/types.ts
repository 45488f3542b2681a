/** The API's data, as it is on the wire. All of it comes from the generated document. */
import type { components, operations } from './generated/openapi.ts'

type Schemas = components['schemas']

/** What is sent: an optional field may also be given as undefined, which is as if it were left out. */
type Given<T> = { [K in keyof T]: Record<never, never> extends Pick<T, K> ? T[K] | undefined : T[K] }

type Query<Operation extends keyof operations> = operations[Operation]['parameters'] extends { query?: infer Parameters }
  ? Given<NonNullable<Parameters>>
  : never

/** Any JSON object. */
export type JsonObject = Record<string, unknown>

/** The metadata of an event that is sent. */
export type MetadataInput = Given<Schemas['MetadataInput']>

/** The metadata of an event that was read. */
export type Metadata = Schemas['Metadata']

/** An event to create. */
export interface EventInput<Payload extends object = JsonObject> extends Omit<Schemas['EventInput'], 'payload' | 'metadata'> {
  /** Your data, kept as sent: at most 409,600 bytes as compact JSON, 128 levels deep. */
  payload: Payload
  metadata?: MetadataInput | undefined
}

/** The answer to a create. */
export type EventCreated = Schemas['EventCreated']

/** An event as it is read. */
export interface Event<Payload extends object = JsonObject> extends Omit<Schemas['Event'], 'payload'> {
  /** The data that the producer sent. */
  payload: Payload
}

/** One event, with the id of the request that read it. */
export interface SingleEvent<Payload extends object = JsonObject> extends Event<Payload> {
  /** The id of this request, for support and logs. */
  request_id: string
}

/** The answer to an acknowledgement. */
export type EventAcknowledged = Schemas['EventAcknowledged']

/** The answer to a delete. */
export type EventDeleted = Schemas['EventDeleted']

/** One event of a bulk create's answer. */
export type BulkEventCreated = Schemas['EventsCreated']['successful'][number]

/** One event of a bulk acknowledgement's answer. */
export type BulkEventAcknowledged = Schemas['EventsAcknowledged']['successful'][number]

/** One event of a bulk delete's answer. */
export type BulkEventDeleted = Schemas['EventsDeleted']['successful'][number]

/** Filters by an event's metadata: `{ 'metadata.region': 'eu-west-1' }`. */
export interface MetadataQuery {
  [key: `metadata.${string}`]: string | number | boolean | undefined
}

/** Which events `events.list()` gives. */
export type EventQuery = Omit<Query<'listEvents'>, 'metadata.{key}'> & MetadataQuery

/** Which events `inbox.list()` gives. */
export type InboxQuery = Omit<Query<'listInbox'>, 'metadata.{key}'> & MetadataQuery

/** A webhook as it is read: never with its secret, nor with the values of its own headers. */
export type Webhook = Schemas['Webhook']

/** One webhook, with the id of the request that read it. */
export type SingleWebhook = Schemas['SingleWebhook']

/** A webhook to create. */
export type WebhookInput = Given<Schemas['WebhookInput']>

/** A new webhook, with its secret, shown this once, where the server made it. */
export type WebhookCreated = Schemas['WebhookCreated']

/** What to change on a webhook. What was read can be sent back: its read-only fields are ignored. */
export type WebhookChanges = Given<Schemas['WebhookChanges']>

/** What an event must be like beside its type. All of it must hold. */
export type WebhookFilter = Schemas['WebhookFilter']

/** A condition on one value of an event's payload. */
export type PayloadCondition = Schemas['PayloadCondition']

/** Which webhooks `webhooks.list()` gives. */
export type WebhookQuery = Query<'listWebhooks'>

/** What became of a test. */
export type WebhookTested = Schemas['WebhookTested']

/** How a webhook's secret is replaced. */
export type RotateWebhookSecretInput = Query<'rotateWebhookSecret'> & Given<Schemas['WebhookSecretInput']>

/** A webhook's new secret, which is shown this once. */
export type WebhookSecretRotated = Schemas['WebhookSecretRotated']

/** One event for one webhook, with every attempt to send it. */
export type Delivery = Schemas['Delivery']

/** One attempt of a delivery, and what the receiver answered. */
export type DeliveryAttempt = Schemas['DeliveryAttempt']

/** How far a delivery is. */
export type DeliveryStatus = Delivery['status']

/** One delivery, with the id of the request that read it. */
export type SingleDelivery = Schemas['SingleDelivery']

/** Which deliveries of a webhook or an event are given. */
export type DeliveryQuery = Query<'listDeliveries'>

/** The answer to a retry by hand. */
export type DeliveryRetried = Schemas['DeliveryRetried']

/** What a replay sends. */
export type ReplayInput = Given<Schemas['ReplayInput']>

/** Events of the past that are sent to a webhook again, and how far that is. */
export type Replay = Schemas['Replay']

/** How far a replay is; it has ended when it is not `running`. */
export type ReplayStatus = Replay['status']

/** One replay, with the id of the request that read it. */
export type SingleReplay = Schemas['SingleReplay']

/** How many events a replay would send. */
export type ReplayCounted = Schemas['ReplayCounted']

/** Which replays `webhooks.replays()` gives. */
export type ReplayQuery = Query<'listReplays'>

/** What every webhook made of an event. */
export type EventTrace = Schemas['EventTrace']

/** What one webhook made of an event: whether it matched, why or why not, and its deliveries. */
export type TracedWebhook = Schemas['TracedWebhook']

/** The payload within one of the document's own events, without the index signature that any payload has. */
type OwnPayload<Sent> = Sent extends { event_id: string; payload: infer Payload } ? Named<Payload> : never
type Named<T> = { [K in keyof T as string extends K ? never : number extends K ? never : K]: T[K] }

/** The payloads of the server's own events, by type. They go to webhooks that ask for `triggers.*`, and into no inbox. */
export interface TriggersEvents {
  'triggers.webhook.disabled': OwnPayload<Schemas['WebhookDisabledEvent']>
  'triggers.webhook.recovered': OwnPayload<Schemas['WebhookRecoveredEvent']>
  'triggers.delivery.dead': OwnPayload<Schemas['DeliveryDeadEvent']>
}

/** An API key, without its secrets. */
export type ApiKey = Schemas['ApiKey']

/** One API key, with the id of the request that read it. */
export type SingleApiKey = Schemas['SingleApiKey']

/** A new API key with its secrets, which are shown this once. */
export type ApiKeyCreated = Schemas['ApiKeyCreated']

/** An API key to create. */
export type ApiKeyInput = Given<Schemas['ApiKeyInput']>

/** What to change on an API key. */
export type ApiKeyChanges = Given<Schemas['ApiKeyChanges']>

/** Which API keys `apiKeys.list()` gives. */
export type ApiKeyQuery = Query<'listApiKeys'>

/** A rotated API key's new secret, which is shown this once. */
export type ApiKeyRotated = Schemas['ApiKeyRotated']

/** How an API key is rotated. */
export type RotateQuery = Query<'rotateApiKey'>

/** One secret of an API key, by its number; never the secret itself. */
export type ApiKeyVersion = Schemas['ApiKeyVersion']

/** The versions of an API key, newest first. */
export type ApiKeyVersions = Schemas['ApiKeyVersions']

/** A new signing secret, which is shown this once. */
export type SigningSecretCreated = Schemas['SigningSecretCreated']

/** How a signing secret is replaced. */
export type SigningSecretQuery = Query<'createSigningSecret'>

/** One thing that an API key may do. */
export type Scope = ApiKey['scopes'][number]

/** One change on an API key: what, by whom, when and from where. */
export type AuditEntry = Schemas['AuditEntry']

/** Which entries `auditLog.list()` gives. */
export type AuditLogQuery = Query<'listAuditLog'>

/** Who the API key is. */
export type Whoami = Schemas['Whoami']

/** That the server runs, and its version. */
export type Health = Schemas['Health']

/** What went wrong with one item of a bulk call. */
export type ItemError = Schemas['Error']

/** The codes that the API gives to what went wrong. A later API may add some. */
export type ErrorCode = Schemas['Error']['code'] | (string & Record<never, never>)
