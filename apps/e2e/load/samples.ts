/** The events that every case writes: over HTTP, to the bare handler and into the store directly. */
import type { NewEvent, Priority } from '../../api/src/ports.ts'

/** Distinct events; they repeat, so that a value of which there is one among them matches one event in 1,000. */
export const VARIANTS = 1000
const RARE = 417
export const RARE_TENANT = `tenant-${RARE}`
export const RARE_SOURCE = 'rare-shop'

const TYPES = [
  'order.created',
  'order.paid',
  'order.shipped',
  'order.returned',
  'invoice.sent',
  'invoice.overdue',
  'user.created',
  'user.updated',
]
const MORE_METADATA = { region: 'eu-west-1', plan: 'pro', channel: 'web', attempt: 1 }

export interface SampleEvent {
  source: string
  event_type: string
  payload: object
  metadata: { priority: Priority; [key: string]: string | number }
}

/**
 * About 300 bytes of JSON at one metadata key.
 * @param metadataKeys how many beside `priority`
 */
export function sampleEvent(variant: number, metadataKeys = 1): SampleEvent {
  const priority = variant % 10 === 0 ? 'high' : variant % 10 === 1 ? 'low' : 'normal'
  const keys = Object.entries({ tenant: `tenant-${variant}`, ...MORE_METADATA }).slice(0, metadataKeys)
  return {
    source: variant === RARE ? RARE_SOURCE : `shop-${variant % 10}`,
    event_type: TYPES[variant % TYPES.length] ?? 'order.created',
    payload: {
      order_id: `ord_${variant.toString().padStart(8, '0')}`,
      customer: { id: `cus_${variant * 7919}`, email: `customer.${variant}@example.com` },
      amount: { value: 1000 + variant, currency: 'EUR' },
      items: [{ sku: `sku-${variant % 50}`, quantity: 1 + (variant % 3) }],
    },
    metadata: { priority, ...Object.fromEntries(keys) },
  }
}

/** The same event as the server hands it to its store. */
export function sampleRow(variant: number, metadataKeys = 1): NewEvent {
  const { source, event_type, payload, metadata } = sampleEvent(variant, metadataKeys)
  return {
    source,
    eventType: event_type,
    priority: metadata.priority,
    metadata: JSON.stringify(metadata),
    payload: JSON.stringify(payload),
  }
}

/** One request of the load: what differs between requests. */
export interface Target {
  method: 'GET' | 'POST'
  path: string
  body?: string
}

export const BULK_SIZE = 25

export function createTargets(): Target[] {
  return Array.from({ length: VARIANTS }, (_, variant) => ({
    method: 'POST',
    path: '/v1/events',
    body: JSON.stringify(sampleEvent(variant)),
  }))
}

export function bulkTargets(): Target[] {
  return Array.from({ length: VARIANTS / BULK_SIZE }, (_, bulk) => {
    const items = Array.from({ length: BULK_SIZE }, (_, item) => sampleEvent(bulk * BULK_SIZE + item))
    return { method: 'POST', path: '/v1/events/bulk', body: JSON.stringify({ items }) }
  })
}

/** The key of the server's `AUTH_MODE=local`, from the contract. */
export const API_KEY = 'test-api-key-12345'
