import type { NewReplay, ReplayRecord, ReplayStatus } from '../../../webhook-ports.ts'
import { compressed, textOf } from './compressed.ts'
import type { DynamoContext } from './context.ts'
import type { Item, Key } from './notation.ts'
import { replayKey } from './replay-counts.ts'

/** A replay's item, beside its keys. */
export type ReplayAttributes = {
  webhookId: string
  /** A `NewReplay` as JSON. */
  record: string | Uint8Array
  status: ReplayStatus
  matched: number
  enqueued: number
  delivered: number
  dead: number
  cancelled: number
  /** What is left of `enqueued`: conditions cannot subtract. */
  open: number
  /** Absent: the walk has not begun. */
  position?: string
  isWalked: boolean
  createdAtUs: number
  completedAtUs?: number
  /** When deliveries were last made. */
  madeAtUs?: number
  /** While a step is under way in several transactions: whose it is, until when nobody else may take it over, and where its deliveries' ids begin. */
  stepToken?: string
  stepEndsUs?: number
  stepFromUs?: number
}

export function newReplayItem(replay: NewReplay, createdAtUs: number): Key & ReplayAttributes {
  const attributes: ReplayAttributes = {
    webhookId: replay.webhookId,
    record: compressed(JSON.stringify(replay)),
    status: 'running',
    matched: 0,
    enqueued: 0,
    delivered: 0,
    dead: 0,
    cancelled: 0,
    open: 0,
    isWalked: false,
    createdAtUs,
  }
  return { ...replayKey(replay.replayId), ...attributes }
}

/** @param item of a replay @returns its attributes; undefined for one that was only counted in, long after it was forgotten */
export function replayAttributes(item: Item | undefined): ReplayAttributes | undefined {
  // `newReplayItem` wrote it.
  return item?.['record'] === undefined ? undefined : (item as Item & ReplayAttributes)
}

/** The replay as it reads now. What is open of it is cancelled when its deliveries' events have all expired, though nothing is written by that. */
export function replayOf(attributes: ReplayAttributes, { clock, eventTtlUs }: Pick<DynamoContext, 'clock' | 'eventTtlUs'>): ReplayRecord {
  const { record, status, matched, enqueued, delivered, dead, isWalked, createdAtUs, madeAtUs } = attributes
  const replay: NewReplay = JSON.parse(textOf(record))
  const lastEndUs = madeAtUs === undefined ? undefined : madeAtUs + eventTtlUs
  const isExpired = lastEndUs !== undefined && lastEndUs <= clock.nowUs()
  const isCompleted = isExpired && isWalked && status === 'running'
  return {
    ...replay,
    status: isCompleted ? 'completed' : status,
    matched,
    enqueued,
    delivered,
    dead,
    cancelled: isExpired ? enqueued - delivered - dead : attributes.cancelled,
    position: attributes.position ?? null,
    isWalked,
    createdAtUs,
    completedAtUs: isCompleted ? lastEndUs : (attributes.completedAtUs ?? null),
  }
}
