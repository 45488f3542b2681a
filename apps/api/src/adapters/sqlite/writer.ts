/** The writer thread: every change of the file, one transaction a batch. */
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { AckResult } from '../../ports.ts'
import { EVENT_STATUSES } from '../../ports.ts'
import { randomTail } from '../../uuid.ts'
import { accessWriter } from './access-writer.ts'
import { CommitClock } from './commit-clock.ts'
import { isStorageFault, openDatabase } from './database.ts'
import { deliveryWriter } from './delivery-writer.ts'
import { type EventAddress, idAddressOf, isMoved } from './event-id.ts'
import type { EventRow } from './event-row.ts'
import { FieldIndexes } from './field-indexes.ts'
import { MetadataIndex } from './metadata-index.ts'
import { moveWriter } from './move-writer.ts'
import { eventFinder } from './places.ts'
import type { Batch, BatchTimes, CallOf, InputOf, Reply, WriterCalls, Written } from './protocol.ts'
import { queueWriter } from './queue-writer.ts'
import { replayWriter } from './replay-writer.ts'
import { migrate } from './schema.ts'
import { faultOf, type ThreadWork } from './thread.ts'
import { webhookWriter } from './webhook-writer.ts'
import { Workspaces } from './workspaces.ts'

const PENDING = EVENT_STATUSES.indexOf('pending')
const ACKNOWLEDGED = EVENT_STATUSES.indexOf('acknowledged')
const CACHE_KIB = 24 * 1024
/** How often what waits for its entries in the indexes is looked for, while commits come and after them. */
const MERGE_MS = 250
/** Between two bits of it, so that commits come first. */
const MERGE_SOON_MS = 10

export class Writer implements ThreadWork<WriterCalls> {
  readonly #db: DatabaseSync
  readonly #workspaces: Workspaces
  readonly #access
  readonly #webhooks
  readonly #replays
  readonly #queue
  readonly #clock
  readonly #deliveries
  readonly #moves
  readonly #fields
  readonly #metadata
  readonly #findEvent
  readonly #sql
  #merging: NodeJS.Timeout | undefined
  #times: BatchTimes = { nowUs: 0, eventsExpiredUs: 0, keysExpiredUs: 0 }

  constructor(db: DatabaseSync) {
    this.#db = db
    this.#workspaces = new Workspaces(db)
    this.#clock = new CommitClock(db)
    this.#access = accessWriter(db, this.#workspaces)
    this.#deliveries = deliveryWriter(db, this.#workspaces, this.#clock)
    const { appendAuditEntry } = this.#access
    const { insertDeliveries, cancelAll } = this.#deliveries
    this.#replays = replayWriter(db, { appendAuditEntry, insertDeliveries, cancelDeliveries: cancelAll })
    this.#webhooks = webhookWriter(db, {
      workspaces: this.#workspaces,
      clock: this.#clock,
      appendAuditEntry,
      insertDeliveries,
      endReplaysOfWebhook: this.#replays.endReplaysOfWebhook,
    })
    this.#queue = queueWriter(db)
    this.#fields = new FieldIndexes(db)
    this.#metadata = new MetadataIndex(db)
    this.#moves = moveWriter(db, { workspaces: this.#workspaces, clock: this.#clock, metadata: this.#metadata })
    this.#findEvent = eventFinder(db)
    const where = 'WHERE seq = ? AND tail = ? AND workspace = ? AND seq >= ?'
    this.#sql = {
      begin: db.prepare('BEGIN IMMEDIATE'),
      commit: db.prepare('COMMIT'),
      checkpoint: db.prepare('PRAGMA wal_checkpoint(PASSIVE)'),
      insertEvent: db.prepare(
        'INSERT INTO events (seq, tail, workspace, status, priority, acknowledged_us, source, event_type, metadata, payload, is_indexed) ' +
          `VALUES (?1, ?2, ?3, ${PENDING}, ?4, ?1, ?5, ?6, ?7, ?8, ?9)`,
      ),
      findKey: db.prepare('SELECT seq, tail, fingerprint FROM idempotency WHERE workspace = ? AND key = ?'),
      insertKey: db.prepare('INSERT INTO idempotency (seq, tail, workspace, key, fingerprint) VALUES (?, ?, ?, ?, ?)'),
      deleteKey: db.prepare('DELETE FROM idempotency WHERE seq = ?'),
      findForAck: db.prepare(`SELECT seq, tail, status, acknowledged_us, metadata FROM events ${where}`),
      ack: db.prepare(`UPDATE events SET status = ${ACKNOWLEDGED}, acknowledged_us = ? WHERE seq = ?`),
      findForDelete: db.prepare(`SELECT seq, tail, workspace, status, metadata FROM events ${where}`),
      deleteEvent: db.prepare('DELETE FROM events WHERE seq = ?'),
      deletePlace: db.prepare('DELETE FROM event_places WHERE workspace = ? AND created_us = ? AND tail = ?'),
      expired: db.prepare('SELECT seq, tail, workspace, status, metadata FROM events WHERE seq < ? ORDER BY seq LIMIT ?'),
      expiredKeys: db.prepare('DELETE FROM idempotency WHERE seq IN (SELECT seq FROM idempotency WHERE seq < ? ORDER BY seq LIMIT ?)'),
    }
    // The last run may have left some.
    this.#mergeLater()
  }

  run(batch: Batch<WriterCalls>): Reply[] {
    this.#times = batch.times
    this.#mergeLater()
    const replies = this.#commitOrRefuse(batch)
    if (batch.calls.some((call) => call.type === 'finishCheckpoint')) this.#finishCheckpoint()
    return replies
  }

  #commitOrRefuse(batch: Batch<WriterCalls>): Reply[] {
    try {
      return this.#commit(batch.calls)
    } catch (error) {
      // A call that the program cannot carry out must not take its neighbours down: each on its own.
      if (batch.calls.length > 1 && !isStorageFault(error))
        return batch.calls.flatMap((call) => this.#commitOrRefuse({ ...batch, calls: [call] }))
      const fault = faultOf(error)
      return batch.calls.map(() => fault)
    }
  }

  close(): void {
    clearTimeout(this.#merging)
    this.#db.close()
  }

  /** Behind the commit, whose answers stand whatever comes of this. */
  #finishCheckpoint(): void {
    try {
      this.#sql.checkpoint.get()
    } catch (error) {
      // A full disk or a lock: the pages stay in the WAL, nothing is lost, the checkpointer asks again.
      if (!isStorageFault(error)) throw error
    }
  }

  #commit(calls: CallOf<WriterCalls>[]): Reply[] {
    return this.#transact(() => {
      this.#clock.begin(this.#times.nowUs)
      this.#fields.begin(newEventsOf(calls))
      const replies = calls.map((call) => ({ value: this.#handle(call) }))
      this.#fields.mergeSome()
      this.#metadata.mergeSome()
      this.#clock.save()
      return replies
    })
  }

  #transact<Result>(work: () => Result): Result {
    this.#sql.begin.run()
    try {
      const result = work()
      this.#sql.commit.run()
      return result
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK')
      this.#workspaces.forget()
      this.#metadata.rollBack()
      throw error
    }
  }

  /** What the commits of new events leave: without it readers would look through it for ever. */
  #mergeLater(ms = MERGE_MS): void {
    this.#merging ??= setTimeout(() => {
      this.#merging = undefined
      let next: 'soon' | 'later' | 'never' = 'later'
      try {
        next = this.#transact(() => {
          this.#fields.mergeAll()
          return this.#metadata.mergeIdle()
        })
      } catch (error) {
        // A full disk or a lock: it stays where readers look for it, too.
        if (!isStorageFault(error)) throw error
      }
      if (next !== 'never') this.#mergeLater(next === 'soon' ? MERGE_SOON_MS : MERGE_MS)
    }, ms)
  }

  #handle(call: CallOf<WriterCalls>): unknown {
    switch (call.type) {
      case 'create':
        return this.#create(call.input)
      case 'ack':
        return this.#ack(call.input)
      case 'delete':
        return this.#delete(call.input)
      case 'sweep':
        return this.#sweep(call.input)
      case 'finishCheckpoint':
        return null
      case 'enqueueJobs':
      case 'receiveJobs':
      case 'ackJobs':
      case 'delayJob':
      case 'extendJob':
      case 'putBackJobs':
        return this.#queue.handle(call, this.#times.nowUs)
      case 'saveWebhook':
      case 'deleteWebhook':
        return this.#webhooks.handle(call, this.#times.nowUs)
      case 'createReplay':
      case 'advanceReplay':
      case 'endReplay':
        return this.#replays.handle(call, this.#times.nowUs)
      case 'fanOut':
      case 'claimDeliveries':
      case 'recordAttempts':
      case 'retryDelivery':
      case 'moveDeliveries':
        return this.#deliveries.handle(call, this.#times)
      case 'importWorkspace':
      case 'importEvents':
      case 'importIdempotencyKeys':
      case 'importApiKeys':
      case 'importWebhooks':
      case 'importReplays':
      case 'importDeliveries':
      case 'importAuditEntries':
        return this.#moves(call, this.#times)
      default:
        return this.#access.handle(call, this.#times.nowUs)
    }
  }

  #create({ workspaceId, rows }: InputOf<WriterCalls, 'create'>): Written[] {
    const workspace = this.#workspaces.findOrAdd(workspaceId)
    return rows.map((row) => this.#useOfKey(workspace, row) ?? this.#insert(workspace, row))
  }

  #insert(workspace: number, [source, eventType, priority, metadata, payload, key, fingerprint]: EventRow): Written {
    const seq = this.#clock.next()
    const tail = randomTail()
    this.#sql.insertEvent.run(seq, tail, workspace, priority, source, eventType, metadata, payload, this.#fields.add())
    this.#metadata.add(workspace, seq, metadata)
    if (key !== null) this.#sql.insertKey.run(seq, tail, workspace, key, fingerprint)
    return ['created', seq, tail]
  }

  /** What the row's key was used for, or undefined when it has none or it is free (an expired use is cleared away). */
  #useOfKey(workspace: number, [, , , , , key, fingerprint]: EventRow): Written | undefined {
    if (key === null || fingerprint === null) return undefined
    const used = this.#sql.findKey.get(workspace, key)
    if (used === undefined) return undefined
    const seq = Number(used['seq'])
    if (seq < this.#times.keysExpiredUs) {
      this.#sql.deleteKey.run(seq)
      return undefined
    }
    const same = used['fingerprint'] instanceof Uint8Array && Buffer.compare(used['fingerprint'], fingerprint) === 0
    return same ? ['replayed', seq, String(used['tail'])] : ['key_reused']
  }

  #ack({ workspaceId, addresses }: InputOf<WriterCalls, 'ack'>): AckResult[] {
    const workspace = this.#workspaces.find(workspaceId)
    return addresses.map((address) => {
      const found = workspace !== undefined && address && this.#find(this.#sql.findForAck, workspace, address)
      if (!found || !address || workspace === undefined) return { outcome: 'not_found' }
      const seq = Number(found['seq'])
      if (found['status'] === ACKNOWLEDGED) {
        return { outcome: 'already_acknowledged', acknowledgedAtUs: Number(found['acknowledged_us']) }
      }
      const acknowledgedAtUs = Math.max(this.#times.nowUs, address.seq)
      this.#sql.ack.run(acknowledgedAtUs, seq)
      this.#metadata.changeStatus(workspace, seq, String(found['metadata']), PENDING, ACKNOWLEDGED)
      return { outcome: 'acknowledged', acknowledgedAtUs }
    })
  }

  #delete({ workspaceId, addresses }: InputOf<WriterCalls, 'delete'>): null {
    const workspace = this.#workspaces.find(workspaceId)
    if (workspace === undefined) return null
    for (const address of addresses) {
      const row = address && this.#find(this.#sql.findForDelete, workspace, address)
      if (row) this.#remove(row)
    }
    return null
  }

  /** The row of the event with that address in its id, unless it has expired. */
  #find(statement: StatementSync, workspace: number, address: EventAddress): Record<string, unknown> | undefined {
    return this.#findEvent(workspace, address, ({ seq, tail }) => statement.get(seq, tail, workspace, this.#times.eventsExpiredUs))
  }

  #sweep({ limit }: InputOf<WriterCalls, 'sweep'>): boolean {
    const rows = this.#sql.expired.all(this.#times.eventsExpiredUs, limit)
    for (const row of rows) this.#remove(row)
    const keys = this.#sql.expiredKeys.run(this.#times.keysExpiredUs, limit)
    const moreSignatures = this.#access.sweep(this.#times.nowUs, limit)
    const moreDeliveries = this.#deliveries.sweep(this.#times, limit)
    const moreWebhooks = this.#webhooks.sweep(limit)
    const moreJobs = this.#queue.sweep(this.#times.nowUs, limit)
    return rows.length === limit || Number(keys.changes) === limit || moreSignatures || moreDeliveries || moreWebhooks || moreJobs
  }

  #remove(row: Record<string, unknown>): void {
    const [seq, tail, workspace] = [Number(row['seq']), String(row['tail']), Number(row['workspace'])]
    this.#metadata.remove(workspace, seq, String(row['metadata']), Number(row['status']))
    this.#sql.deleteEvent.run(seq)
    const address = idAddressOf(seq, tail)
    if (isMoved(tail)) this.#sql.deletePlace.run(workspace, address.seq, address.tail)
    this.#deliveries.cancelOfEvent(address, this.#times.nowUs)
  }
}

function newEventsOf(calls: readonly CallOf<WriterCalls>[]): number {
  return calls.reduce((sum, call) => (call.type === 'create' ? sum + call.input.rows.length : sum), 0)
}

/**
 * Opens the file for writing, at this program's schema.
 * @param options `maxPages` bounds the file's size (SQLite's max_page_count), as a full disk would
 */
export function openWriter(path: string, options: { maxPages?: number } = {}): Writer {
  const db = openDatabase(path, { cacheKiB: CACHE_KIB })
  if (options.maxPages !== undefined) db.exec(`PRAGMA max_page_count = ${options.maxPages}`)
  migrate(db)
  return new Writer(db)
}
