import { systemClock } from '../adapters/system-clock.ts'
import type { Clock } from '../ports.ts'

/** The machine's clock, which a test sets forward over times in which nothing happens: hours of waiting take a moment, and all else its own time. */
export class LeapingClock implements Clock {
  #leaptUs = 0

  nowUs(): number {
    return systemClock.nowUs() + this.#leaptUs
  }

  /** Never back. */
  leapTo(us: number): void {
    this.#leaptUs += Math.max(0, us - this.nowUs())
  }
}
