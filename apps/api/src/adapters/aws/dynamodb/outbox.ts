import type { EventRecord } from '../../../ports.ts'
import type { Outbox, OutboxEvent, OutboxStore } from '../../../webhook-ports.ts'
import { activeWorkspaces } from './activity.ts'
import { chunksOf } from './client.ts'
import type { DynamoContext } from './context.ts'
import { eventBytes, readEvents } from './event-item.ts'
import { eventSource } from './event-sources.ts'
import { createFanOut } from './fan-out.ts'
import { lowestId, timeOf } from './ids.ts'
import { firstPageSize, merge } from './merge.ts'
import type { Item } from './notation.ts'
import { markOf, OUTBOX_KEY, readMark } from './outbox-mark.ts'
import { createOutboxWatch } from './outbox-watch.ts'
import { WEBHOOKS_VERSION } from './webhooks.ts'
import { partitionOf, shardCount, type Workspace } from './workspaces.ts'

const MINUTE_US = 60e6
/** So much time is looked through together for workspaces with new events, and twice as much each time that there were none, up to a day. */
const STRIDE_US = 60 * MINUTE_US
const LONGEST_STRIDE_US = 24 * STRIDE_US
/** How often in one call. */
const MAX_STRIDES = 16
/**
 * The end of what is looked at moves in steps, and a look within the same step asks nothing: each partition costs a Query, whether it has anything new or
 * not. So a process asks 200 of them a second at most, however often it is called.
 */
const STEP_US = 100_000
const STEP_PER_PARTITION_US = 5000
/** Events whose parts are read together. */
const PIECE = 50

type OutboxQuery = Parameters<OutboxStore['readOutbox']>[0]

/** A partition with events of a workspace that somebody is interested in. */
interface Outlet {
  partition: string
  workspace: Workspace
  beginnings: readonly string[]
}

/** What a look came to. */
type Look = Pick<Outbox, 'events' | 'mark' | 'more'>

/**
 * The events are the outbox: those of workspaces that announced themselves, behind a mark, merged into one order, up to the settling window. What is
 * behind that is complete, by the same rule as in lists.
 * @param onCommit tells the listener of every commit of events by this process @returns the store, and how to end its waits
 */
export function createOutboxStore(context: DynamoContext, onCommit: (listener: () => void) => void): OutboxStore & { close(): void } {
  const { dynamo, clock, workspaces, settleUs, eventTtlUs } = context
  const watch = createOutboxWatch()
  let stepUs = STEP_US
  /** Of the last look. */
  let known: Pick<Outbox, 'stored' | 'webhooksVersion'> | undefined
  onCommit(() => watch.committed(Math.ceil((settleUs + stepUs) / 1000)))

  /** Before this time, everything that ever will be is there. */
  function completeUs(): number {
    const us = clock.nowUs() - settleUs - (context.guard?.leadUs() ?? 0)
    return Math.floor(us / stepUs) * stepUs
  }

  async function readOutbox(query: OutboxQuery): Promise<Outbox> {
    const untilUs = completeUs()
    const { after } = query
    if (after !== undefined && known !== undefined && after >= lowestId(untilUs)) return { ...known, events: [], mark: after, more: false }
    const stored = after === undefined ? await readMark(dynamo) : undefined
    const look = await lookBehind(after ?? stored ?? '', untilUs, query)
    // After the events: a webhook that this version does not count is written later than these were read, so its place in the order, by a clock that is
    // out by less than the settling window, is behind all of them, and a change of one came after them just so.
    const items = await dynamo.batchGet('webhooks', stored === undefined ? [WEBHOOKS_VERSION, OUTBOX_KEY] : [WEBHOOKS_VERSION])
    const version = items.find(({ pk }) => pk === WEBHOOKS_VERSION.pk)
    const mark = items.find(({ pk }) => pk === OUTBOX_KEY.pk)
    known = { stored: stored ?? markOf(mark), webhooksVersion: String(version?.['n'] ?? 0) }
    return { ...known, ...look }
  }

  /** @param mark what is behind it is looked at, as far as events live */
  async function lookBehind(mark: string, untilUs: number, query: OutboxQuery): Promise<Look> {
    let fromUs = Math.max(timeOf(mark) ?? 0, clock.nowUs() - eventTtlUs)
    for (let strides = 1; fromUs < untilUs; strides++) {
      const toUs = Math.min(fromUs + Math.min(STRIDE_US * 2 ** (strides - 1), LONGEST_STRIDE_US), untilUs)
      const isEnd = toUs === untilUs
      const active = await activeWorkspaces(context, fromUs, toUs)
      const outlets = await outletsOf(active, query.interests, fromUs)
      const isLast = isEnd || strides === MAX_STRIDES
      if (outlets.size > 0) {
        const look = await lookAt(outlets, { from: later(mark, lowestId(fromUs)), to: lowestId(toUs) }, query)
        if (isLast || look.more || look.events.length > 0) return { ...look, more: look.more || !isEnd }
      } else if (isLast) {
        // Where nobody was active not to the end: each mark is a write of whoever follows it, and a minute is looked through as fast as a part of it.
        const endUs = active.size > 0 ? toUs : toUs - (toUs % MINUTE_US)
        return { events: [], mark: later(mark, lowestId(endUs)), more: !isEnd }
      }
      fromUs = toUs
    }
    return { events: [], mark, more: false }
  }

  async function lookAt(outlets: ReadonlyMap<string, Outlet>, stretch: { from: string; to: string }, query: OutboxQuery): Promise<Look> {
    stepUs = Math.max(STEP_US, outlets.size * STEP_PER_PARTITION_US)
    const pageSize = firstPageSize(query.limit + 1, outlets.size)
    const sources = [...outlets.keys()].map((partition) => {
      const read = eventSource(dynamo, { type: 'table', isAcknowledgedOnly: false }, partition, stretch, pageSize)
      return async () => (await read())?.filter(({ sk }) => sk !== stretch.from)
    })
    // One more than is looked at shows that there is more.
    const found = await merge(sources, (a, b) => (a.sk < b.sk ? -1 : 1)).take(query.limit + 1)
    return await judge(found, outlets, stretch, query)
  }

  async function judge(
    found: readonly Item[],
    outlets: ReadonlyMap<string, Outlet>,
    stretch: { from: string; to: string },
    { limit, maxBytes }: OutboxQuery,
  ): Promise<Look> {
    const events: OutboxEvent[] = []
    let mark = stretch.from
    let bytes = 0
    for (const piece of chunksOf(found.slice(0, limit), PIECE)) {
      const records = await recordsOf(piece, outlets)
      for (const { sk } of piece) {
        const event = records.get(sk)
        if (event !== undefined) {
          bytes += eventBytes(event)
          if (events.length > 0 && bytes > maxBytes) return { events, mark, more: true }
          events.push(event)
        }
        mark = sk
      }
    }
    return found.length > limit ? { events, mark, more: true } : { events, mark: stretch.to, more: false }
  }

  /** The events that interest, by id. */
  async function recordsOf(items: readonly Item[], outlets: ReadonlyMap<string, Outlet>): Promise<Map<string, OutboxEvent>> {
    const wanted = items.flatMap((item) => {
      const outlet = outlets.get(item.pk)
      const eventType: string = item['type']
      if (outlet === undefined || item['isMoved'] === true) return []
      return outlet.beginnings.some((beginning) => eventType.startsWith(beginning)) ? [{ item, workspace: outlet.workspace }] : []
    })
    const byWorkspace = Map.groupBy(wanted, ({ workspace }) => workspace)
    const read = [...byWorkspace].map(async ([workspace, own]): Promise<[string, OutboxEvent][]> => {
      const records: Map<string, EventRecord> = await readEvents(
        context,
        workspace,
        own.map(({ item }) => item),
      )
      return [...records].map(([id, record]) => [id, { ...record, workspaceId: workspace.workspaceId }])
    })
    return new Map((await Promise.all(read)).flat())
  }

  /** By partition. */
  async function outletsOf(
    active: ReadonlySet<string>,
    interests: OutboxQuery['interests'],
    sinceUs: number,
  ): Promise<Map<string, Outlet>> {
    const interested = [...interests].filter(([workspaceId]) => active.has(workspaceId))
    const outlets = interested.map(async ([workspaceId, beginnings]): Promise<[string, Outlet][]> => {
      const workspace = await workspaces.find(workspaceId)
      if (workspace === undefined) return []
      return Array.from({ length: shardCount(workspace, sinceUs) }, (_, shard) => {
        const partition = partitionOf(workspace, shard)
        return [partition, { partition, workspace, beginnings }]
      })
    })
    return new Map((await Promise.all(outlets)).flat())
  }

  return { readOutbox, fanOut: createFanOut(context), watchOutbox: watch.watchOutbox, close: watch.close }
}

const later = (a: string, b: string): string => (a > b ? a : b)
