import type { EventRecord, EventStatus, Priority } from '../ports.ts'
import type { Metadata } from './events.ts'
import { RawJson } from './json.ts'
import { formatTime } from './time.ts'

/** An event as it is read, by `stringifyJson`. */
export interface PresentedEvent {
  event_id: string
  created_at: string
  source: string
  event_type: string
  payload: RawJson
  status: EventStatus
  metadata: Metadata & { priority: Priority }
  acknowledged_at: string | null
}

/** An event as every call shows it, and as webhooks get it. */
export function presentEvent(event: EventRecord): PresentedEvent {
  return {
    event_id: event.eventId,
    created_at: formatTime(event.createdAtUs),
    source: event.source,
    event_type: event.eventType,
    payload: new RawJson('object', event.payload, 0),
    status: event.status,
    metadata: JSON.parse(event.metadata),
    acknowledged_at: event.acknowledgedAtUs === null ? null : formatTime(event.acknowledgedAtUs),
  }
}
