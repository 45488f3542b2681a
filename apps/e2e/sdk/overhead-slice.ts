/** What the measuring programs say to one another, a line of JSON each way. The one in Go (go/overhead) speaks the same. */
export interface Slice {
  url: string
  call: 'health' | 'create'
  ms: number
}

export type SliceReply = { requests: number; seconds: number; cpuSeconds: number } | { failure: string }

export const CONCURRENCY = 32

/** About 300 bytes; whoever sends it adds an idempotency key, as each client does by itself. */
export const EVENT = {
  source: 'shop',
  event_type: 'order.created',
  payload: {
    order_id: 'ord_00000042',
    customer: { id: 'cus_332598', email: 'customer.42@example.com' },
    amount: { value: 1042, currency: 'EUR' },
    items: [{ sku: 'sku-42', quantity: 1 }],
  },
  metadata: { priority: 'normal', tenant: 'tenant-42' },
} as const
