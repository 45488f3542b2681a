import { type NewEvent, StoreUnavailableError } from '../../../ports.ts'
import { newUuid } from '../../../uuid.ts'
import { BATCH_WRITES, chunksOf } from './client.ts'
import type { DynamoContext } from './context.ts'
import { DynamoError } from './errors.ts'
import { type EventItems, eventItems, itemBytes } from './event-item.ts'
import type { Item } from './notation.ts'
import type { Undo } from './undo-writes.ts'
import type { Workspace } from './workspaces.ts'

/** DynamoDB takes 16 MB in a call, counted in its own notation, which is longer. */
export const BATCH_BYTES = 11e6

/** An event that has its time, and from then on must be written within the window. */
export interface TimedEvent {
  workspace: Workspace
  event: NewEvent
  us: number
  /** When it got its time, by a clock that nobody sets. */
  sinceMs: number
}

/** What became of it. `failed`: it is not stored, or is being taken back. */
export type Written = { outcome: 'created'; eventId: string; createdAtUs: number } | { outcome: 'failed'; error: unknown }

/** Of what a list of results is shorter than what was asked: a fault of ours. */
export const NO_RESULT: Written = { outcome: 'failed', error: new Error('A write has no result.') }

export interface EventWriteDeps {
  context: DynamoContext
  undo: Undo
}

/** How long an event may take from its time to its write: lists show what is older than twice that. */
const windowMs = ({ settleUs }: DynamoContext): number => settleUs / 2000

/** What is left of its window. */
export const timeLeftMs = (context: DynamoContext, { sinceMs }: TimedEvent): number =>
  Math.max(1, windowMs(context) - (performance.now() - sinceMs))

/** Why an event that is written by now must not stay: a list may have passed its place. Undefined when it may. */
export function lateness(context: DynamoContext, { us, sinceMs }: TimedEvent): StoreUnavailableError | undefined {
  const isLate = performance.now() - sinceMs > windowMs(context) || context.clock.nowUs() > us + context.settleUs / 2
  if (isLate) return new StoreUnavailableError('DynamoDB: an event was not written within half of INBOX_SETTLE_MS.')
  const problem = context.guard?.problem()
  return problem === undefined ? undefined : new StoreUnavailableError(problem)
}

/** @throws StoreUnavailableError when no event should be given a time now */
export function checkWritable({ context, undo }: EventWriteDeps): void {
  const problem = context.guard?.problem()
  if (problem !== undefined) throw new StoreUnavailableError(problem)
  undo.check()
}

/** Events as items, with those of them that have parts aside. */
interface Prepared extends EventItems {
  timed: TimedEvent
}

/** Writes events that have no idempotency key, each on its own: one that fails leaves the others. One result each, in order. */
export async function writeEvents(deps: EventWriteDeps, events: readonly TimedEvent[]): Promise<Written[]> {
  const results = new Map<TimedEvent, Written>()
  const prepared = events.flatMap((timed) => {
    try {
      return [{ ...eventItems(timed.workspace, timed.event, newUuid(timed.us), deps.context), timed }]
    } catch (error) {
      results.set(timed, { outcome: 'failed', error })
      return []
    }
  })
  const write = async (batch: readonly Prepared[]) => {
    const written = await writeBatch(deps, batch)
    for (const [index, { timed }] of batch.entries()) results.set(timed, written[index] ?? NO_RESULT)
  }
  const [large, small] = [prepared.filter(({ parts }) => parts.length > 0), prepared.filter(({ parts }) => parts.length === 0)]
  await Promise.all([
    ...batchesOf(small).map(write),
    ...large.map(async (one) => {
      const error = await writeParts(deps, one.parts, one.timed)
      if (error === undefined) await write([one])
      else results.set(one.timed, { outcome: 'failed', error })
    }),
  ])
  return events.map((timed) => results.get(timed) ?? NO_RESULT)
}

function batchesOf(prepared: readonly Prepared[]): Prepared[][] {
  const batches: Prepared[][] = []
  let bytes = 0
  for (const one of prepared) {
    const own = itemBytes(one.item)
    const last = batches.at(-1)
    bytes += own
    if (last !== undefined && last.length < BATCH_WRITES && bytes <= BATCH_BYTES) {
      last.push(one)
    } else {
      batches.push([one])
      bytes = own
    }
  }
  return batches
}

async function writeBatch(deps: EventWriteDeps, batch: readonly Prepared[]): Promise<Written[]> {
  const [first] = batch
  if (first === undefined) return []
  const { context, undo } = deps
  let isUncertain = false
  let areDone: readonly boolean[] = []
  let failure: unknown = new StoreUnavailableError('DynamoDB: too many requests (unprocessed items).')
  try {
    areDone = await context.dynamo.batchWrite(
      'events',
      batch.map(({ item }) => ({ put: item })),
      {
        timeoutMs: timeLeftMs(context, first.timed),
        onUncertain: () => {
          isUncertain = true
        },
      },
    )
  } catch (error) {
    // One that DynamoDB never takes must not take its neighbours down.
    if (batch.length > 1 && isRefused(error)) return (await Promise.all(batch.map((one) => writeBatch(deps, [one])))).flat()
    failure = error
  }
  return batch.map(({ item, parts, timed }, index) => {
    const isDone = areDone[index] === true
    const late = lateness(context, timed)
    if (isDone && late === undefined) return { outcome: 'created', eventId: item.sk, createdAtUs: timed.us }
    if (isDone || isUncertain || parts.length > 0) undo.remove([item, ...parts], isUncertain)
    return { outcome: 'failed', error: isDone ? late : failure }
  })
}

/** Writes what an event refers to, before it. @returns why it could not; then nothing of it stays */
export async function writeParts({ context, undo }: EventWriteDeps, parts: readonly Item[], timed: TimedEvent): Promise<unknown> {
  const options = { timeoutMs: timeLeftMs(context, timed) }
  const writes = chunksOf(
    parts.map((put) => ({ put })),
    BATCH_WRITES,
  ).map((chunk) => context.dynamo.batchWrite('events', chunk, options))
  try {
    const done = await Promise.all(writes)
    if (!done.flat().includes(false)) return undefined
    throw new StoreUnavailableError('DynamoDB: too many requests (unprocessed items).')
  } catch (error) {
    await Promise.allSettled(writes)
    undo.remove(parts, true)
    return error
  }
}

/** Nothing was done, and never will be. */
const isRefused = (error: unknown): boolean => !(error instanceof DynamoError) || error.reason === 'ValidationException'
