import type { Deps } from '../deps.ts'
import type { EventRecord } from '../ports.ts'
import type { DeliveryRecord, StoredWebhook } from '../webhook-ports.ts'
import { eventNotFound } from './events.ts'
import { judgeWebhook, type MismatchReason } from './match-webhooks.ts'
import { eachOf, PAGE } from './pages.ts'

export interface TracedWebhook {
  webhookId: string
  reason: 'matched' | MismatchReason
  /** For people. */
  detail: string
  /** The newest first. */
  deliveries: DeliveryRecord[]
}

/** Of deliveries read in one go. */
const PAGE_BYTES = 1_000_000
/** Of receivers' answers in one trace, together: what a page of deliveries may weigh. */
const MAX_ANSWER_BYTES = 5_000_000

/**
 * What became of an event at every webhook of its workspace, the newest first. One without a delivery of it is judged as it is now.
 * @throws ApiError NOT_FOUND
 */
export async function traceEvent({ store }: Pick<Deps, 'store'>, workspaceId: string, eventId: string): Promise<TracedWebhook[]> {
  const event = await store.getEvent(workspaceId, eventId)
  if (event === undefined) throw eventNotFound(eventId)
  const deliveries = await deliveriesOf(store, workspaceId, eventId)
  const webhooks = eachOf(async (after) => {
    const page = await store.listWebhooks({ workspaceId, limit: PAGE, after })
    return { items: page.webhooks, next: page.next }
  })
  const traced: TracedWebhook[] = []
  for await (const webhook of webhooks) traced.push(traceWebhook(webhook, event, deliveries.get(webhook.webhookId) ?? []))
  return traced
}

async function deliveriesOf(store: Deps['store'], workspaceId: string, eventId: string): Promise<Map<string, DeliveryRecord[]>> {
  const byWebhook = new Map<string, DeliveryRecord[]>()
  let left = MAX_ANSWER_BYTES
  const all = eachOf(async (after) => {
    const { deliveries, next } = await store.listDeliveries({ workspaceId, eventId, limit: PAGE, maxBytes: PAGE_BYTES, after })
    return { items: deliveries, next }
  })
  for await (const delivery of all) {
    left -= delivery.attempts.reduce((bytes, { responseBody }) => bytes + Buffer.byteLength(responseBody), 0)
    const known = byWebhook.get(delivery.webhookId) ?? []
    known.push(left >= 0 ? delivery : withoutAnswers(delivery))
    byWebhook.set(delivery.webhookId, known)
  }
  return byWebhook
}

function withoutAnswers(delivery: DeliveryRecord): DeliveryRecord {
  const attempts = delivery.attempts.map((attempt) => ({
    ...attempt,
    responseBody: '',
    responseTruncated: attempt.responseTruncated || attempt.responseBody !== '',
  }))
  return { ...delivery, attempts }
}

function traceWebhook(webhook: StoredWebhook, event: EventRecord, deliveries: DeliveryRecord[]): TracedWebhook {
  const { webhookId } = webhook
  const [last] = deliveries
  if (last !== undefined) {
    const detail =
      deliveries.length === 1 ? `its delivery is ${last.status}` : `the last of its ${deliveries.length} deliveries is ${last.status}`
    return { webhookId, reason: 'matched', detail, deliveries }
  }
  const match = judgeWebhook(webhook, event)
  if (!match.matched) return { webhookId, reason: match.reason, detail: match.detail, deliveries }
  return { webhookId, reason: 'matched', detail: 'it matches as the webhook is now, and has no delivery so far', deliveries }
}
