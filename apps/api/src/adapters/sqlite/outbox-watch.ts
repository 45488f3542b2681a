import type { OutboxStore } from '../../webhook-ports.ts'

/** Who waits for something new in the outbox. */
export class OutboxWatch {
  readonly #listeners = new Set<() => void>()

  readonly watchOutbox: OutboxStore['watchOutbox'] = (listener) => {
    // The same function twice is two watchers.
    const call = () => listener()
    this.#listeners.add(call)
    return () => this.#listeners.delete(call)
  }

  notify(): void {
    for (const listener of this.#listeners) listener()
  }
}
