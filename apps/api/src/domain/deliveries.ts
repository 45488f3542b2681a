import type { AttemptRecord, ClaimedDelivery, DeliveryStatus, RetryProfile, SendResult, StoredWebhook } from '../webhook-ports.ts'
import { isOwnType } from './event-pattern.ts'
import { readRetryAfter } from './retry-after.ts'
import { DAY_US } from './time.ts'

const SECOND_US = 1e6
const MINUTE_US = 60 * SECOND_US
const HOUR_US = 60 * MINUTE_US

/** How long to wait after each failed attempt; after the last of them the delivery is dead. `jitter`: how much longer or shorter at the most. */
const PROFILES: Readonly<Record<RetryProfile, { waitsUs: readonly number[]; jitter: number }>> = {
  standard: {
    waitsUs: [5 * SECOND_US, 30 * SECOND_US, 2 * MINUTE_US, 10 * MINUTE_US, HOUR_US, 3 * HOUR_US, 6 * HOUR_US, 12 * HOUR_US],
    jitter: 0.2,
  },
  // What existing users were promised.
  short: { waitsUs: [SECOND_US, 2 * SECOND_US, 4 * SECOND_US], jitter: 0 },
}

/** A receiver cannot put a delivery off for longer than this, where its profile would not. */
const MAX_RETRY_AFTER_US = HOUR_US

const GONE = 410

const MAX_FAILING_US = 5 * DAY_US

export interface Attempted {
  webhook: Pick<StoredWebhook, 'retry'>
  delivery: Pick<ClaimedDelivery, 'attemptCount' | 'scheduleStart'>
  result: SendResult
  /** Whether the webhook is still active. */
  isActive: boolean
  startedAtUs: number
  nowUs: number
  /** From 0 to 1. */
  random: number
}

export interface Judgement {
  attempt: AttemptRecord
  status: DeliveryStatus
  /** When it is tried again; null unless pending. */
  dueAtUs: number | null
  succeeded: boolean
  /** The receiver said that it wants no more. */
  disables: 'gone' | null
}

/** What an attempt leads to: delivered, tried again, or ended. */
export function judgeAttempt(attempted: Attempted): Judgement {
  const { delivery, result, isActive } = attempted
  const ended = (status: DeliveryStatus, succeeded: boolean, disables: 'gone' | null = null): Judgement => ({
    attempt: attemptOf(attempted, null),
    status,
    dueAtUs: null,
    succeeded,
    disables,
  })
  if (isSuccess(result)) return ended('delivered', true)
  const isGone = result.outcome === 'answered' && result.statusCode === GONE
  if (!isActive) return ended('held', false)
  if (isGone) return ended('held', false, 'gone')
  const waitUs = waitBefore(delivery.attemptCount - delivery.scheduleStart, attempted)
  if (waitUs === undefined) return ended('dead', false)
  return {
    attempt: attemptOf(attempted, result.outcome === 'answered' ? `status_${result.statusCode}` : result.error),
    status: 'pending',
    dueAtUs: attempted.nowUs + waitUs,
    succeeded: false,
    disables: null,
  }
}

/** A redirect is none: it is not followed, so the event has arrived nowhere. */
function isSuccess(result: SendResult): boolean {
  return result.outcome === 'answered' && result.statusCode >= 200 && result.statusCode < 300
}

function attemptOf({ delivery, result, startedAtUs }: Attempted, retryReason: string | null): AttemptRecord {
  const answered = result.outcome === 'answered' ? result : undefined
  return {
    attempt: delivery.attemptCount + 1,
    startedAtUs,
    durationMs: result.durationMs,
    statusCode: answered?.statusCode ?? null,
    error: result.outcome === 'failed' ? result.error : null,
    responseBody: answered?.body ?? '',
    responseTruncated: answered?.isTruncated ?? false,
    retryReason,
  }
}

/**
 * @param retries how often it was tried again already, since its schedule began
 * @returns how long to wait, in whole microseconds; undefined when it was tried often enough
 */
function waitBefore(retries: number, { webhook, result, nowUs, random }: Attempted): number | undefined {
  const { waitsUs, jitter } = PROFILES[webhook.retry]
  const plainUs = waitsUs[retries]
  if (plainUs === undefined) return undefined
  const waitUs = Math.round(plainUs * (1 + jitter * (2 * random - 1)))
  const retryAfter = result.outcome === 'answered' ? result.retryAfter : null
  const askedUs = retryAfter === null ? 0 : (readRetryAfter(retryAfter, nowUs) ?? 0)
  return Math.max(waitUs, Math.min(askedUs, MAX_RETRY_AFTER_US))
}

/** Whether the owner is told of it. What becomes of our own events is news to nobody: their news would make more. */
export function alarmsOwner(eventType: string, status: DeliveryStatus): boolean {
  return status === 'dead' && !isOwnType(eventType)
}

/** @param failingSinceUs when the first attempt failed since the last success */
export function isFailingTooLong(failingSinceUs: number | null, nowUs: number): boolean {
  return failingSinceUs !== null && nowUs - failingSinceUs >= MAX_FAILING_US
}
