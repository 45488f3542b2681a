import { setTimeout as sleep } from 'node:timers/promises'
import type { OpenWebhook } from '../domain/delivery-request.ts'
import type { WebhookRing } from '../domain/webhook-ring.ts'
import { StoreUnavailableError } from '../ports.ts'
import type {
  Claim,
  ClaimedDelivery,
  ClaimQuery,
  DeliveryStore,
  Lane,
  Queue,
  ReplayRecord,
  ReplayStore,
  WebhookStore,
} from '../webhook-ports.ts'
import { type AttemptDeps, type Claimed, createAttempts } from './attempts.ts'
import { createLaneWakes } from './lane-wakes.ts'
import { type AttemptSlot, CLAIM_BYTES, createSlots, laneKeyOf } from './slots.ts'
import { createGrowingWait, createWaker, type Waker } from './waker.ts'

/** How much longer than the longest send a hold lasts. */
const HOLD_MARGIN_MS = 10_000
/** What is due so soon is waited for here; everything later by a job. The clock may jump meanwhile: no wait is longer. */
const SOON_MS = 1000
/** Between looks at a lane that says it has something, and gives nothing: its places go to others. */
const FUTILE_MS = 20
/** Lanes looked after at once; each waits for slots, or for its rate. */
const MAX_LANES = 2000
const MOVED = 500
const MAX_DAMAGED = 10_000
/** How long a replay's rate and status are believed. */
const REPLAY_MS = 1000
/** An event beside its payload and metadata. */
const EVENT_BYTES = 1000

export interface DeliverDeps extends Pick<AttemptDeps, 'httpOut' | 'clock' | 'log' | 'disableWebhook'> {
  store: DeliveryStore & Pick<ReplayStore, 'getReplay'> & Pick<WebhookStore, 'getWebhook'>
  queue: Pick<Queue, 'enqueue'>
  webhooks: WebhookRing
}

export interface Deliver {
  /** Looks at the lane soon, if this process has room for it; else false, and somebody else must. */
  takeUp(lane: Lane): boolean
  /** Takes up what it can; the rest is looked at a second later, by whoever has room. */
  lookAt(lanes: readonly Lane[]): void
  /** Claims no more, and waits for the attempts under way; what is not done by then comes again when its hold ends. */
  stop(timeoutMs: number): Promise<void>
}

/** A lane that is being looked after. */
interface Served {
  lane: Lane
  /** Something came since the last claim was asked for. */
  lookAgain: boolean
  waker: Waker
  /** Of a replay's lane. */
  replay?: { readAtMs: number; record: ReplayRecord | undefined }
}

/**
 * Sends what is due in the lanes that it is told of. Each has a loop of its own that waits for slots, claims, and starts the attempts; so a lane whose
 * receiver is slow waits alone. A lane with nothing due is left: a job, a new delivery or the sweep brings it back.
 */
export function startDeliver(deps: DeliverDeps): Deliver {
  const { store, webhooks, httpOut, clock, log } = deps
  const slots = createSlots(clock)
  const wakes = createLaneWakes(deps)
  const attempts = createAttempts({ ...deps, slots, wakes, lookAt })
  const holdUs = (httpOut.longestMs + HOLD_MARGIN_MS) * 1000
  const served = new Map<string, Served>()
  const running = new Set<Promise<void>>()
  /** The revision of webhooks whose secrets cannot be opened: said once. */
  const damaged = new Map<string, number>()
  let stopped = false

  function takeUp(lane: Lane): boolean {
    if (stopped) return false
    const key = laneKeyOf(lane)
    const known = served.get(key)
    if (known !== undefined) {
      known.lookAgain = true
      known.waker.wake()
      return true
    }
    if (served.size >= MAX_LANES) return false
    const one: Served = { lane, lookAgain: true, waker: createWaker() }
    served.set(key, one)
    track(serve(one))
    return true
  }

  function lookAt(lanes: readonly Lane[]): void {
    for (const lane of lanes) {
      if (!takeUp(lane)) wakes.plan(lane, clock.nowUs() + SOON_MS * 1000)
    }
  }

  function track(work: Promise<void>): void {
    running.add(work)
    void work.finally(() => running.delete(work))
  }

  async function serve(one: Served): Promise<void> {
    const failureWait = createGrowingWait(100, 2000)
    while (!stopped) {
      let waitMs: number
      try {
        waitMs = await claimAndSend(one)
        failureWait.reset()
      } catch (error) {
        if (!(error instanceof StoreUnavailableError)) log.error({ err: error, webhookId: one.lane.webhookId }, 'deliveries failed')
        await sleep(failureWait.next())
        continue
      }
      if (one.lookAgain) continue
      if (waitMs === Number.POSITIVE_INFINITY) break
      await one.waker.sleep(Math.min(waitMs, SOON_MS))
    }
    // In the same turn as the last look at `lookAgain`: what comes behind it begins anew.
    served.delete(laneKeyOf(one.lane))
  }

  /** @returns how long to wait before the next look; infinite: whatever the lane has to do later is planned */
  async function claimAndSend(one: Served): Promise<number> {
    const { lane } = one
    const restsUntilUs = slots.restsUntilUs(lane.webhookId)
    if (restsUntilUs !== undefined) {
      one.lookAgain = false
      return waitUntil(lane, restsUntilUs)
    }
    const paces = await pacesOf(one)
    if (paces === undefined) {
      one.lookAgain = false
      return move({ webhookId: lane.webhookId, replayId: lane.replayId ?? undefined, to: 'cancelled' })
    }
    const taken = await slots.take(lane)
    if (taken === undefined) return Number.POSITIVE_INFINITY
    one.lookAgain = false
    const heldUntilUs = clock.nowUs() + holdUs
    let claim: Claim
    try {
      claim = await store.claimDeliveries({ ...lane, limit: taken.count, maxBytes: CLAIM_BYTES, heldUntilUs, paces })
    } catch (error) {
      taken.use(0, 0)
      throw error
    }
    const { deliveries, nextAtUs } = claim
    const places = taken.use(deliveries.length, bytesOf(deliveries))
    if (claim.webhook === null) return move({ webhookId: lane.webhookId, to: 'cancelled' })
    if (!claim.webhook.isActive) return move({ webhookId: lane.webhookId, to: 'held' })
    if (deliveries.length > 0) await send({ lane, health: claim.webhook, heldUntilUs }, claim.webhook.revision, deliveries, places)
    // Under a rate a hint brings nothing forward.
    else if (paces.length > 0) await sleep(FUTILE_MS)
    if (nextAtUs === null) return Number.POSITIVE_INFINITY
    // Places that come meanwhile wait a moment: one claim takes them together.
    if (nextAtUs > clock.nowUs()) return Math.max(waitUntil(lane, nextAtUs), paces.length > 0 ? FUTILE_MS : 0)
    return deliveries.length > 0 ? 0 : FUTILE_MS
  }

  /** What binds the claims of the lane; undefined: its replay was cancelled. */
  async function pacesOf(one: Served): Promise<ClaimQuery['paces'] | undefined> {
    const { webhookId, replayId } = one.lane
    const webhook = webhooks.find(webhookId) ?? (await store.getWebhook(webhookId))
    const rateLimit = webhook?.rateLimit ?? null
    const paces = rateLimit === null ? [] : [{ name: `webhook:${webhookId}`, perSecond: rateLimit }]
    if (replayId === null) return paces
    if (one.replay === undefined || performance.now() - one.replay.readAtMs > REPLAY_MS) {
      const readAtMs = performance.now()
      one.replay = { readAtMs, record: await store.getReplay(replayId) }
    }
    const { record } = one.replay
    // One that failed did so with its webhook: what is left of it is held while that is off, and the claim ends the rest.
    if (record === undefined || record.status === 'cancelled') return undefined
    return [...paces, { name: `replay:${replayId}`, perSecond: record.rate }]
  }

  /** Starts an attempt for each; where the webhook cannot be opened, they are put off until their hold ends. */
  async function send(claimed: Omit<Claimed, 'webhook'>, revision: number, deliveries: ClaimedDelivery[], places: AttemptSlot[]) {
    const { webhookId } = claimed.lane
    let webhook: OpenWebhook | undefined
    try {
      webhook = await open(webhookId, revision)
    } catch (error) {
      if (error instanceof StoreUnavailableError) return
      slots.rest(webhookId, claimed.heldUntilUs)
      if (damaged.get(webhookId) === revision) return
      if (damaged.size >= MAX_DAMAGED) damaged.clear()
      damaged.set(webhookId, revision)
      log.error({ err: error, webhookId }, 'the secrets of a webhook cannot be opened: its deliveries wait')
    } finally {
      if (webhook === undefined) for (const place of places) place.release(undefined)
    }
    // Gone meanwhile: the next claim says so.
    if (webhook === undefined) return
    for (const [index, delivery] of deliveries.entries()) {
      const place = places[index]
      if (place !== undefined) track(attempts.start({ ...claimed, webhook }, delivery, place))
    }
  }

  /** Tries for as long as what was claimed can still be sent within its hold: else it would wait until that has ended. */
  async function open(webhookId: string, revision: number): Promise<OpenWebhook | undefined> {
    const wait = createGrowingWait(50, 1000)
    const endMs = performance.now() + HOLD_MARGIN_MS / 2
    for (;;) {
      try {
        return await webhooks.open(webhookId, revision)
      } catch (error) {
        if (!(error instanceof StoreUnavailableError) || stopped || performance.now() > endMs) throw error
      }
      await sleep(wait.next())
    }
  }

  /** Ends what is pending of a webhook that gets nothing now, or of a replay that was cancelled. */
  async function move(what: Omit<Parameters<DeliveryStore['moveDeliveries']>[0], 'limit'>): Promise<number> {
    while (!stopped && (await store.moveDeliveries({ ...what, limit: MOVED }))) {
      // There is more.
    }
    return Number.POSITIVE_INFINITY
  }

  /** Waits here for what is soon, else plans to look again. */
  function waitUntil(lane: Lane, atUs: number): number {
    const waitMs = Math.ceil((atUs - clock.nowUs()) / 1000)
    if (waitMs <= SOON_MS) return waitMs
    const oldestUs = slots.oldestStartUs(lane.webhookId)
    // It may be no more than the end of a hold of our own; that will be recorded long before.
    if (oldestUs === undefined || atUs < oldestUs + holdUs - SOON_MS * 1000) wakes.plan(lane, atUs)
    return Number.POSITIVE_INFINITY
  }

  async function allDone(): Promise<void> {
    while (running.size > 0) await Promise.all(running)
  }

  return {
    takeUp,
    lookAt,
    async stop(timeoutMs) {
      stopped = true
      slots.stop()
      for (const { waker } of served.values()) waker.wake()
      const timeout = createWaker()
      void allDone().then(() => timeout.wake())
      await timeout.sleep(timeoutMs)
      attempts.abandon()
    },
  }
}

function bytesOf(deliveries: readonly ClaimedDelivery[]): number {
  return deliveries.reduce((sum, { event }) => sum + event.payload.length + event.metadata.length + EVENT_BYTES, 0)
}
