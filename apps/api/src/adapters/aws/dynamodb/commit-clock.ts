import type { Clock } from '../../../ports.ts'

/** Times for what this process writes: each later than the one before, whatever the clock does. Between processes the order is that of their clocks. */
export class CommitClock {
  readonly #clock: Clock
  #last = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** What `next` would give now. */
  peek(): number {
    return Math.max(this.#clock.nowUs(), this.#last + 1)
  }

  next(): number {
    this.#last = this.peek()
    return this.#last
  }
}
