/** Events about ourselves: they go to webhooks that ask for `triggers.*`, and are in no list and no inbox. */
import type { EventRecord } from '../ports.ts'
import { newUuid } from '../uuid.ts'
import type { DisabledReason, NewDelivery, SendResult, StoredWebhook } from '../webhook-ports.ts'
import { isOwnType } from './event-pattern.ts'
import { matchesAny } from './match-webhooks.ts'
import { formatTime } from './time.ts'
import { filterMismatch } from './webhook-filter.ts'

export const OWN_TYPES = ['triggers.webhook.disabled', 'triggers.webhook.recovered', 'triggers.delivery.dead'] as const
export type OwnType = (typeof OWN_TYPES)[number]

/** A new event of our own; it has no place in the order of commits. */
export function ownEvent(type: OwnType, payload: object, nowUs: number): EventRecord {
  return {
    eventId: newUuid(nowUs),
    createdAtUs: nowUs,
    source: 'triggers',
    eventType: type,
    payload: JSON.stringify(payload),
    status: 'pending',
    metadata: '{"priority":"normal"}',
    acknowledgedAtUs: null,
  }
}

/**
 * The deliveries of an event of our own, due at once.
 * @param webhooks those of the workspace that it is about
 * @param except the webhook that it must not go to
 */
export function ownDeliveries(event: EventRecord, webhooks: readonly StoredWebhook[], except?: string): NewDelivery[] {
  return webhooks
    .filter(({ webhookId, isActive, events, filter }) => {
      if (!isActive || webhookId === except || !matchesAny(events, event.eventType)) return false
      return filter === null || filterMismatch(filter, event) === undefined
    })
    .map(({ webhookId }) => ({
      webhookId,
      eventId: event.eventId,
      eventType: event.eventType,
      dueAtUs: event.createdAtUs,
      replayId: null,
      ownEvent: event,
    }))
}

type Named = Pick<StoredWebhook, 'webhookId' | 'url'>

/** @param heldUntilUs until when what it did not get can be sent again */
export function webhookDisabled(webhook: Named, reason: DisabledReason, disabledAtUs: number, heldUntilUs: number): EventRecord {
  const times = { disabled_at: formatTime(disabledAtUs), deliveries_held_until: formatTime(heldUntilUs) }
  return ownEvent('triggers.webhook.disabled', { ...naming(webhook), reason, ...times }, disabledAtUs)
}

export function webhookRecovered(webhook: Named, nowUs: number): EventRecord {
  return ownEvent('triggers.webhook.recovered', { ...naming(webhook), recovered_at: formatTime(nowUs) }, nowUs)
}

/**
 * @param delivery a dead one; `attemptCount` with the last attempt
 * @returns undefined for a delivery of our own: it makes no further one
 */
export function deliveryDead(
  delivery: { deliveryId: string; webhookId: string; eventId: string; eventType: string; attemptCount: number },
  last: SendResult,
  nowUs: number,
): EventRecord | undefined {
  if (isOwnType(delivery.eventType)) return undefined
  const payload = {
    delivery_id: delivery.deliveryId,
    webhook_id: delivery.webhookId,
    event_id: delivery.eventId,
    event_type: delivery.eventType,
    attempt_count: delivery.attemptCount,
    last_status_code: last.outcome === 'answered' ? last.statusCode : null,
    last_error: last.outcome === 'failed' ? last.error : null,
  }
  return ownEvent('triggers.delivery.dead', payload, nowUs)
}

function naming({ webhookId, url }: Named): { webhook_id: string; url: string } {
  return { webhook_id: webhookId, url: withoutSecretParts(url) }
}

/** The url as other receivers may see it: its query and userinfo can be what lets people in. */
export function withoutSecretParts(url: string): string {
  const parsed = URL.parse(url)
  return parsed === null ? '' : `${parsed.protocol}//${parsed.host}${parsed.pathname}`
}
