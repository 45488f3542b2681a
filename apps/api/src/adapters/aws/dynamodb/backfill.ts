import { setTimeout as sleep } from 'node:timers/promises'
import type { Clock, EventRecord } from '../../../ports.ts'
import { isThrottled } from '../errors.ts'
import type { Dynamo } from './client.ts'
import { jitter } from './connection.ts'
import { eventRecordOf, indexAttributes, partKeys } from './event-item.ts'
import { lowestId, timeOf } from './ids.ts'
import type { Item, Statement } from './notation.ts'
import type { Fill } from './schema.ts'
import { createWorkspaces, partitionOf, shardCount, type Workspace } from './workspaces.ts'

/** Events of a page: as many are read and written before the progress is saved. */
const PAGE = 100
/** An event whose id is so much younger than the start comes from a server that was running by then, whatever its clock. */
const LATE_US = 10_000_000
/** How long events may refuse to be written, by throttling or a DynamoDB in trouble, before it ends; then it is to be run again. */
const PATIENCE_MS = 60_000

export interface FillOptions {
  clock: Clock
  /** Every field that servers write the attributes of. */
  fields: readonly string[]
  /** So that servers on the same partitions are not throttled: a partition takes 1,000 units a second. */
  writesPerSecond: number
  /** After each page. @throws to end it */
  save(fill: Fill): Promise<void>
}

/**
 * Gives events the attributes of indexes that were made after them: by workspaces, shards and ids, from where `fill` is. Servers may write
 * meanwhile, with the same fields.
 * @returns how it ended
 */
export async function fillEvents(dynamo: Dynamo, fill: Fill, options: FillOptions): Promise<Fill> {
  const workspaces = createWorkspaces(dynamo, options.clock, 1)
  let at = fill
  for (;;) {
    const { workspaceIds } = await workspaces.list({ limit: PAGE, ...(at.workspaceId !== '' && { after: at.workspaceId }) })
    if (workspaceIds.length === 0) return at
    for (const workspaceId of workspaceIds) {
      const workspace = await workspaces.find(workspaceId)
      if (workspace !== undefined) at = await fillWorkspace(dynamo, workspace, at, options)
      at = { ...at, workspaceId, shard: 0, eventId: '' }
    }
    await options.save(at)
  }
}

async function fillWorkspace(dynamo: Dynamo, workspace: Workspace, from: Fill, options: FillOptions): Promise<Fill> {
  let at = from
  const shards = shardCount(workspace, 0)
  while (at.shard < shards) {
    const startedMs = performance.now()
    const { items, next } = await dynamo.query({
      table: 'events',
      where: 'pk = :pk AND sk > :after',
      values: { pk: partitionOf(workspace, at.shard), after: at.eventId === '' ? lowestId(at.fromUs) : at.eventId },
      limit: PAGE,
    })
    const page = await fillPage(dynamo, items, at, options)
    const place = next === undefined ? { shard: at.shard + 1, eventId: '' } : { eventId: String(next['sk']) }
    at = { ...at, ...place, seen: at.seen + items.length, written: at.written + page.written, late: at.late + page.late }
    if (items.length > 0) await options.save(at)
    const restMs = (page.written / options.writesPerSecond) * 1000 - (performance.now() - startedMs)
    if (restMs > 0) await sleep(restMs)
  }
  return at
}

/** An event that lacks something. */
interface Lacking {
  item: Item
  record: EventRecord
}

async function fillPage(dynamo: Dynamo, items: readonly Item[], { startedUs }: Fill, { clock, fields }: FillOptions) {
  const nowUs = clock.nowUs()
  const alive = items.filter(({ ttl }) => ttl * 1e6 > nowUs)
  const keys = alive.flatMap(partKeys)
  const parts = new Map((keys.length === 0 ? [] : await dynamo.batchGet('events', keys)).map((part) => [part.sk, part]))
  const lacking = alive.flatMap((item): Lacking[] => {
    const own = partKeys(item).flatMap(({ sk }) => parts.get(sk) ?? [])
    // A part that is missing tells of an event that was deleted since: its parts go last.
    if (own.length < partKeys(item).length) return []
    const record = eventRecordOf(item, own)
    return Object.keys(missingIn(item, record, fields)).length > 0 ? [{ item, record }] : []
  })
  await writeAll(dynamo, lacking, fields)
  const late = lacking.filter(({ item }) => (timeOf(item.sk) ?? 0) > startedUs + LATE_US)
  return { written: lacking.length, late: late.length }
}

/** The attributes that an event is to have, and has not. */
function missingIn(item: Item, record: EventRecord, fields: readonly string[]): Record<string, string> {
  return Object.fromEntries(Object.entries(indexAttributes(fields, item, record)).filter(([name, value]) => item[name] !== value))
}

/** Each where it still stands as it was read; one that was acknowledged meanwhile as that, one that is gone not at all. */
async function writeAll(dynamo: Dynamo, lacking: readonly Lacking[], fields: readonly string[]): Promise<void> {
  let left = lacking
  const endMs = performance.now() + PATIENCE_MS
  for (let tries = 1; left.length > 0; tries++) {
    const results = await dynamo.execute(left.map((one) => statementOf(one, fields)))
    left = left.flatMap((one, index): Lacking[] => {
      const result = results[index]
      switch (result?.outcome) {
        case 'done':
          return []
        case 'refused':
          return again(one, result.old, fields)
        case 'failed':
          // Writing it twice is as good as once, so what may have been done is done again, too.
          if ((!isThrottled(result.error.reason) && !result.error.isUncertain) || performance.now() > endMs) throw result.error
          return [one]
        default:
          throw new Error('A write has no result.')
      }
    })
    if (left.length > 0) await sleep(jitter(tries))
  }
}

/** What is left to do for an event that stands otherwise than it was read: an event never changes, but for its status. */
function again({ record }: Lacking, old: Item | undefined, fields: readonly string[]): Lacking[] {
  if (old === undefined) return []
  const changed: EventRecord = { ...record, status: old['ackedAtUs'] === undefined ? 'pending' : 'acknowledged' }
  return Object.keys(missingIn(old, changed, fields)).length > 0 ? [{ item: old, record: changed }] : []
}

function statementOf({ item, record }: Lacking, fields: readonly string[]): Statement {
  const attributes = Object.entries(missingIn(item, record, fields))
  const sets = attributes.map(([name]) => `SET "${name}" = ?`).join(' ')
  const status = item['ackedAtUs'] === undefined ? 'MISSING' : 'NOT MISSING'
  return {
    table: 'events',
    text: `UPDATE $table ${sets} WHERE "pk" = ? AND "sk" = ? AND "ackedAtUs" IS ${status}`,
    parameters: [...attributes.map(([, value]) => value), item.pk, item.sk],
  }
}
