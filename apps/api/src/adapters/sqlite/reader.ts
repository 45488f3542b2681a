/** The reader thread: gets and pages, from the newest commit's snapshot. */
import type { DatabaseSync, SQLInputValue } from 'node:sqlite'
import type { EventRecord } from '../../ports.ts'
import { EVENT_STATUSES } from '../../ports.ts'
import { accessReader } from './access-reader.ts'
import { openDatabase } from './database.ts'
import { deliveryReader } from './delivery-reader.ts'
import type { EventAddress } from './event-id.ts'
import { eventBytes, eventRecordOf } from './event-row.ts'
import { type Condition, listConditions, ROW_COLUMNS, rowSql, walkSql } from './list-sql.ts'
import { moveReader } from './move-reader.ts'
import { outboxReader } from './outbox-reader.ts'
import { eventFinder, lastPlaces } from './places.ts'
import type { Batch, BatchTimes, CallOf, OutputOf, ReaderCalls, Reply } from './protocol.ts'
import { QUEUE_READS } from './queue-sql.ts'
import { replayReader } from './replay-reader.ts'
import { faultOf, type ThreadWork } from './thread.ts'
import { webhookReader } from './webhook-reader.ts'
import { Workspaces } from './workspaces.ts'

const CACHE_KIB = 16 * 1024
/** What a page under several filters may look at before it ends early: the contract's bound. */
const MAX_EXAMINED = 10_000
/** Rows counted, at the most, to learn which of several filters is the rarest. */
const PROBE_ROWS = 1000

type ListInput = ReaderCalls['list']['input']

export class Reader implements ThreadWork<ReaderCalls> {
  readonly #db: DatabaseSync
  readonly #workspaces: Workspaces
  readonly #access
  readonly #webhooks
  readonly #replays
  readonly #outbox
  readonly #deliveries
  readonly #moves
  readonly #findEvent
  readonly #lastPlace
  readonly #get
  readonly #deadJobs
  readonly #statements = new Map<string, ReturnType<DatabaseSync['prepare']>>()

  constructor(db: DatabaseSync) {
    this.#db = db
    this.#workspaces = new Workspaces(db)
    this.#access = accessReader(db, this.#workspaces)
    this.#webhooks = webhookReader(db, this.#workspaces)
    this.#replays = replayReader(db)
    this.#outbox = outboxReader(db, this.#workspaces)
    this.#deliveries = deliveryReader(db, this.#workspaces)
    this.#moves = moveReader(db, this.#workspaces)
    this.#findEvent = eventFinder(db)
    this.#lastPlace = lastPlaces(db)
    this.#get = db.prepare(`SELECT ${ROW_COLUMNS} FROM events e WHERE seq = ? AND tail = ? AND workspace = ? AND seq >= ?`)
    this.#get.setReturnArrays(true)
    this.#deadJobs = db.prepare(QUEUE_READS.deadJobs)
  }

  run(batch: Batch<ReaderCalls>): Reply[] {
    return batch.calls.map((call) => {
      try {
        return { value: this.#handle(call, batch.times) }
      } catch (error) {
        return faultOf(error)
      }
    })
  }

  close(): void {
    this.#db.close()
  }

  #handle(call: CallOf<ReaderCalls>, times: BatchTimes): unknown {
    switch (call.type) {
      case 'get':
        return this.#getEvent(call.input.workspaceId, call.input.address, times)
      case 'list':
        return this.#list(call.input, times)
      case 'listDeadJobs':
        return this.#deadJobs.all(call.input.limit).map((row) => String(row['job']))
      case 'getWebhook':
      case 'listWebhooks':
        return this.#webhooks(call)
      case 'getReplay':
      case 'listReplays':
      case 'listRunningReplays':
        return this.#replays(call)
      case 'readOutbox':
        return this.#outbox(call.input, times)
      case 'getDelivery':
      case 'listDeliveries':
      case 'deliveryStatuses':
      case 'listDueLanes':
        return this.#deliveries(call, times)
      case 'listIdempotencyKeys':
      case 'listWholeDeliveries':
      case 'placeBehind':
      case 'idAt':
        return this.#moves(call, times)
      default:
        return this.#access(call)
    }
  }

  #getEvent(workspaceId: string, address: EventAddress, times: BatchTimes): EventRecord | null {
    const workspace = this.#workspaces.find(workspaceId)
    if (workspace === undefined) return null
    const row = this.#findEvent(workspace, address, ({ seq, tail }) => this.#get.get(seq, tail, workspace, times.eventsExpiredUs))
    return row === undefined ? null : eventRecordOf(row)
  }

  /**
   * Walks the index of the rarest filter in the asked order, and keeps the rows that the other filters let pass.
   * With one filter or none every row of the walk is a match, so the cost is the page's.
   */
  #list(input: ListInput, times: BatchTimes): OutputOf<ReaderCalls, 'list'> {
    const workspace = this.#workspaces.find(input.workspaceId)
    if (workspace === undefined) return { events: [], next: null }
    const { filter, order, limit } = input
    const { createdAfterUs = 0, createdBeforeUs } = filter
    const lowest = Math.max(times.eventsExpiredUs, createdAfterUs === 0 ? 0 : this.#lastPlace(workspace, createdAfterUs - 1) + 1)
    const highest = createdBeforeUs === undefined ? Number.MAX_SAFE_INTEGER : this.#lastPlace(workspace, createdBeforeUs)
    let from = order === 'asc' ? Math.max(lowest, (input.after ?? 0) + 1) : Math.min(highest, (input.after ?? Number.MAX_SAFE_INTEGER) - 1)
    const to = order === 'asc' ? highest : lowest
    const range = () => (order === 'asc' ? { low: from, high: to } : { low: to, high: from })

    const statuses = filter.status === undefined ? EVENT_STATUSES.map((_, index) => index) : [EVENT_STATUSES.indexOf(filter.status)]
    const conditions = listConditions(filter)
    const driver = this.#rarest(conditions, workspace, statuses, range())
    const rest = conditions.filter((condition) => condition !== driver)
    const row = this.#prepare(rowSql(rest))
    const restParameters = rest.flatMap((condition) => condition.parameters)

    const events: EventRecord[] = []
    let bytes = 0
    let examined = 0
    let chunk = rest.length === 0 ? limit + 1 : 2 * limit
    for (;;) {
      const take = Math.min(chunk, MAX_EXAMINED - examined)
      const seqs = this.#walk(driver, workspace, statuses, range(), order, take)
      for (const seq of seqs) {
        examined++
        const found = row.get(seq, ...restParameters)
        from = order === 'asc' ? seq + 1 : seq - 1
        if (found === undefined) continue
        const record = eventRecordOf(found)
        bytes += eventBytes(record)
        // One event too many: it shows that there is more, and is the next page's first.
        if (events.length === limit || (events.length > 0 && bytes > input.maxBytes)) {
          return { events, next: order === 'asc' ? seq - 1 : seq + 1 }
        }
        events.push(record)
      }
      if (seqs.length < take) return { events, next: null }
      if (rest.length > 0 && examined >= MAX_EXAMINED) return { events, next: order === 'asc' ? from - 1 : from + 1 }
      chunk = Math.min(chunk * 2, 1000)
    }
  }

  /** The condition whose index to walk: of several, the one with the fewest rows, as far as a short count tells. */
  #rarest(conditions: Condition[], workspace: number, statuses: number[], range: Range): Condition | undefined {
    const indexed = conditions.filter((condition) => condition.index !== undefined)
    if (indexed.length <= 1) return indexed[0]
    let rarest: Condition | undefined
    let fewest = PROBE_ROWS
    for (const condition of indexed) {
      const rows = this.#walk(condition, workspace, statuses, range, 'asc', fewest).length
      if (rarest === undefined || rows < fewest) {
        rarest = condition
        fewest = rows
      }
      if (fewest === 0) break
    }
    return rarest
  }

  #walk(
    driver: Condition | undefined,
    workspace: number,
    statuses: number[],
    range: Range,
    order: 'asc' | 'desc',
    limit: number,
  ): number[] {
    const walk = walkSql(driver, statuses, order)
    const parameters: SQLInputValue[] = walk.ranges.flatMap((own) => [...own, workspace, range.low, range.high])
    return this.#prepare(walk.sql)
      .all(...parameters, limit)
      .map((row) => Number(Array.isArray(row) && row[0]))
  }

  #prepare(sql: string) {
    const known = this.#statements.get(sql)
    if (known !== undefined) return known
    const statement = this.#db.prepare(sql)
    // Objects with names cost twice as much, and a page reads a hundred rows.
    statement.setReturnArrays(true)
    this.#statements.set(sql, statement)
    return statement
  }
}

interface Range {
  low: number
  high: number
}

export function openReader(path: string): Reader {
  return new Reader(openDatabase(path, { cacheKiB: CACHE_KIB, readOnly: true }))
}
