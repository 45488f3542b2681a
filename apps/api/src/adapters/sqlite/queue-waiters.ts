/** Those who wait for something to happen. */
export interface Waiters {
  /** Resolves after that long at the latest; sooner when all are woken, or by the signal. It leaves no timer and no listener behind. */
  wait(ms: number, signal: AbortSignal | undefined): Promise<void>
  wakeAll(): void
}

export function createWaiters(): Waiters {
  const wakes = new Set<() => void>()
  return {
    wait: (ms, signal) =>
      new Promise((resolve) => {
        const wake = () => {
          clearTimeout(timer)
          signal?.removeEventListener('abort', wake)
          wakes.delete(wake)
          resolve()
        }
        const timer = setTimeout(wake, ms)
        // Who waits for work does not keep the process alive.
        timer.unref()
        signal?.addEventListener('abort', wake)
        wakes.add(wake)
      }),
    wakeAll: () => {
      for (const wake of [...wakes]) wake()
    },
  }
}
