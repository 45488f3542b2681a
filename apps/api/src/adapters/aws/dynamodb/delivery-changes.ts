import { setTimeout as sleep } from 'node:timers/promises'
import type { Lane } from '../../../webhook-ports.ts'
import { BATCH_WRITES, chunksOf } from './client.ts'
import { jitter } from './connection.ts'
import type { DynamoContext } from './context.ts'
import { type DeliveryRow, deliveryKey, dueAttributes, duePlace, heldShard, laneOf, shardOfDelivery } from './delivery-item.ts'
import type { DynamoError } from './errors.ts'
import type { Item, Statement, StatementResult, Write } from './notation.ts'
import { completeReplay, type ReplayEnds, replayCountWrite } from './replay-counts.ts'
import { shareCalls } from './shared-calls.ts'

/** A change of one row; it is made if the row is still as it was read. */
export interface RowChange {
  row: DeliveryRow
  set: Record<string, unknown>
  remove: readonly string[]
  /** How it ends: its replay counts it. */
  end?: keyof ReplayEnds | undefined
}

/** `changed`: the row is no longer as it was read, and was left alone. */
export type ChangeResult = 'done' | 'changed' | DynamoError

const OUT_OF_LANE = ['lane', 'due', 'claimId']

/** @param claimId tells this claim from another whose hold ends in the same microsecond */
export function claimed(row: DeliveryRow, heldUntilUs: number, claimId: string): RowChange {
  return { row, set: { ...dueAt(row, laneOf(row), heldUntilUs), isHeld: true, claimId }, remove: [] }
}

/** Tried again then. */
export function waiting(row: DeliveryRow, dueAtUs: number): RowChange {
  return { row, set: { ...dueAt(row, laneOf(row), dueAtUs), isHeld: false }, remove: ['claimId'] }
}

export function ended(row: DeliveryRow, end: keyof ReplayEnds, nowUs: number): RowChange {
  return { row, set: { status: end, isHeld: false, completedAtUs: Math.max(row.createdAtUs, nowUs) }, remove: OUT_OF_LANE, end }
}

/** It is open still, so nobody counts it. */
export function heldBack(row: DeliveryRow): RowChange {
  const lane = heldShard(row.webhookId, shardOfDelivery(row.deliveryId))
  return { row, set: { status: 'held', isHeld: false, lane, due: duePlace(row.dueAtUs, row.deliveryId) }, remove: ['claimId'] }
}

/** In the live lane, its schedule begun anew. A replay that had it open does without it from now on. */
export function retried(row: DeliveryRow, dueAtUs: number): RowChange {
  const schedule = { status: 'pending', isHeld: false, scheduleStart: row.attemptCount }
  return {
    row,
    set: { ...schedule, ...dueAt(row, { webhookId: row.webhookId, replayId: null }, dueAtUs) },
    remove: ['laneReplayId', 'completedAtUs'],
    end: row.status === 'held' ? 'cancelled' : undefined,
  }
}

const dueAt = ({ deliveryId }: DeliveryRow, lane: Lane, dueAtUs: number) => ({ ...dueAttributes(deliveryId, lane, dueAtUs), dueAtUs })

/** The replay that counts the change; undefined: none does. */
export function counterOf({ row, end }: RowChange): string | undefined {
  return end === undefined ? undefined : (row.laneReplayId ?? undefined)
}

/** That the row is as it was read: what each change of it changes. */
function stateOf(row: DeliveryRow): { equal: Record<string, unknown>; missing: string[] } {
  // It has this place in this lane while it is pending alone, and leaves it by every change.
  if (row.status === 'pending') return { equal: dueAttributes(row.deliveryId, laneOf(row), row.dueAtUs), missing: [] }
  const { status, attemptCount, laneReplayId } = row
  if (laneReplayId === null) return { equal: { status, attemptCount }, missing: ['laneReplayId'] }
  return { equal: { status, attemptCount, laneReplayId }, missing: [] }
}

/** The change as part of a transaction. */
export function writeOf({ row, set, remove }: RowChange): Write {
  const { equal, missing } = stateOf(row)
  const names: Record<string, string> = {}
  const values: Record<string, unknown> = {}
  const nameOf = (attribute: string): string => {
    names[attribute] = attribute
    return `#${attribute}`
  }
  const assignments = Object.entries(set).map(([attribute, value]) => {
    values[attribute] = value
    return `${nameOf(attribute)} = :${attribute}`
  })
  const conditions = Object.entries(equal).map(([attribute, value]) => {
    values[`${attribute}_was`] = value
    return `${nameOf(attribute)} = :${attribute}_was`
  })
  conditions.push(...missing.map((attribute) => `attribute_not_exists(${nameOf(attribute)})`))
  const removals = remove.length === 0 ? '' : ` REMOVE ${remove.map(nameOf).join(', ')}`
  return {
    table: 'deliveries',
    key: deliveryKey(row.deliveryId),
    update: `SET ${assignments.join(', ')}${removals}`,
    condition: conditions.join(' AND '),
    names,
    values,
  }
}

function statementOf({ row, set, remove }: RowChange): Statement {
  const { equal, missing } = stateOf(row)
  const { pk, sk } = deliveryKey(row.deliveryId)
  const sets = Object.keys(set).map((name) => `SET "${name}" = ?`)
  const removals = remove.map((name) => `REMOVE "${name}"`)
  const where = [...Object.keys({ pk, sk, ...equal }).map((name) => `"${name}" = ?`), ...missing.map((name) => `"${name}" IS MISSING`)]
  return {
    table: 'deliveries',
    text: `UPDATE $table ${[...sets, ...removals].join(' ')} WHERE ${where.join(' AND ')}`,
    parameters: [...Object.values(set), pk, sk, ...Object.values(equal)],
  }
}

/** Rows of a replay that end in one transaction, with its count. */
export const COUNTED_TOGETHER = 24

/**
 * Changes rows together with other writes. Rows that are not as they were read are left out.
 * @param also made for those that are left
 * @returns those that were changed; undefined when one of the other writes was refused: then nothing was written
 */
export async function changeTogether(
  { dynamo }: DynamoContext,
  changes: readonly RowChange[],
  also: (changes: readonly RowChange[]) => readonly Write[],
): Promise<readonly RowChange[] | undefined> {
  for (let left = changes; ; ) {
    if (left.length === 0) return left
    const refusals = await dynamo.transact([...left.map(writeOf), ...also(left)])
    if (refusals === undefined) return left
    const still = left.filter((_, index) => refusals[index]?.isRefused !== true)
    if (still.length === left.length) return undefined
    left = still
  }
}

/**
 * Changes rows, each on its own, but for what a replay counts: that goes with its count.
 * @returns for each change what came of it
 */
export async function changeRows(context: DynamoContext, changes: readonly RowChange[]): Promise<ChangeResult[]> {
  const results = new Map<RowChange, ChangeResult>()
  const alone = changes.filter((change) => counterOf(change) === undefined)
  for (const [index, result] of (await changeAlone(alone, (some) => execute(context, some))).entries()) {
    const change = alone[index]
    if (change !== undefined) results.set(change, result)
  }
  for (const [replayId, group] of Map.groupBy(changes, counterOf)) {
    if (replayId === undefined) continue
    for (const chunk of chunksOf(group, COUNTED_TOGETHER)) {
      const done = await changeTogether(context, chunk, (left) => [countWrite(replayId, left)])
      for (const change of done ?? []) results.set(change, 'done')
    }
    await completeReplay(context, replayId)
  }
  return changes.map((change) => results.get(change) ?? 'changed')
}

/** @throws DynamoError when one of the changes failed */
export async function changeRowsOrFail(context: DynamoContext, changes: readonly RowChange[]): Promise<boolean[]> {
  return (await changeRows(context, changes)).map((result) => {
    if (result !== 'done' && result !== 'changed') throw result
    return result === 'done'
  })
}

/** Calls for rows of many askers that are under way at once. */
const SHARED_AT_ONCE = 2
const FULL_AT_ONCE = 8

/**
 * Changes rows that no replay counts, in requests that all share who ask at once. One that is throttled waits alone: the others have their answers, and its
 * next try is in another request.
 */
export function sharedChanges(context: DynamoContext): (change: RowChange) => Promise<ChangeResult> {
  const sharing = { most: BATCH_WRITES, atOnce: SHARED_AT_ONCE, fullAtOnce: FULL_AT_ONCE, keyOf: ({ row }: RowChange) => row.deliveryId }
  const executeOne = shareCalls(sharing, (changes: readonly RowChange[]) => execute(context, changes))
  return async (change) => {
    const [result = 'changed'] = await changeAlone([change], (some) => Promise.all(some.map(executeOne)))
    return result
  }
}

const execute = ({ dynamo }: DynamoContext, changes: readonly RowChange[]): Promise<StatementResult[]> =>
  dynamo.execute(changes.map(statementOf))

/** How long what failed is tried again. */
const TRY_AGAIN_MS = 4000

async function changeAlone(
  changes: readonly RowChange[],
  run: (changes: readonly RowChange[]) => Promise<StatementResult[]>,
): Promise<ChangeResult[]> {
  const results = changes.map((): ChangeResult => 'changed')
  let left = changes.map((change, index) => ({ change, index, isUncertain: false }))
  const endMs = performance.now() + TRY_AGAIN_MS
  for (let tries = 1; left.length > 0; tries++) {
    const answers = await run(left.map(({ change }) => change))
    for (const [n, one] of left.entries()) results[one.index] = resultOf(one, answers[n])
    left = left.flatMap(({ change, index, isUncertain }) => {
      const result = results[index]
      if (result === 'done' || result === 'changed' || result === undefined) return []
      return [{ change, index, isUncertain: isUncertain || result.isUncertain }]
    })
    if (performance.now() > endMs) break
    if (left.length > 0) await sleep(jitter(tries))
  }
  return results
}

/** @param isUncertain whether an earlier try may have been carried out: then the change may have met itself */
function resultOf({ change, isUncertain }: { change: RowChange; isUncertain: boolean }, answer: StatementResult | undefined): ChangeResult {
  if (answer === undefined || answer.outcome === 'done') return 'done'
  if (answer.outcome === 'failed') return answer.error
  return isUncertain && answer.old !== undefined && isMade(change, answer.old) ? 'done' : 'changed'
}

function isMade({ set, remove }: RowChange, item: Item): boolean {
  return Object.entries(set).every(([name, value]) => item[name] === value) && remove.every((name) => item[name] === undefined)
}

/** What the ends of these are to the replay that has them in its lane. */
export function countWrite(replayId: string, changes: readonly RowChange[]): Write {
  const counts: ReplayEnds = {}
  for (const { end } of changes) if (end !== undefined) counts[end] = (counts[end] ?? 0) + 1
  return replayCountWrite(replayId, counts)
}
