import { randomInt } from 'node:crypto'
import type { Clock } from '../ports.ts'
import type { AttemptOutcome, ClaimedDelivery, HttpOut, SendResult, WebhookHealth } from '../webhook-ports.ts'
import { alarmsOwner, judgeAttempt } from './deliveries.ts'
import { deliveryRequest, type OpenWebhook } from './delivery-request.ts'
import { deliveryDead, ownDeliveries, webhookRecovered } from './own-events.ts'
import { readRetryAfter } from './retry-after.ts'
import type { WebhookRing } from './webhook-ring.ts'

export interface SendDeps {
  httpOut: Pick<HttpOut, 'post'>
  webhooks: Pick<WebhookRing, 'ofWorkspace'>
  clock: Clock
}

export interface SentDelivery {
  outcome: AttemptOutcome
  /** The receiver said that it wants no more. */
  isGone: boolean
  /** What the attempt says of the receiver: `neither` when it answers, but not to this event. */
  verdict: 'succeeded' | 'failed' | 'neither'
  /** How long the receiver asked for quiet: with 429 and 503; in microseconds. */
  quietUs: number | undefined
}

const ASKS_FOR_QUIET = [429, 503]

/**
 * Sends a claimed delivery, and judges what came of it. Nothing of it is stored here.
 * @param claimed the webhook's part of the claim, and until when it holds
 */
export async function sendDelivery(
  deps: SendDeps,
  webhook: OpenWebhook,
  claimed: { health: WebhookHealth; heldUntilUs: number },
  delivery: ClaimedDelivery,
): Promise<SentDelivery> {
  const { record } = webhook
  const startedAtUs = deps.clock.nowUs()
  const result = await deps.httpOut.post(deliveryRequest(webhook, delivery.event, startedAtUs))
  const nowUs = deps.clock.nowUs()
  // Whether it is still active the next claim tells; here it was, when it was claimed.
  const random = randomInt(2 ** 32) / 2 ** 32
  const judged = judgeAttempt({ webhook: record, delivery, result, isActive: true, startedAtUs, nowUs, random })
  const { attempt, status, dueAtUs, succeeded } = judged
  const { eventId, eventType } = delivery.event
  const { webhookId } = record
  const alarms = alarmsOwner(eventType, status)
  const dead = alarms
    ? deliveryDead({ deliveryId: delivery.deliveryId, webhookId, eventId, eventType, attemptCount: attempt.attempt }, result, nowUs)
    : undefined
  const recovered = succeeded && claimed.health.alarmedAtUs !== null ? webhookRecovered(record, nowUs) : undefined
  const others = () => deps.webhooks.ofWorkspace(record.workspaceId)
  return {
    outcome: {
      deliveryId: delivery.deliveryId,
      heldUntilUs: claimed.heldUntilUs,
      attempt,
      status,
      dueAtUs,
      succeeded,
      alarms,
      ownDeliveries: dead === undefined ? [] : ownDeliveries(dead, others()),
      recoveredDeliveries: recovered === undefined ? [] : ownDeliveries(recovered, others()),
    },
    isGone: judged.disables === 'gone',
    verdict: succeeded ? 'succeeded' : verdictOf(result),
    quietUs: quietOf(result, nowUs),
  }
}

function verdictOf(result: SendResult): 'failed' | 'neither' {
  const isRefusal = result.outcome === 'answered' && result.statusCode < 500 && result.statusCode !== 429
  return isRefusal ? 'neither' : 'failed'
}

function quietOf(result: SendResult, nowUs: number): number | undefined {
  if (result.outcome === 'failed' || result.retryAfter === null || !ASKS_FOR_QUIET.includes(result.statusCode)) return undefined
  return readRetryAfter(result.retryAfter, nowUs)
}
