import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import { isFailingTooLong } from '../domain/deliveries.ts'
import type { OpenWebhook } from '../domain/delivery-request.ts'
import { isOwnType } from '../domain/event-pattern.ts'
import { type SentDelivery, sendDelivery } from '../domain/send-delivery.ts'
import type { WebhookRing } from '../domain/webhook-ring.ts'
import { type Clock, StoreUnavailableError } from '../ports.ts'
import type {
  AttemptOutcome,
  ClaimedDelivery,
  DeliveryStore,
  HttpOut,
  Lane,
  NewDelivery,
  RecordResult,
  WebhookHealth,
} from '../webhook-ports.ts'
import type { LaneWakes } from './lane-wakes.ts'
import { type AttemptSlot, laneKeyOf, type Slots } from './slots.ts'
import { createGrowingWait } from './waker.ts'

export interface AttemptDeps {
  store: Pick<DeliveryStore, 'recordAttempts'>
  httpOut: Pick<HttpOut, 'post' | 'longestMs'>
  webhooks: Pick<WebhookRing, 'ofWorkspace'>
  clock: Clock
  log: Logger
  slots: Pick<Slots, 'rest'>
  wakes: LaneWakes
  /** That the lanes have something new. */
  lookAt(lanes: readonly Lane[]): void
  /** Its pending deliveries become held. `isSilent`: without an event of our own. */
  disableWebhook(webhookId: string, reason: 'failing' | 'gone', options: { isSilent: boolean }): Promise<unknown>
}

/** What is the same for all deliveries of a claim. */
export interface Claimed {
  lane: Lane
  webhook: OpenWebhook
  health: WebhookHealth
  heldUntilUs: number
}

export interface Attempts {
  /** Sends it, stores what came of it, and does what follows from that. The slot is given back on the way. Never rejects. */
  start(claimed: Claimed, delivery: ClaimedDelivery, slot: AttemptSlot): Promise<void>
  /** What is under way now is no longer stored when it ends: it comes again when its hold ends. */
  abandon(): void
}

export function createAttempts(deps: AttemptDeps): Attempts {
  const { store, httpOut, clock, log } = deps
  const disabling = new Set<string>()
  let isAbandoned = false

  async function sendAndRecord(claimed: Claimed, delivery: ClaimedDelivery, slot: AttemptSlot) {
    let sent: SentDelivery | undefined
    try {
      // It took so long to come here that the hold could end under way: somebody else would have it, too.
      if (clock.nowUs() + httpOut.longestMs * 1000 > claimed.heldUntilUs) return undefined
      sent = await sendDelivery(deps, claimed.webhook, claimed, delivery)
      if (sent.quietUs !== undefined) deps.slots.rest(claimed.lane.webhookId, clock.nowUs() + sent.quietUs)
      const result = await record(sent.outcome)
      return result && { sent, result }
    } finally {
      slot.release(sent?.verdict)
    }
  }

  /**
   * Tries until the hold ends: then another has the delivery, and it is sent again. Each outcome is a write of its own: the store lets those that come
   * together share a commit, and to gather them here, too, brought nothing (measured).
   */
  async function record(outcome: AttemptOutcome): Promise<RecordResult | undefined> {
    const wait = createGrowingWait(100, 2000)
    while (!isAbandoned) {
      try {
        const [result] = await store.recordAttempts([outcome])
        return result
      } catch (error) {
        if (!(error instanceof StoreUnavailableError)) throw error
      }
      if (clock.nowUs() >= outcome.heldUntilUs) {
        log.warn({ deliveryId: outcome.deliveryId }, 'an attempt could not be recorded: it will be made again')
        return undefined
      }
      await sleep(wait.next())
    }
    return undefined
  }

  async function follow({ lane }: Claimed, delivery: ClaimedDelivery, sent: SentDelivery, result: RecordResult): Promise<void> {
    if (result.outcome === 'lost') {
      log.debug({ webhookId: lane.webhookId, deliveryId: delivery.deliveryId }, 'an attempt was recorded by nobody: its hold had ended')
      return
    }
    const { dueAtUs, succeeded, ownDeliveries, recoveredDeliveries } = sent.outcome
    if (dueAtUs !== null) deps.wakes.plan(lane, dueAtUs)
    const { attempt, statusCode, error } = sent.outcome.attempt
    if (!succeeded)
      log.debug({ webhookId: lane.webhookId, deliveryId: delivery.deliveryId, attempt, statusCode, error }, 'an attempt failed')
    const own = [...ownDeliveries, ...recoveredDeliveries]
    if (own.length > 0) deps.lookAt(lanesOf(own))
    const isFailing = !succeeded && isFailingTooLong(result.failingSinceUs, clock.nowUs())
    if (sent.isGone || isFailing) await disable(lane.webhookId, sent.isGone ? 'gone' : 'failing', delivery.event.eventType)
  }

  async function disable(webhookId: string, reason: 'failing' | 'gone', eventType: string): Promise<void> {
    if (disabling.has(webhookId)) return
    disabling.add(webhookId)
    try {
      // What becomes of our own events makes no further ones.
      await deps.disableWebhook(webhookId, reason, { isSilent: isOwnType(eventType) })
    } finally {
      disabling.delete(webhookId)
    }
  }

  return {
    async start(claimed, delivery, slot) {
      try {
        const done = await sendAndRecord(claimed, delivery, slot)
        if (done !== undefined) await follow(claimed, delivery, done.sent, done.result)
      } catch (error) {
        // Held until the hold ends: then it is tried again.
        const isKnown = error instanceof StoreUnavailableError
        if (!isKnown)
          log.error({ err: error, webhookId: claimed.lane.webhookId, deliveryId: delivery.deliveryId }, 'an attempt could not be made')
      }
    },
    abandon() {
      isAbandoned = true
    },
  }
}

function lanesOf(deliveries: readonly NewDelivery[]): Lane[] {
  return [...new Map(deliveries.map(({ webhookId, replayId }) => [laneKeyOf({ webhookId, replayId }), { webhookId, replayId }])).values()]
}
