import type { EventRecord } from '../../../ports.ts'
import type { AttemptRecord, DeliveryStatus, Lane } from '../../../webhook-ports.ts'
import { type Compressed, compressed, textOf } from './compressed.ts'
import { spreadOf, timeOf } from './ids.ts'
import type { Item, Key } from './notation.ts'

/** Over how many partitions of its indexes a webhook's deliveries are spread. */
export const DELIVERY_SHARDS = 4

/** A delivery as it is stored. */
export interface DeliveryRow {
  deliveryId: string
  webhookId: string
  workspaceId: string
  eventId: string
  eventType: string
  status: DeliveryStatus
  /** While it is under way: when its hold ends. */
  dueAtUs: number
  /** Whether somebody claimed it, and has not recorded what came of it. */
  isHeld: boolean
  attemptCount: number
  scheduleStart: number
  replayId: string | null
  /** The replay whose lane it is in, and that counts it; null for a live one, and for one that was retried by hand. */
  laneReplayId: string | null
  createdAtUs: number
  completedAtUs: number | null
  /** The event itself where it is in no list. */
  ownEvent: EventRecord | null
  /** JSON; `attemptsOf` reads it. */
  attempts: Compressed | undefined
  expiresAtUs: number
}

export const deliveryKey = (deliveryId: string): Key => ({ pk: deliveryId, sk: '-' })

/** Its partition in the index of its webhook. */
export const webhookShard = (webhookId: string, shard: number): string => `${webhookId}#${shard}`

/** Its partition in the index of what is due. */
export const laneShard = ({ webhookId, replayId }: Lane, shard: number): string => `${webhookId}#${replayId ?? ''}#${shard}`

/** Where held ones are in the same index: in no lane, but found by their webhook. */
export const heldShard = (webhookId: string, shard: number): string => `held#${webhookId}#${shard}`

/** Its place among what is due in its lane: by time, then by id. */
export const duePlace = (dueAtUs: number, deliveryId: string): string => `${dueText(dueAtUs)}#${deliveryId}`

/** Before every place of that time. As texts, they sort like the times. */
export function dueText(us: number): string {
  return String(Math.min(Math.max(Math.trunc(us), 0), Number.MAX_SAFE_INTEGER)).padStart(16, '0')
}

/** When what has that place is due. */
export const dueTimeOf = (place: string): number => Number(place.slice(0, 16))

/** What puts it among what is due: the attributes of the sparse index. */
export function dueAttributes(deliveryId: string, lane: Lane, dueAtUs: number): { lane: string; due: string } {
  return { lane: laneShard(lane, shardOfDelivery(deliveryId)), due: duePlace(dueAtUs, deliveryId) }
}

export const shardOfDelivery = (deliveryId: string): number => spreadOf(deliveryId) % DELIVERY_SHARDS

/** A new one, pending. */
export function newDeliveryItem(
  row: Pick<DeliveryRow, 'deliveryId' | 'webhookId' | 'workspaceId' | 'eventId' | 'eventType' | 'dueAtUs' | 'replayId' | 'ownEvent'> & {
    expiresAtUs: number
    ttl: number
  },
): Item {
  const { deliveryId, webhookId, workspaceId, eventId, eventType, dueAtUs, replayId, ownEvent, expiresAtUs, ttl } = row
  return {
    ...deliveryKey(deliveryId),
    webhook: webhookShard(webhookId, shardOfDelivery(deliveryId)),
    event: eventId,
    ...dueAttributes(deliveryId, { webhookId, replayId }, dueAtUs),
    status: 'pending' satisfies DeliveryStatus,
    webhookId,
    workspaceId,
    eventType,
    dueAtUs,
    isHeld: false,
    attemptCount: 0,
    scheduleStart: 0,
    ...(replayId !== null && { replayId, laneReplayId: replayId }),
    ...(ownEvent !== null && { ownEvent: compressed(JSON.stringify(ownEvent)) }),
    expiresAtUs,
    ttl,
  }
}

/** @param item as the table has it, whole */
export function deliveryRowOf(item: Item): DeliveryRow {
  return {
    deliveryId: item.pk,
    webhookId: item['webhookId'],
    workspaceId: item['workspaceId'],
    eventId: item['event'],
    eventType: item['eventType'],
    status: item['status'],
    dueAtUs: item['dueAtUs'],
    isHeld: item['isHeld'],
    attemptCount: item['attemptCount'],
    scheduleStart: item['scheduleStart'],
    replayId: item['replayId'] ?? null,
    laneReplayId: item['laneReplayId'] ?? null,
    createdAtUs: timeOf(item.pk) ?? 0,
    completedAtUs: item['completedAtUs'] ?? null,
    ownEvent: item['ownEvent'] === undefined ? null : JSON.parse(textOf(item['ownEvent'])),
    attempts: item['attempts'],
    expiresAtUs: item['expiresAtUs'],
  }
}

/** The lane that it is in while it is pending. */
export const laneOf = ({ webhookId, laneReplayId }: Pick<DeliveryRow, 'webhookId' | 'laneReplayId'>): Lane => ({
  webhookId,
  replayId: laneReplayId,
})

/** Oldest first. */
export function attemptsOf({ attempts }: Pick<DeliveryRow, 'attempts'>): AttemptRecord[] {
  return attempts === undefined ? [] : JSON.parse(textOf(attempts))
}

/** Retries by hand have no end; of what came of them the newest are kept. */
const MAX_ATTEMPTS_KEPT = 100
/** The rest of an item of at most 400 kB is for an event of our own, and small things. */
const ATTEMPTS_BYTES = 300_000

/**
 * The attempts with one more, as they are stored: so many that they fit an item. Where the bodies of answers are long and cannot be compressed, the
 * oldest attempts lose theirs, and say that these were cut.
 */
export function withAttempt(row: Pick<DeliveryRow, 'attempts'>, attempt: AttemptRecord): Compressed {
  const kept = [...attemptsOf(row), attempt].slice(-MAX_ATTEMPTS_KEPT)
  for (let bare = 0; ; bare = bare * 2 + 1) {
    const stored = compressed(JSON.stringify(kept.map((one, index) => (index < bare ? withoutBody(one) : one))))
    if (bytesOf(stored) <= ATTEMPTS_BYTES || bare >= kept.length) return stored
  }
}

const withoutBody = (attempt: AttemptRecord): AttemptRecord =>
  attempt.responseBody === '' ? attempt : { ...attempt, responseBody: '', responseTruncated: true }

const bytesOf = (stored: Compressed): number => (typeof stored === 'string' ? Buffer.byteLength(stored) : stored.length)

/** Gone for every reader: the engine removes it some time later. */
export const isForgotten = ({ expiresAtUs }: Pick<DeliveryRow, 'expiresAtUs'>, nowUs: number): boolean => expiresAtUs < nowUs
