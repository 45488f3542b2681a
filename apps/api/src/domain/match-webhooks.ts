import type { EventRecord } from '../ports.ts'
import type { StoredWebhook } from '../webhook-ports.ts'
import { matchesPattern } from './event-pattern.ts'
import { formatTime } from './time.ts'
import { filterMismatch } from './webhook-filter.ts'

export type MismatchReason = 'event_type' | 'filter' | 'inactive' | 'created_later'

/** `detail` is for people. */
export type Match = { matched: true } | { matched: false; reason: MismatchReason; detail: string }

const SHOWN_PATTERNS = 3

/** Whether a webhook of the event's workspace gets the event, and if not, the first reason. */
export function judgeWebhook(webhook: StoredWebhook, event: EventRecord): Match {
  // Its time is a place in the order of events: it gets those behind it.
  if (event.createdAtUs <= webhook.createdAtUs) {
    return mismatch('created_later', `the webhook was created at ${formatTime(webhook.createdAtUs)}, after the event`)
  }
  if (!webhook.isActive) {
    const reason = webhook.disabledReason === null ? '' : ` (${webhook.disabledReason})`
    return mismatch('inactive', `the webhook is not active${reason}`)
  }
  if (!matchesAny(webhook.events, event.eventType)) {
    return mismatch('event_type', `event_type is ${event.eventType}, the webhook wants ${listed(webhook.events)}`)
  }
  const difference = webhook.filter === null ? undefined : filterMismatch(webhook.filter, event)
  return difference === undefined ? { matched: true } : mismatch('filter', difference)
}

/** Whether one of the patterns matches the type. */
export function matchesAny(patterns: readonly string[], eventType: string): boolean {
  return patterns.some((pattern) => matchesPattern(pattern, eventType))
}

function mismatch(reason: MismatchReason, detail: string): Match {
  return { matched: false, reason, detail }
}

function listed(patterns: readonly string[]): string {
  const shown = patterns.slice(0, SHOWN_PATTERNS).join(' or ')
  return patterns.length > SHOWN_PATTERNS ? `${shown} or ${patterns.length - SHOWN_PATTERNS} more` : shown
}
