/** Records as the store gives them, for tests of what looks at them alone. */
import type { EventRecord } from '../ports.ts'
import type { StoredWebhook, WebhookRecord } from '../webhook-ports.ts'

const CREATED_AT_US = Date.UTC(2025, 10, 21, 8) * 1000

/** An event, but for the given fields. */
export function eventRecord(fields: Partial<EventRecord> = {}): EventRecord {
  return {
    eventId: '01932d5e-7c1a-7b44-9d0a-5f3e2b1c4d6e',
    createdAtUs: CREATED_AT_US,
    source: 'shop',
    eventType: 'order.paid',
    payload: '{"total":12}',
    status: 'pending',
    metadata: '{"priority":"normal"}',
    acknowledgedAtUs: null,
    ...fields,
  }
}

/** An active webhook that is not stored yet, and gets everything; but for the given fields. */
export function webhookRecord(fields: Partial<WebhookRecord> = {}): WebhookRecord {
  return {
    webhookId: '01932d5e-0000-7000-8000-000000000001',
    workspaceId: 'acme',
    url: 'https://example.com/hook',
    events: ['*'],
    description: null,
    filter: null,
    headers: null,
    rateLimit: null,
    retry: 'standard',
    payloadFormat: 'event',
    secrets: [],
    isActive: true,
    disabledAtUs: null,
    disabledReason: null,
    updatedAtUs: CREATED_AT_US - 1,
    revision: 0,
    ...fields,
  }
}

/** The same, stored before the event. */
export function storedWebhook(fields: Partial<StoredWebhook> = {}): StoredWebhook {
  return { ...webhookRecord({ revision: 1 }), failingSinceUs: null, alarmedAtUs: null, createdAtUs: CREATED_AT_US - 1, ...fields }
}
