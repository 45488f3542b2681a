import type { EventRecord, EventStore } from '../ports.ts'
import type { DeliveryStatus, DeliveryStore, NewReplay, ReplaySelection, StoredWebhook } from '../webhook-ports.ts'
import { matchesAny } from './match-webhooks.ts'
import { filterMismatch } from './webhook-filter.ts'

/** Judged in one go: payloads are parsed for filters, and other requests wait meanwhile. */
const MAX_BYTES = 1_000_000

/** What says which events a replay is of. */
export type ReplayScope = Pick<NewReplay, 'workspaceId' | 'sinceUs' | 'untilUs' | 'filter' | 'selection'>

/**
 * One page of the events that a replay is to send, in their order: those of its span that match the webhook as it is now, the replay's own
 * filter, and its selection. Whether the webhook is active, and when it was made, plays no part.
 * @param after the last page's `next`
 * @param limit events looked at, at the most
 * @returns perhaps no event with a `next` to go on from; `next` is null when the span has been walked
 * @throws StoreUnavailableError
 */
export async function matchingEvents(
  { store }: { store: Pick<EventStore, 'listEvents'> & Pick<DeliveryStore, 'deliveryStatuses'> },
  replay: ReplayScope,
  webhook: Pick<StoredWebhook, 'webhookId' | 'events' | 'filter'>,
  after: string | undefined,
  limit: number,
): Promise<{ events: EventRecord[]; next: string | null }> {
  // Of what the webhook asks for nothing goes into the query: it can be changed between two pages, and a position goes with its query.
  const filter = { createdAfterUs: replay.sinceUs, createdBeforeUs: replay.untilUs }
  const { workspaceId } = replay
  const page = await store.listEvents({ workspaceId, filter, order: 'asc', limit, maxBytes: MAX_BYTES, after })
  const wanted = page.events.filter((event) => isWanted(event, replay, webhook))
  if (wanted.length === 0) return { events: [], next: page.next }
  const statuses = await store.deliveryStatuses(
    webhook.webhookId,
    wanted.map(({ eventId }) => eventId),
  )
  return { events: wanted.filter((_, index) => isSelected(statuses[index] ?? [], replay.selection)), next: page.next }
}

function isWanted(event: EventRecord, replay: ReplayScope, webhook: Pick<StoredWebhook, 'events' | 'filter'>): boolean {
  if (!matchesAny(webhook.events, event.eventType)) return false
  return [webhook.filter, replay.filter].every((filter) => filter === null || filterMismatch(filter, event) === undefined)
}

/** @param statuses of the event's deliveries to the webhook, oldest first */
function isSelected(statuses: readonly DeliveryStatus[], selection: ReplaySelection | null): boolean {
  if (statuses.includes('pending')) return false
  switch (selection) {
    case null:
      return true
    case 'none':
      return statuses.length === 0
    case 'undelivered':
      return !statuses.includes('delivered')
    default:
      return statuses.at(-1) === selection
  }
}
