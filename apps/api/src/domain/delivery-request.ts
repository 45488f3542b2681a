import type { EventRecord } from '../ports.ts'
import { VERSION } from '../version.ts'
import type { PayloadFormat, SendRequest, StoredWebhook } from '../webhook-ports.ts'
import { presentEvent } from './event-json.ts'
import { setMember, stringifyJson } from './json.ts'
import { formatTime } from './time.ts'
import { messageIdOf, signWebhook } from './webhook-signing.ts'

/** A webhook with its secrets and its own headers in the clear. */
export interface OpenWebhook {
  record: StoredWebhook
  /** The newest first. */
  secrets: readonly { secret: string; expiresAtUs: number | null }[]
  headers: Readonly<Record<string, string>>
}

/** Everything that an attempt sends, signed at that moment. The owner's own headers take the place of none that says what is sent. */
export function deliveryRequest({ record, secrets, headers }: OpenWebhook, event: EventRecord, nowUs: number): SendRequest {
  const body = Buffer.from(bodyOf(record.payloadFormat, event))
  const webhookId = messageIdOf(event.eventId)
  const timestampS = Math.floor(nowUs / 1e6)
  const valid = secrets.filter(({ expiresAtUs }) => expiresAtUs === null || expiresAtUs > nowUs).map(({ secret }) => secret)
  const { webhookSignature, xWebhookSignature } = signWebhook({ secrets: valid, webhookId, timestampS, body })
  return {
    url: record.url,
    headers: {
      'user-agent': `Triggers/${VERSION}`,
      ...inLowerCase(headers),
      'content-type': 'application/json',
      'webhook-id': webhookId,
      'webhook-timestamp': String(timestampS),
      'webhook-signature': webhookSignature,
      'x-webhook-id': record.webhookId,
      'x-webhook-timestamp': formatTime(nowUs),
      'x-webhook-signature': xWebhookSignature,
    },
    body,
  }
}

function bodyOf(format: PayloadFormat, event: EventRecord): string {
  const data = presentEvent(event)
  switch (format) {
    case 'event':
      return stringifyJson(data)
    case 'standard':
      return stringifyJson({ type: data.event_type, timestamp: data.created_at, data })
  }
}

function inLowerCase(headers: Readonly<Record<string, string>>): Record<string, string> {
  const lower: Record<string, string> = {}
  for (const [name, value] of Object.entries(headers)) setMember(lower, name.toLowerCase(), value)
  return lower
}
