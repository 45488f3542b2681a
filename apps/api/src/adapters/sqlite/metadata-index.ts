import type { DatabaseSync } from 'node:sqlite'
import { metadataTerms } from '../metadata-terms.ts'
import { prepareAll } from './database.ts'

/** Terms that wait from which on a lot is begun, and the most that one has (and the rest of its last event). */
const LOT_TERMS = 8192
/** Looks in a row that find new terms, and no lot, until one is begun that is smaller. */
const BUSY_LOOKS = 8
/** Terms that are merged at one look: no more than commits that come meanwhile can wait for. */
const IDLE_TERMS = 1024
/** Terms that a commit merges for each that it adds: a lot ends before the next one is full. */
const MERGED_FOR_ADDED = 2

const WRITES = {
  add: 'INSERT INTO event_metadata_new (seq, key, workspace, value) VALUES (?, ?, ?, ?)',
  insert: 'INSERT INTO event_metadata (workspace, key, value, status, seq) VALUES (?, ?, ?, ?, ?)',
  delete: 'DELETE FROM event_metadata WHERE workspace = ? AND key = ? AND value = ? AND status = ? AND seq = ?',
  lastOfLot: 'SELECT seq FROM event_metadata_new ORDER BY seq LIMIT 1 OFFSET ?',
  lot: 'SELECT seq, key FROM event_metadata_new WHERE seq <= ? ORDER BY workspace, key, value, seq',
  // The event's status is that of now. One that was merged before, by a lot that was not finished, is left as it is.
  merge:
    'INSERT OR IGNORE INTO event_metadata (workspace, key, value, status, seq) SELECT n.workspace, n.key, n.value, e.status, n.seq ' +
    'FROM event_metadata_new n CROSS JOIN events e ON e.seq = n.seq WHERE n.seq = ? AND n.key = ?',
  finish: 'DELETE FROM event_metadata_new WHERE seq <= ?',
} as const

/** The oldest terms that wait, in the index's order. */
interface Lot {
  terms: [seq: number, key: string][]
  mergedCount: number
  lastSeq: number
}

/**
 * The writer's part of the metadata index, `event_metadata`. The values of events that come one after the other lie far apart in it, so that each
 * would dirty a page of its own. So new terms are appended to `event_metadata_new`, which readers look through besides, and merged into the index in
 * lots of some thousands, in its order: what goes to one page goes there together. PostgreSQL's GIN indexes do the same
 * (https://www.postgresql.org/docs/current/gin.html, "GIN Fast Update Technique").
 *
 * A lot is merged bit by bit, with the commits that add terms, so that none of them waits long. Its terms are forgotten together, at its end: until then
 * readers take them from `event_metadata_new` alone. Which ones have been merged is known in memory only; after a crash or a rollback the lot is
 * merged anew, which changes nothing for those that were.
 */
export class MetadataIndex {
  readonly #sql
  #lot: Lot | undefined
  /** Terms added since the last lot was begun. */
  #added = 0
  /** Those of the transaction under way. */
  #adding = 0
  #isBusy = false
  #busyLooks = 0

  constructor(db: DatabaseSync) {
    this.#sql = prepareAll(db, WRITES)
    this.#sql.lot.setReturnArrays(true)
  }

  /** @param metadata that of a new event, JSON object text */
  add(workspace: number, seq: number, metadata: string): void {
    for (const [key, value] of metadataTerms(metadata)) {
      this.#sql.add.run(seq, key, workspace, value)
      this.#adding++
    }
  }

  /** After the event's status was changed. What is yet to be merged will come with the new one. */
  changeStatus(workspace: number, seq: number, metadata: string, from: number, to: number): void {
    for (const [key, value] of metadataTerms(metadata)) {
      const { changes } = this.#sql.delete.run(workspace, key, value, from, seq)
      if (changes === 1) this.#sql.insert.run(workspace, key, value, to, seq)
    }
  }

  /** Of an event that is deleted. What is yet to be merged finds no event then. */
  remove(workspace: number, seq: number, metadata: string, status: number): void {
    for (const [key, value] of metadataTerms(metadata)) this.#sql.delete.run(workspace, key, value, status, seq)
  }

  /** At the end of each transaction: merges in proportion to what it adds. */
  mergeSome(): void {
    this.#added += this.#adding
    if (this.#adding > 0) this.#isBusy = true
    if (this.#lot === undefined && this.#added >= LOT_TERMS) this.#beginLot()
    this.#merge(MERGED_FOR_ADDED * this.#adding)
    this.#adding = 0
  }

  /**
   * Now and then, in a transaction of its own: merges what is left when no new terms come. While they come, their commits do that, and lots may grow.
   * @returns whether to look again: soon, later (commits may have brought some until then), or not
   */
  mergeIdle(): 'soon' | 'later' | 'never' {
    const isBusy = this.#isBusy
    this.#isBusy = false
    this.#busyLooks = isBusy && this.#lot === undefined ? this.#busyLooks + 1 : 0
    if (this.#lot === undefined && (!isBusy || this.#busyLooks === BUSY_LOOKS)) this.#beginLot()
    if (isBusy) return 'later'
    if (this.#lot === undefined) return 'never'
    this.#merge(IDLE_TERMS)
    return 'soon'
  }

  /** Before events are put where others may have been. */
  mergeAll(): void {
    do {
      this.#merge(Number.POSITIVE_INFINITY)
      this.#beginLot()
    } while (this.#lot !== undefined)
  }

  /** After a rollback, which took back what was merged. */
  rollBack(): void {
    this.#lot = undefined
    this.#adding = 0
  }

  #beginLot(): void {
    this.#added = 0
    const lastSeq = Number(this.#sql.lastOfLot.get(LOT_TERMS)?.['seq'] ?? Number.MAX_SAFE_INTEGER)
    // The statement gives its two columns as arrays.
    const terms = this.#sql.lot.all(lastSeq) as unknown as Lot['terms']
    const newest = terms.reduce((newest, [seq]) => Math.max(newest, seq), 0)
    this.#lot = terms.length === 0 ? undefined : { terms, mergedCount: 0, lastSeq: newest }
  }

  #merge(limit: number): void {
    const lot = this.#lot
    if (lot === undefined) return
    const terms = lot.terms.slice(lot.mergedCount, lot.mergedCount + limit)
    for (const [seq, key] of terms) this.#sql.merge.run(seq, key)
    lot.mergedCount += terms.length
    if (lot.mergedCount < lot.terms.length) return
    this.#sql.finish.run(lot.lastSeq)
    this.#lot = undefined
  }
}
