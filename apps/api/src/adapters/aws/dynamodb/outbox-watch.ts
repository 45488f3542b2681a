import type { OutboxStore } from '../../../webhook-ports.ts'

/** Hints are told so far apart at least. */
const STEP_MS = 50

/** Who waits for something new in the outbox. */
export interface OutboxWatch {
  watchOutbox: OutboxStore['watchOutbox']
  /** Events were committed just now. @param visibleInMs when the outbox shows them */
  committed(visibleInMs: number): void
  /** Nobody is told anything more. */
  close(): void
}

export function createOutboxWatch(): OutboxWatch {
  const listeners = new Set<() => void>()
  const timers = new Set<NodeJS.Timeout>()
  let lastDueMs = 0

  const tell = (): void => {
    for (const listener of listeners) listener()
  }

  return {
    watchOutbox(listener) {
      // The same function twice is two watchers.
      const call = () => listener()
      listeners.add(call)
      return () => listeners.delete(call)
    },

    /** Tells at once, which costs little where nothing is to be seen yet, and when there is: no commit waits for another hint than its own. */
    committed(visibleInMs) {
      tell()
      const nowMs = performance.now()
      const dueMs = Math.ceil((nowMs + visibleInMs) / STEP_MS) * STEP_MS
      // Who comes in the same step shares the hint.
      if (dueMs <= lastDueMs) return
      lastDueMs = dueMs
      const timer = setTimeout(() => {
        timers.delete(timer)
        tell()
      }, dueMs - nowMs)
      timer.unref()
      timers.add(timer)
    },

    close() {
      listeners.clear()
      for (const timer of timers) clearTimeout(timer)
      timers.clear()
    },
  }
}
