import type { DatabaseSync } from 'node:sqlite'
import { prepareAll } from './database.ts'

/** Events that wait from which on they are merged. */
const LOT_EVENTS = 1024
/** Events of one transaction from which on they go to the indexes' pages together anyway. */
const MANY_EVENTS = 128

const WRITES = {
  // The rows keep their length, so SQLite overwrites a byte of each in place.
  merge: 'UPDATE events SET is_indexed = 1 WHERE is_indexed = 0 AND seq > (SELECT indexed_seq FROM commit_clock WHERE id = 1)',
  // Where there was nothing to merge, the row is as it was, and SQLite writes nothing.
  mark: 'UPDATE commit_clock SET indexed_seq = (SELECT coalesce(max(seq), 0) FROM events)',
} as const

/**
 * The writer's part of the indexes `events_source` and `events_type`. Events that come one after the other go to as many of their pages as there are
 * sources and types, and each commit would write all of these anew. So the indexes leave out new events, which readers look through besides, until
 * there are enough of them: then each page is written once for all.
 */
export class FieldIndexes {
  readonly #sql
  #waiting = 0
  #isMany = false

  constructor(db: DatabaseSync) {
    this.#sql = prepareAll(db, WRITES)
  }

  /** @param events those that the transaction brings, at the most */
  begin(events: number): void {
    this.#isMany = events >= MANY_EVENTS
    if (this.#isMany) this.#sql.merge.run()
  }

  /**
   * Of a new event.
   * @returns its `is_indexed`: 0 when it is stored without its entries
   */
  add(): 0 | 1 {
    if (this.#isMany) return 1
    this.#waiting++
    return 0
  }

  /** At the end of each transaction. */
  mergeSome(): void {
    if (this.#isMany) this.#setMark()
    else if (this.#waiting >= LOT_EVENTS) this.mergeAll()
  }

  /** Those that another run has left, too. */
  mergeAll(): void {
    this.#sql.merge.run()
    this.#setMark()
  }

  #setMark(): void {
    this.#sql.mark.run()
    this.#waiting = 0
  }
}
