import type { DatabaseSync } from 'node:sqlite'

/**
 * The one order of commits: every event, webhook and delivery takes its place in it, which is its time too. Places rise across the whole
 * file, and none is given twice, not when the clock steps back nor when the newest row is deleted.
 */
export class CommitClock {
  readonly #read
  readonly #write
  #nowUs = 0
  #stored = 0
  #last = 0

  constructor(db: DatabaseSync) {
    this.#read = db.prepare('SELECT last_seq FROM commit_clock')
    this.#write = db.prepare('UPDATE commit_clock SET last_seq = ?')
  }

  /** At the beginning of a transaction: read anew each time, as another process may have written to the file. */
  begin(nowUs: number): void {
    this.#nowUs = nowUs
    this.#stored = Number(this.#read.get()?.['last_seq'])
    this.#last = this.#stored
  }

  /** A place behind all others. */
  next(): number {
    this.#last = Math.max(this.#nowUs, this.#last + 1)
    return this.#last
  }

  /** Nothing gets this place or one before it any more. */
  pass(place: number): void {
    this.#last = Math.max(this.#last, place)
  }

  /** Before the commit. */
  save(): void {
    if (this.#last !== this.#stored) this.#write.run(this.#last)
  }
}
