import type { Clock } from '../ports.ts'

/** A clock that stands still until it is moved. */
export class FakeClock implements Clock {
  #us = Date.parse('2025-11-21T08:00:00Z') * 1000

  nowUs(): number {
    return this.#us
  }

  advance({ days = 0, hours = 0, seconds = 0, us = 0 }: { days?: number; hours?: number; seconds?: number; us?: number }): void {
    this.#us += ((days * 24 + hours) * 3600 + seconds) * 1e6 + us
  }
}
