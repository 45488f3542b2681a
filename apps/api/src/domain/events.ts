import { createHash } from 'node:crypto'
import type { Deps } from '../deps.ts'
import { ApiError, storageUnavailable } from '../errors.ts'
import type { CreateResult, NewEvent, Principal, Priority } from '../ports.ts'
import { canonicalJson, type RawJson } from './json.ts'

/** The payload's limit: its compact JSON in UTF-8. */
export const MAX_PAYLOAD_BYTES = 409_600
export const MAX_PAYLOAD_DEPTH = 128

export type MetadataValue = string | number | boolean

/** `priority` is always there; `correlation_id` and `idempotency_key` where given; the user's own keys. */
export type Metadata = { [key: string]: MetadataValue }

/** An event as a producer sends it, of the right form, trimmed. */
export interface EventInput {
  source: string
  event_type: string
  payload: RawJson
  metadata: Metadata & { priority: Priority; idempotency_key?: string | undefined }
}

export type Ingested = Extract<CreateResult, { eventId: string }>

/**
 * Stores the events, in order. An event that cannot be stored fails alone.
 * @returns for each event what became of it, or why it was refused
 */
export async function ingestEvents(deps: Deps, principal: Principal, inputs: readonly EventInput[]): Promise<(Ingested | ApiError)[]> {
  const checked = inputs.map((input) => payloadTooLarge(input.payload) ?? newEvent(input))
  const accepted = checked.filter((event): event is NewEvent => !(event instanceof ApiError))
  const results = accepted.length === 0 ? [] : await deps.store.createEvents(principal.workspaceId, accepted)
  return checked.map((event) => {
    if (event instanceof ApiError) return event
    const result = results.shift()
    if (result === undefined) throw new Error('The store gave fewer results than it got events.')
    switch (result.outcome) {
      case 'created':
      case 'replayed':
        return result
      case 'key_reused':
        return keyReused(event)
      case 'unavailable':
        return storageUnavailable(SEND_AGAIN)
    }
  })
}

function newEvent({ source, event_type, payload, metadata }: EventInput): NewEvent {
  const { idempotency_key: key } = metadata
  return {
    source,
    eventType: event_type,
    priority: metadata.priority,
    metadata: JSON.stringify(metadata),
    payload: payload.text,
    idempotency: key === undefined ? undefined : { key, fingerprint: fingerprintOf(source, event_type, payload, metadata) },
  }
}

/** SHA-256 over the content as JSON values: equal for two events that differ in spelling, or in the key, alone. */
function fingerprintOf(source: string, eventType: string, payload: RawJson, metadata: Metadata): Uint8Array {
  const { idempotency_key: _, ...content } = metadata
  const sorted = Object.entries(content).sort(([a], [b]) => (a < b ? -1 : 1))
  const text = JSON.stringify([source, eventType, sorted])
  return createHash('sha256').update(text).update(canonicalJson(payload.text)).digest()
}

function payloadTooLarge(payload: RawJson): ApiError | undefined {
  // No character takes more than three bytes per UTF-16 unit.
  if (payload.text.length * 3 <= MAX_PAYLOAD_BYTES) return undefined
  const bytes = Buffer.byteLength(payload.text)
  if (bytes <= MAX_PAYLOAD_BYTES) return undefined
  return new ApiError('PAYLOAD_TOO_LARGE', `The payload is over ${MAX_PAYLOAD_BYTES} bytes.`, {
    details: { limit_bytes: MAX_PAYLOAD_BYTES, actual_bytes: bytes, suggestion: 'Send a reference to large data instead of the data.' },
  })
}

function keyReused(event: NewEvent): ApiError {
  return new ApiError('IDEMPOTENCY_KEY_REUSED', 'This idempotency key was used for an event with other content.', {
    details: { idempotency_key: event.idempotency?.key, suggestion: 'Use a new key for a new event; a retry sends the same content.' },
  })
}

/** What bulk calls say of those that the storage could not take, while it took others. */
export const SEND_AGAIN = 'Send this one again in a second.'

/** What bulk calls say of an event that is not there, and single ones too. */
export function eventNotFound(eventId: string): ApiError {
  return new ApiError('NOT_FOUND', 'There is no such event in this workspace.', {
    details: { event_id: eventId, suggestion: 'Check the id. Events vanish when they are deleted or reach the end of their life.' },
  })
}
