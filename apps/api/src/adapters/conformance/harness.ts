import { randomUUID } from 'node:crypto'
import type { ApiKeyRecord, EventQuery, EventRecord, KeyVersion, NewAuditEntry, NewEvent, Store } from '../../ports.ts'
import type { FakeClock } from '../../testing/fake-clock.ts'
import { webhookRecord } from '../../testing/webhook-records.ts'
import type { NewDelivery, NewReplay, StoredWebhook, WebhookRecord } from '../../webhook-ports.ts'

/** What an adapter hands to the suite. */
export interface StoreHarness {
  store: Store
  /** The store's clock; events live 7 days by it. */
  clock: FakeClock
  /** A second store object on the same data, as a restart or another server opens it. */
  reopen(): Promise<Store>
  /** Resolves when lists show all that was written before (at once where there is no settling window). */
  settle(): Promise<void>
  /** Whether `sweep` removes what has expired; absent: it does. False where the engine does so by itself, in its own time. */
  sweeps?: boolean
}

/** An event to store, the least by default. */
export function newEvent(fields: Partial<NewEvent> = {}): NewEvent {
  const priority = fields.priority ?? 'normal'
  return { source: 'suite', eventType: 'suite.ran', priority, metadata: `{"priority":"${priority}"}`, payload: '{"n":1}', ...fields }
}

/** With metadata besides its priority. */
export function newEventWith(metadata: Record<string, string | number | boolean>, fields: Partial<NewEvent> = {}): NewEvent {
  return newEvent({ ...fields, metadata: JSON.stringify({ ...metadata, priority: fields.priority ?? 'normal' }) })
}

export function newWorkspace(): string {
  return `ws-${randomUUID()}`
}

export const query = (workspaceId: string, fields: Partial<EventQuery> = {}): EventQuery => ({
  workspaceId,
  filter: {},
  order: 'asc',
  limit: 50,
  maxBytes: 5_000_000,
  ...fields,
})

/** Stores the events, in one call, and gives their ids. */
export async function createdIds(store: Store, workspaceId: string, events: readonly NewEvent[]): Promise<string[]> {
  const results = await store.createEvents(workspaceId, events)
  return results.map((result) => ('eventId' in result ? result.eventId : result.outcome))
}

/** Follows the pages to the end. */
export async function allPages(store: Store, first: EventQuery, between?: () => Promise<void>): Promise<EventRecord[]> {
  const pages = await pagesOf((after) => store.listEvents({ ...first, after }), between)
  return pages.flatMap((page) => page.events)
}

/** Reads any list's pages to the end. */
export async function pagesOf<Page extends { next: string | null }>(
  read: (after: string | undefined) => Promise<Page>,
  between: () => Promise<void> = async () => {},
): Promise<Page[]> {
  const pages: Page[] = []
  let after: string | undefined
  do {
    const page = await read(after)
    pages.push(page)
    after = page.next ?? undefined
    if (after !== undefined) await between()
  } while (after !== undefined)
  return pages
}

export const idsOf = (events: readonly EventRecord[]): string[] => events.map((event) => event.eventId)

export const newHash = (): string => `hash-${randomUUID()}`

export function newVersion(fields: Partial<KeyVersion> = {}): KeyVersion {
  return { version: 1, hash: newHash(), createdAtUs: 1_763_700_000_000_000, rotatedAtUs: null, expiresAtUs: null, ...fields }
}

/** An API key that is not stored yet, of a workspace of its own by default. */
export function newApiKey(fields: Partial<ApiKeyRecord> = {}): ApiKeyRecord {
  return {
    keyId: `key_${randomUUID()}`,
    workspaceId: newWorkspace(),
    name: 'A key',
    scopes: ['events:write'],
    rateLimitPerMinute: null,
    allowedIps: [],
    requireSignature: false,
    signingSecrets: [],
    versions: [newVersion()],
    createdAtUs: 1_763_700_000_000_000,
    expiresAtUs: null,
    revokedAtUs: null,
    revision: 0,
    ...fields,
  }
}

export function newAuditEntry(workspaceId: string | null, fields: Partial<NewAuditEntry> = {}): NewAuditEntry {
  return {
    workspaceId,
    action: 'suite.ran',
    actor: { type: 'operator', keyId: null },
    target: { type: 'suite', id: 'suite-1' },
    changes: {},
    ip: null,
    requestId: null,
    ...fields,
  }
}

/** A UUID of version 7, with any time in it. */
export function anyUuid(): string {
  const id = randomUUID()
  return `${id.slice(0, 14)}7${id.slice(15)}`
}

/** A webhook that is not stored yet: active, for all events, in a workspace of its own by default. */
export function newWebhook(fields: Partial<WebhookRecord> = {}): WebhookRecord {
  const secrets = [{ sealed: 'sealed-1', expiresAtUs: null }]
  return webhookRecord({ webhookId: anyUuid(), workspaceId: newWorkspace(), secrets, ...fields })
}

/** Stores the webhook, or the change of it. */
export async function savedWebhook(store: Store, record: WebhookRecord = newWebhook()): Promise<StoredWebhook> {
  const result = await store.saveWebhook(record, { audit: null })
  if (result.outcome !== 'saved') throw new Error(`The webhook was not saved: ${result.outcome}.`)
  return result.webhook
}

/** A replay of all that the webhook missed, not stored yet. */
export function newReplay({ webhookId, workspaceId }: WebhookRecord, fields: Partial<NewReplay> = {}): NewReplay {
  return {
    replayId: anyUuid(),
    webhookId,
    workspaceId,
    sinceUs: 1_763_700_000_000_000,
    untilUs: 1_763_800_000_000_000,
    filter: null,
    selection: null,
    rate: 50,
    ...fields,
  }
}

/** Stores live deliveries as fan-out does, with all events behind it. */
export async function fanOut(store: Store, deliveries: readonly NewDelivery[]): Promise<void> {
  const query = { limit: 10_000, maxBytes: 1e9, interests: new Map() }
  let { stored: from, mark: to, more } = await store.readOutbox(query)
  // After a leap of the clock, one look may not reach the end.
  while (more) ({ mark: to, more } = await store.readOutbox({ ...query, after: to }))
  if (!(await store.fanOut({ from, to, deliveries }))) throw new Error('Another fan-out was faster.')
}

/** A live delivery of an event, not stored yet: due at once by any clock. */
export function newDelivery({ webhookId }: Pick<WebhookRecord, 'webhookId'>, fields: Partial<NewDelivery> = {}): NewDelivery {
  return {
    webhookId,
    eventId: anyUuid(),
    eventType: 'suite.ran',
    dueAtUs: 1_763_700_000_000_000,
    replayId: null,
    ownEvent: null,
    ...fields,
  }
}

/** Asks fifty times at once. */
export const fiftyTimes = <T>(ask: (n: number) => Promise<T>): Promise<T[]> => Promise.all(Array.from({ length: 50 }, (_, n) => ask(n)))

/** The entries of a workspace, the newest first. */
export async function auditActions(store: Store, workspaceId: string | null): Promise<string[]> {
  const { entries } = await store.listAuditEntries({ workspaceId, limit: 100 })
  return entries.map((entry) => entry.action)
}
