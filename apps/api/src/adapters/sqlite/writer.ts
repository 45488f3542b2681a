/** The writer thread: every change of the file, one transaction a batch. */
import type { DatabaseSync } from 'node:sqlite'
import type { AckResult } from '../../ports.ts'
import { EVENT_STATUSES } from '../../ports.ts'
import { metadataTerms } from '../metadata-terms.ts'
import { accessWriter } from './access-writer.ts'
import { isStorageFault, openDatabase } from './database.ts'
import { randomTail } from './event-id.ts'
import type { EventRow } from './event-row.ts'
import type { Batch, BatchTimes, CallOf, InputOf, Reply, WriterCalls, Written } from './protocol.ts'
import { migrate } from './schema.ts'
import { faultOf, type ThreadWork } from './thread.ts'
import { Workspaces } from './workspaces.ts'

const PENDING = EVENT_STATUSES.indexOf('pending')
const ACKNOWLEDGED = EVENT_STATUSES.indexOf('acknowledged')
const CACHE_KIB = 32 * 1024

export class Writer implements ThreadWork<WriterCalls> {
  readonly #db: DatabaseSync
  readonly #workspaces: Workspaces
  readonly #access
  readonly #sql
  #times: BatchTimes = { nowUs: 0, eventsExpiredUs: 0, keysExpiredUs: 0 }
  #lastSeq = 0

  constructor(db: DatabaseSync) {
    this.#db = db
    this.#workspaces = new Workspaces(db)
    this.#access = accessWriter(db, this.#workspaces)
    const where = 'WHERE seq = ? AND tail = ? AND workspace = ? AND seq >= ?'
    this.#sql = {
      begin: db.prepare('BEGIN IMMEDIATE'),
      commit: db.prepare('COMMIT'),
      checkpoint: db.prepare('PRAGMA wal_checkpoint(PASSIVE)'),
      clock: db.prepare('SELECT last_seq FROM commit_clock'),
      setClock: db.prepare('UPDATE commit_clock SET last_seq = ?'),
      insertEvent: db.prepare(
        'INSERT INTO events (seq, tail, workspace, status, priority, acknowledged_us, source, event_type, metadata, payload) ' +
          `VALUES (?1, ?2, ?3, ${PENDING}, ?4, ?1, ?5, ?6, ?7, ?8)`,
      ),
      insertTerm: db.prepare('INSERT INTO event_metadata (workspace, key, value, status, seq) VALUES (?, ?, ?, ?, ?)'),
      deleteTerm: db.prepare('DELETE FROM event_metadata WHERE workspace = ? AND key = ? AND value = ? AND status = ? AND seq = ?'),
      findKey: db.prepare('SELECT seq, tail, fingerprint FROM idempotency WHERE workspace = ? AND key = ?'),
      insertKey: db.prepare('INSERT INTO idempotency (seq, tail, workspace, key, fingerprint) VALUES (?, ?, ?, ?, ?)'),
      deleteKey: db.prepare('DELETE FROM idempotency WHERE seq = ?'),
      findForAck: db.prepare(`SELECT status, acknowledged_us, metadata FROM events ${where}`),
      ack: db.prepare(`UPDATE events SET status = ${ACKNOWLEDGED}, acknowledged_us = ? WHERE seq = ?`),
      findForDelete: db.prepare(`SELECT seq, workspace, status, metadata FROM events ${where}`),
      deleteEvent: db.prepare('DELETE FROM events WHERE seq = ?'),
      expired: db.prepare('SELECT seq, workspace, status, metadata FROM events WHERE seq < ? ORDER BY seq LIMIT ?'),
      expiredKeys: db.prepare('DELETE FROM idempotency WHERE seq IN (SELECT seq FROM idempotency WHERE seq < ? ORDER BY seq LIMIT ?)'),
    }
  }

  run(batch: Batch<WriterCalls>): Reply[] {
    this.#times = batch.times
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
    this.#sql.begin.run()
    try {
      // Read anew each time: another process may have written to the file.
      const lastSeq = Number(this.#sql.clock.get()?.['last_seq'])
      this.#lastSeq = lastSeq
      const replies = calls.map((call) => ({ value: this.#handle(call) }))
      if (this.#lastSeq !== lastSeq) this.#sql.setClock.run(this.#lastSeq)
      this.#sql.commit.run()
      return replies
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK')
      this.#workspaces.forget()
      throw error
    }
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
      default:
        return this.#access.handle(call, this.#times.nowUs)
    }
  }

  #create({ workspaceId, rows }: InputOf<WriterCalls, 'create'>): Written[] {
    const workspace = this.#workspaces.findOrAdd(workspaceId)
    return rows.map((row) => this.#useOfKey(workspace, row) ?? this.#insert(workspace, row))
  }

  #insert(workspace: number, [source, eventType, priority, metadata, payload, key, fingerprint]: EventRow): Written {
    const seq = Math.max(this.#times.nowUs, this.#lastSeq + 1)
    const tail = randomTail()
    this.#lastSeq = seq
    this.#sql.insertEvent.run(seq, tail, workspace, priority, source, eventType, metadata, payload)
    for (const [term, value] of metadataTerms(metadata)) this.#sql.insertTerm.run(workspace, term, value, PENDING, seq)
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
      const found =
        workspace !== undefined && address && this.#sql.findForAck.get(address.seq, address.tail, workspace, this.#times.eventsExpiredUs)
      if (!found || !address || workspace === undefined) return { outcome: 'not_found' }
      if (found['status'] === ACKNOWLEDGED) {
        return { outcome: 'already_acknowledged', acknowledgedAtUs: Number(found['acknowledged_us']) }
      }
      const acknowledgedAtUs = Math.max(this.#times.nowUs, address.seq)
      this.#sql.ack.run(acknowledgedAtUs, address.seq)
      for (const [key, value] of metadataTerms(String(found['metadata']))) {
        this.#sql.deleteTerm.run(workspace, key, value, PENDING, address.seq)
        this.#sql.insertTerm.run(workspace, key, value, ACKNOWLEDGED, address.seq)
      }
      return { outcome: 'acknowledged', acknowledgedAtUs }
    })
  }

  #delete({ workspaceId, addresses }: InputOf<WriterCalls, 'delete'>): null {
    const workspace = this.#workspaces.find(workspaceId)
    if (workspace === undefined) return null
    for (const address of addresses) {
      const row = address && this.#sql.findForDelete.get(address.seq, address.tail, workspace, this.#times.eventsExpiredUs)
      if (row) this.#remove(row)
    }
    return null
  }

  #sweep({ limit }: InputOf<WriterCalls, 'sweep'>): boolean {
    const rows = this.#sql.expired.all(this.#times.eventsExpiredUs, limit)
    for (const row of rows) this.#remove(row)
    const keys = this.#sql.expiredKeys.run(this.#times.keysExpiredUs, limit)
    const moreSignatures = this.#access.sweep(this.#times.nowUs, limit)
    return rows.length === limit || Number(keys.changes) === limit || moreSignatures
  }

  #remove(row: Record<string, unknown>): void {
    const seq = Number(row['seq'])
    for (const [key, value] of metadataTerms(String(row['metadata']))) {
      this.#sql.deleteTerm.run(Number(row['workspace']), key, value, Number(row['status']), seq)
    }
    this.#sql.deleteEvent.run(seq)
  }
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
