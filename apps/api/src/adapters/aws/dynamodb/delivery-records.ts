import type { AttemptRecord, DeliveryRecord } from '../../../webhook-ports.ts'
import type { DynamoContext } from './context.ts'
import { attemptsOf, type DeliveryRow } from './delivery-item.ts'
import { isUnderWay } from './due-places.ts'
import { eventKey, isAlive } from './event-item.ts'
import { timeOf } from './ids.ts'

/** Whether it has neither been delivered nor given up. */
export const isOpen = ({ status }: Pick<DeliveryRow, 'status'>): boolean => status === 'pending' || status === 'held'

/**
 * Which of the deliveries, of one workspace, are open without their event: it has expired, or was deleted while they were made.
 * @returns their ids
 */
export async function orphansOf(context: DynamoContext, workspaceId: string, rows: readonly DeliveryRow[]): Promise<Set<string>> {
  const inQuestion = rows.filter((row) => isOpen(row) && row.ownEvent === null)
  if (inQuestion.length === 0) return new Set()
  const wanted = [...new Set(inQuestion.map(({ eventId }) => eventId))].filter((eventId) => isAlive(context, eventId))
  const workspace = wanted.length === 0 ? undefined : await context.workspaces.find(workspaceId)
  const found =
    workspace === undefined
      ? []
      : await context.dynamo.batchGet(
          'events',
          wanted.map((eventId) => eventKey(workspace, eventId)),
          [],
        )
  const there = new Set(found.map(({ sk }) => sk))
  return new Set(inQuestion.filter(({ eventId }) => !there.has(eventId)).map(({ deliveryId }) => deliveryId))
}

/** @param isOrphan whether it is open without its event: it is cancelled then, whether somebody has written so or not */
export function deliveryRecordOf(context: DynamoContext, row: DeliveryRow, isOrphan: boolean, attempts = attemptsOf(row)): DeliveryRecord {
  const { deliveryId, webhookId, eventId, eventType, attemptCount, createdAtUs, replayId } = row
  const status = isOrphan ? 'cancelled' : row.status
  const isWaiting = status === 'pending' && !isUnderWay(row, context.clock.nowUs())
  return {
    deliveryId,
    webhookId,
    eventId,
    eventType,
    status,
    attemptCount,
    nextAttemptAtUs: isWaiting ? row.dueAtUs : null,
    createdAtUs,
    completedAtUs: isOrphan ? orphanedUs(context, row) : row.completedAtUs,
    replayId,
    attempts,
  }
}

/** When its event expired; one that was deleted was gone before the delivery was made, or its end would be written. */
function orphanedUs({ clock, eventTtlUs }: DynamoContext, { createdAtUs, eventId }: DeliveryRow): number {
  const expiryUs = (timeOf(eventId) ?? 0) + eventTtlUs
  return expiryUs <= clock.nowUs() ? Math.max(createdAtUs, expiryUs) : createdAtUs
}

/** A delivery's JSON beside its attempts: names, ids, times, and a type of at most 200 bytes. */
const DELIVERY_OVERHEAD_BYTES = 800

/** About what the delivery weighs as JSON. */
export function deliveryBytes(attempts: readonly AttemptRecord[]): number {
  return attempts.reduce((sum, attempt) => sum + Buffer.byteLength(JSON.stringify(attempt)), DELIVERY_OVERHEAD_BYTES)
}
