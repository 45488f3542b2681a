import type { EventFilter, EventPage, EventQuery, EventRecord, EventStore } from '../../../ports.ts'
import type { DynamoContext } from './context.ts'
import { termsOf } from './event-filter.ts'
import { eventBytes, readEvents } from './event-item.ts'
import { type Driver, eventSource, type Stretch } from './event-sources.ts'
import { lowestId, timeOf } from './ids.ts'
import { createIndexLag } from './index-lag.ts'
import { firstPageSize, merge } from './merge.ts'
import type { Item } from './notation.ts'
import { partitionOf, shardCount, type Workspace } from './workspaces.ts'

/** What a page under filters without an index of their own may look at before it ends early: the contract's bound. */
const MAX_EXAMINED = 10_000
/** The same for events that are large: DynamoDB gives them a megabyte at a time. */
const MAX_EXAMINED_BYTES = 64e6
/** Records that are read together, and how many of them when nothing is known of their size. */
const PIECE_BYTES = 8e6
const FIRST_PIECE = 64
const MAX_PIECE = 1000
const MAX_KNOWN = 10_000

/** How a list is walked, and what is left to judge by the records. */
interface Plan {
  driver: Driver
  matches(event: EventRecord): boolean
  /** Whether nearly all that is walked matches, so that the page is filled whatever it takes. */
  isFull: boolean
}

/**
 * Merges the partitions of a workspace, each walked along the index of one filter, and keeps what the other filters let pass. The indexes give
 * ids; the events are read from the table.
 */
export function createListEvents(context: DynamoContext, maxExamined = MAX_EXAMINED): EventStore['listEvents'] {
  const { dynamo } = context
  const lag = createIndexLag(context)
  const sizes = eventSizes()

  function candidatesOf(workspace: Workspace, { driver, isFull }: Plan, stretch: Stretch, { limit, after }: EventQuery) {
    const [low] = [stretch.from, stretch.to].sort()
    const shards = shardCount(workspace, timeOf(low ?? '') ?? 0)
    const pageSize = firstPageSize(isFull ? limit + 1 : 2 * limit, shards)
    const sources = Array.from({ length: shards }, (_, shard) => {
      const read = eventSource(dynamo, driver, partitionOf(workspace, shard), stretch, pageSize)
      // `BETWEEN` has its ends, and the last page ended with this one.
      return async () => (await read())?.filter(({ sk }) => sk !== after)
    })
    return merge(sources, stretch.from <= stretch.to ? bySk : (a: Item, b: Item) => bySk(b, a))
  }

  async function pageOf(workspace: Workspace, plan: Plan, stretch: Stretch, query: EventQuery): Promise<EventPage> {
    const { limit, maxBytes, after } = query
    const candidates = candidatesOf(workspace, plan, stretch, query)
    const size = sizes.of(workspace.workspaceId)
    const events: EventRecord[] = []
    let bytes = 0
    let examined = 0
    let examinedBytes = 0
    let last = after
    for (let wanted = 2 * limit; ; wanted = Math.min(wanted * 2, MAX_PIECE)) {
      // As many as the page has room for and one more, or as many as may be looked at.
      const count = plan.isFull
        ? Math.min(limit - events.length, size.fits(maxBytes - bytes)) + 1
        : Math.min(wanted, size.fits(PIECE_BYTES), maxExamined - examined)
      const found = await candidates.take(count)
      const records = await readEvents(context, workspace, plan.driver.type === 'table' ? found : found.map(({ sk }) => sk))
      for (const { sk } of found) {
        const record = records.get(sk)
        const ownBytes = record === undefined ? 0 : eventBytes(record)
        if (record !== undefined) size.add(ownBytes)
        if (record !== undefined && plan.matches(record)) {
          // One event too many: it shows that there is more, and is the next page's first.
          if (events.length === limit || (events.length > 0 && bytes + ownBytes > maxBytes)) return { events, next: last ?? null }
          events.push(record)
          bytes += ownBytes
        }
        examined++
        examinedBytes += ownBytes
        last = sk
      }
      if (found.length < count) return { events, next: null }
      if (!plan.isFull && (examined >= maxExamined || examinedBytes >= MAX_EXAMINED_BYTES)) return { events, next: last ?? null }
    }
  }

  return async (query) => {
    const workspace = await context.workspaces.find(query.workspaceId)
    if (workspace === undefined) return { events: [], next: null }
    const plan = planOf(query.filter, context.indexes.ready)
    const isIndexed = plan.driver.type !== 'table'
    if (isIndexed) lag.asked()
    const stretch = stretchOf(context, query, isIndexed ? lag.windowUs() : context.settleUs)
    if (stretch === undefined) return { events: [], next: null }
    return await pageOf(workspace, plan, stretch, query)
  }
}

const bySk = (a: Item, b: Item): number => (a.sk < b.sk ? -1 : a.sk > b.sk ? 1 : 0)

function planOf(filter: EventFilter, ready: readonly string[]): Plan {
  const { status } = filter
  const terms = termsOf(filter)
  const driving = terms.find(({ field }) => field !== undefined && ready.includes(field))
  const rest = terms.filter((term) => term !== driving)
  return {
    driver: driverOf(filter, driving, rest.length > 0),
    // The one that drives, too: its index is late, and long values meet in it.
    matches: (event) => (status === undefined || event.status === status) && terms.every((term) => term.matches(event)),
    isFull: rest.length === 0,
  }
}

function driverOf({ status }: EventFilter, driving: { field: string | undefined; value: string } | undefined, hasRest: boolean): Driver {
  if (driving?.field !== undefined) return { type: 'field', field: driving.field, value: driving.value, status }
  if (status === 'pending') return { type: 'pending' }
  // What DynamoDB passes over is not counted here: only for a list that goes on until the page is full.
  return { type: 'table', isAcknowledgedOnly: status === 'acknowledged' && !hasRest }
}

/** What the list can show, from where the last page ended; undefined when that is nothing. @param windowUs younger events are not shown yet */
function stretchOf(
  { clock, guard, eventTtlUs }: DynamoContext,
  { filter, order, after }: EventQuery,
  windowUs: number,
): Stretch | undefined {
  const nowUs = clock.nowUs()
  const fromUs = Math.max(nowUs - eventTtlUs, filter.createdAfterUs ?? 0)
  const beforeUs = Math.min(nowUs - windowUs - (guard?.leadUs() ?? 0), (filter.createdBeforeUs ?? Number.MAX_SAFE_INTEGER - 1) + 1)
  if (fromUs >= beforeUs) return undefined
  const [low, high] = [lowestId(fromUs), lowestId(beforeUs)]
  if (order === 'asc')
    return after !== undefined && after > high ? undefined : { from: after !== undefined && after > low ? after : low, to: high }
  return after !== undefined && after < low ? undefined : { from: after !== undefined && after < high ? after : high, to: low }
}

/** About how large the events of each workspace are, as far as this process has seen: so much is read ahead. */
function eventSizes() {
  const known = new Map<string, { bytes: number; events: number }>()
  return {
    of(workspaceId: string) {
      if (known.size >= MAX_KNOWN) known.clear()
      const own = known.get(workspaceId) ?? { bytes: 0, events: 0 }
      known.set(workspaceId, own)
      return {
        add(bytes: number): void {
          // What was long ago counts ever less.
          if (own.events >= MAX_PIECE) Object.assign(own, { bytes: own.bytes / 2, events: own.events / 2 })
          own.bytes += bytes
          own.events++
        },
        /** How many of them are about that large together. */
        fits: (bytes: number): number =>
          own.events === 0 ? FIRST_PIECE : Math.min(MAX_PIECE, Math.max(1, Math.floor((bytes * own.events) / own.bytes))),
      }
    },
  }
}
