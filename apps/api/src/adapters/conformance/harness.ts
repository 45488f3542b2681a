import { randomUUID } from 'node:crypto'
import type { EventQuery, EventRecord, NewEvent, Store } from '../../ports.ts'
import type { FakeClock } from '../../testing/fake-clock.ts'

/** What an adapter hands to the suite. */
export interface StoreHarness {
  store: Store
  /** The store's clock; events live 7 days by it. */
  clock: FakeClock
  /** A second store object on the same data, as a restart or another server opens it. */
  reopen(): Promise<Store>
  /** Resolves when lists show all that was written before (at once where there is no settling window). */
  settle(): Promise<void>
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
  return results.map((result) => (result.outcome === 'key_reused' ? 'key_reused' : result.eventId))
}

/** Follows the pages to the end. */
export async function allPages(store: Store, first: EventQuery, between: () => Promise<void> = async () => {}): Promise<EventRecord[]> {
  const events: EventRecord[] = []
  let after: string | undefined
  do {
    const page = await store.listEvents({ ...first, after })
    events.push(...page.events)
    after = page.next ?? undefined
    if (after !== undefined) await between()
  } while (after !== undefined)
  return events
}

export const idsOf = (events: readonly EventRecord[]): string[] => events.map((event) => event.eventId)
