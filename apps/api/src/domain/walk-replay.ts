import type { Clock, EventRecord, EventStore } from '../ports.ts'
import type { DeliveryStore, ReplayRecord, ReplayStore, StoredWebhook, WebhookStore } from '../webhook-ports.ts'
import { matchingEvents } from './replay-matches.ts'

/** Events looked at in one page, and in one step. */
const PAGE = 500
const STEP_EVENTS = 5000
/** How far ahead of the sending deliveries are made. */
const AHEAD_SECONDS = 2
const LEAST_AHEAD = 20
const WAIT_MS = 1000

export interface WalkDeps {
  store: ReplayStore & Pick<WebhookStore, 'getWebhook'> & Pick<EventStore, 'listEvents'> & Pick<DeliveryStore, 'deliveryStatuses'>
  clock: Clock
}

export interface ReplayStep {
  replay: ReplayRecord
  /** Deliveries made. */
  made: number
  /** In how many milliseconds the next step is due; undefined: this walk is over, or another worker does it. */
  nextMs: number | undefined
}

/**
 * Where the walk has come to: first all matches are counted, then their deliveries are made. `after` is a position in the list of events. No step leaves it
 * as it was: that is how of two workers at the same step one fails.
 */
type Position = { phase: 'count' | 'send' | 'walked'; after: string | null }

/**
 * One step of a replay: counts some of its events, or makes some of its deliveries: few, so that a replay that is cancelled leaves little behind, and
 * what the receiver gets from it follows its rate.
 * @returns undefined when it does not run
 * @throws StoreUnavailableError
 */
export async function walkReplay(deps: WalkDeps, replayId: string): Promise<ReplayStep | undefined> {
  const { store } = deps
  const replay = await store.getReplay(replayId)
  if (replay === undefined || replay.status !== 'running') return undefined
  const webhook = await store.getWebhook(replay.webhookId)
  if (webhook === undefined || !webhook.isActive) {
    await store.endReplay(replayId, 'failed', null)
    return undefined
  }
  // The store completes it with its last delivery.
  if (replay.isWalked) return { replay, made: 0, nextMs: undefined }
  const position = positionOf(replay)
  return position.phase === 'count' ? count(deps, replay, webhook, position) : send(deps, replay, webhook, position)
}

async function count({ store }: WalkDeps, replay: ReplayRecord, webhook: StoredWebhook, { after }: Position): Promise<ReplayStep> {
  const found = await findMatches(store, replay, webhook, after, STEP_EVENTS)
  const to: Position = found.next === null ? { phase: 'send', after: null } : { phase: 'count', after: found.next }
  return advance(store, replay, to, { matched: found.events.length })
}

async function send({ store, clock }: WalkDeps, replay: ReplayRecord, webhook: StoredWebhook, { after }: Position): Promise<ReplayStep> {
  const open = replay.enqueued - replay.delivered - replay.dead - replay.cancelled
  const room = Math.max(LEAST_AHEAD, replay.rate * AHEAD_SECONDS) - open
  if (room <= 0) return { replay, made: 0, nextMs: WAIT_MS }
  const found = await findMatches(store, replay, webhook, after, room)
  const dueAtUs = clock.nowUs()
  const deliveries = found.events.map(({ eventId, eventType }) => ({
    webhookId: replay.webhookId,
    eventId,
    eventType,
    dueAtUs,
    replayId: replay.replayId,
    ownEvent: null,
  }))
  const isWalked = found.next === null
  return advance(store, replay, { phase: isWalked ? 'walked' : 'send', after: found.next }, { deliveries, isWalked })
}

/** Matching events from there on, at most `most`; `next` is where the walk goes on, null at its end. */
async function findMatches(
  store: WalkDeps['store'],
  replay: ReplayRecord,
  webhook: StoredWebhook,
  from: string | null,
  most: number,
): Promise<{ events: EventRecord[]; next: string | null }> {
  const events: EventRecord[] = []
  let next = from
  for (let looked = 0; looked < STEP_EVENTS && events.length < most; ) {
    const limit = Math.min(PAGE, most - events.length)
    const page = await matchingEvents({ store }, replay, webhook, next ?? undefined, limit)
    events.push(...page.events)
    next = page.next
    if (next === null) break
    looked += limit
  }
  return { events, next }
}

async function advance(
  store: WalkDeps['store'],
  replay: ReplayRecord,
  to: Position,
  step: Partial<Pick<Parameters<ReplayStore['advanceReplay']>[0], 'matched' | 'deliveries' | 'isWalked'>>,
): Promise<ReplayStep> {
  const { matched = 0, deliveries = [], isWalked = false } = step
  const advanced = await store.advanceReplay({
    replayId: replay.replayId,
    from: replay.position,
    to: JSON.stringify(to),
    matched,
    deliveries,
    isWalked,
  })
  if (advanced === undefined) return { replay, made: 0, nextMs: undefined }
  if (isWalked) return { replay: advanced, made: deliveries.length, nextMs: undefined }
  return { replay: advanced, made: deliveries.length, nextMs: deliveries.length > 0 ? WAIT_MS : 0 }
}

function positionOf({ position }: Pick<ReplayRecord, 'position'>): Position {
  // It was written here; the store only keeps it.
  return position === null ? { phase: 'count', after: null } : (JSON.parse(position) as Position)
}

/** Whether it is a position that a replay can have. @param isPlace whether it is a position in a list of events */
export function isReplayPosition(text: string, isPlace: (after: string) => boolean): boolean {
  try {
    const { phase, after }: Partial<Record<string, unknown>> = JSON.parse(text)
    return ['count', 'send', 'walked'].some((known) => known === phase) && (after === null || (typeof after === 'string' && isPlace(after)))
  } catch {
    return false
  }
}

/** The same position in another store. @param move gives for a position in this one's list of events that in the other's */
export async function movedPosition(position: string | null, move: (after: string) => Promise<string>): Promise<string | null> {
  if (position === null) return null
  const { phase, after } = positionOf({ position })
  const moved: Position = { phase, after: after === null ? null : await move(after) }
  return JSON.stringify(moved)
}
