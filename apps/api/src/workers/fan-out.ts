import type { Logger } from 'pino'
import { judgeWebhook, matchesAny } from '../domain/match-webhooks.ts'
import type { WebhookRing } from '../domain/webhook-ring.ts'
import { type Clock, StoreUnavailableError } from '../ports.ts'
import type { Lane, NewDelivery, Outbox, OutboxEvent, OutboxStore, StoredWebhook } from '../webhook-ports.ts'
import { createGrowingWait, createWaker } from './waker.ts'

const EVENTS = 1000
const BYTES = 4 * 1024 * 1024
/** Deliveries of one commit: the writes beside it wait for it. One event may have as many as a workspace has webhooks. */
const DELIVERIES = 2000
/** Without a hint: events of another process. */
const POLL_MS = 1000
/** Between looks that found nothing: then many creates share one look. */
const IDLE_MS = 5
/** The same while there is no webhook at all. */
const NO_WEBHOOK_MS = 50
/** How often a mark is written that has moved past events that nobody asks for. */
const MARK_MS = 1000
const MARK_LOOKS = 20
/** Between two turns for everything else in this process. */
const TURN_MS = 10

export interface FanOutDeps {
  store: OutboxStore
  webhooks: WebhookRing
  clock: Clock
  log: Logger
  /** Tells who sends that the lanes have something new. */
  lookAt(lanes: readonly Lane[]): void
}

/**
 * Makes the deliveries of new events, for as long as the program runs; any number of processes may do it on one store.
 *
 * Why no event misses a webhook: events are judged only by webhooks that were read after the events were, and with the interests of those
 * same webhooks. The events of one answer are all in the commits up to its snapshot. A webhook that the judge does not know was made behind that snapshot,
 * so its place in the commit order is behind each of these events, and none of them is for it; a change that it does not know came
 * after them just so. Hence the mark may pass them, whether they matched or not, and even unread where no workspace has a webhook. What is known
 * is as new as the snapshot when the version is the one that the webhooks were read for; else they are read anew, and then the events again, since the answer
 * left out what the former webhooks did not ask for.
 *
 * Why none is delivered twice: a commit begins where the store's mark is, and moves it, or fails. Where the mark is another one than this
 * fan-out has left there, another fan-out was here, and everything is read anew from there.
 * @returns how to stop it; resolves when the pass under way is done
 */
export function startFanOut(deps: FanOutDeps): () => Promise<void> {
  const { store, webhooks, clock, log } = deps
  const waker = createWaker()
  const failureWait = createGrowingWait(50, 2000)
  let stopped = false
  let limit = EVENTS
  /** What the store's mark is, and how far was looked from there without a match; undefined: to be asked. */
  let at: { stored: string; mark: string } | undefined
  let unwrittenLooks = 0
  let writtenAtMs = performance.now()

  /** @returns whether to look again at once */
  async function look(): Promise<boolean> {
    const outbox = await store.readOutbox({ after: at?.mark, limit, maxBytes: BYTES, interests: webhooks.interests() })
    if (outbox.webhooksVersion !== webhooks.version) {
      await webhooks.refresh(outbox.webhooksVersion)
      return true
    }
    at ??= { stored: outbox.stored, mark: outbox.stored }
    const { deliveries, lanes, overflowAt } = await judge(outbox.events)
    if (overflowAt !== undefined) {
      // So many events fit: read no more than that, as a mark stands behind whole answers.
      limit = overflowAt
      return true
    }
    if (deliveries.length <= DELIVERIES / 2) limit = Math.min(limit * 2, EVENTS)
    if (deliveries.length > 0) await commit(outbox, deliveries, lanes)
    else await pass(outbox)
    return outbox.more || deliveries.length > 0
  }

  async function commit({ mark }: Outbox, deliveries: readonly NewDelivery[], lanes: readonly Lane[]): Promise<void> {
    if (await moveTo(mark, deliveries)) deps.lookAt(lanes)
  }

  /** Nothing matched: the mark is written now and then. Events that were looked at twice make no delivery twice, as they make none. */
  async function pass({ mark }: Outbox): Promise<void> {
    if (at === undefined || at.mark === mark) return
    at.mark = mark
    unwrittenLooks++
    if (unwrittenLooks >= MARK_LOOKS) await writeMark()
  }

  async function writeMark(): Promise<void> {
    if (at !== undefined && at.mark !== at.stored) await moveTo(at.mark, [])
  }

  async function moveTo(mark: string, deliveries: readonly NewDelivery[]): Promise<boolean> {
    const from = at?.stored
    if (from === undefined) return false
    // Whatever becomes of the commit, it is asked anew where the mark is, unless it is known.
    at = undefined
    const isMoved = await store.fanOut({ from, to: mark, deliveries })
    if (isMoved) at = { stored: mark, mark }
    unwrittenLooks = 0
    writtenAtMs = performance.now()
    return isMoved
  }

  /** The deliveries of the events; or how many events, from the first on, have no more than one commit takes. */
  async function judge(events: readonly OutboxEvent[]) {
    const dueAtUs = clock.nowUs()
    const deliveries: NewDelivery[] = []
    const lanes = new Map<string, Lane>()
    let turnEndsMs = performance.now() + TURN_MS
    for (const [index, event] of events.entries()) {
      for (const webhook of webhooks.ofWorkspace(event.workspaceId)) {
        if (!isFor(webhook, event)) continue
        const { webhookId } = webhook
        deliveries.push({ webhookId, eventId: event.eventId, eventType: event.eventType, dueAtUs, replayId: null, ownEvent: null })
        lanes.set(webhookId, { webhookId, replayId: null })
      }
      if (deliveries.length > DELIVERIES && index > 0) return { deliveries, lanes: [], overflowAt: index }
      if (performance.now() > turnEndsMs) {
        await new Promise((resolve) => setImmediate(resolve))
        turnEndsMs = performance.now() + TURN_MS
      }
    }
    return { deliveries, lanes: [...lanes.values()], overflowAt: undefined }
  }

  /** One event that the judge cannot bear must not stop all behind it. */
  function isFor(webhook: StoredWebhook, event: OutboxEvent): boolean {
    try {
      // Most do not match, and the judge says why not, in words.
      return event.createdAtUs > webhook.createdAtUs && matchesAny(webhook.events, event.eventType) && judgeWebhook(webhook, event).matched
    } catch (error) {
      log.error({ err: error, webhookId: webhook.webhookId, eventId: event.eventId }, 'an event could not be matched with a webhook')
      return false
    }
  }

  async function lookOrWait(): Promise<void> {
    try {
      const again = await look()
      failureWait.reset()
      if (again) return
      // Not ended by a hint, so that many of them share the next look.
      await pause(webhooks.interests().size === 0 ? NO_WEBHOOK_MS : IDLE_MS)
      if (performance.now() - writtenAtMs >= MARK_MS) await writeMark()
      if (!stopped) await waker.sleep(POLL_MS)
    } catch (error) {
      at = undefined
      if (!(error instanceof StoreUnavailableError)) log.error({ err: error }, 'events could not be fanned out')
      await pause(failureWait.next())
    }
  }

  const pauser = createWaker()
  const pause = async (ms: number) => {
    if (!stopped) await pauser.sleep(ms)
  }

  const run = async () => {
    while (!stopped) await lookOrWait()
    await writeMark().catch(() => {})
  }
  const endWatch = store.watchOutbox(() => waker.wake())
  const running = run()
  return async () => {
    stopped = true
    endWatch()
    waker.wake()
    pauser.wake()
    await running
  }
}
