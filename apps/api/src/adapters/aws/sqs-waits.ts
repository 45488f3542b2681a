/** What ends a receiver's waiting, beside its time. */
export interface End {
  isReached(): boolean
  /** Resolves when it is. */
  reached: Promise<void>
  /** The receiver has its answer: no listener stays behind. */
  forget(): void
}

export interface Ends {
  /** Of one receiver: by its signal, or by `close`. */
  of(signal: AbortSignal | undefined): End
  close(): void
  isClosed(): boolean
}

export function createEnds(): Ends {
  const waiting = new Set<() => void>()
  let closed = false
  return {
    of(signal) {
      const { promise: reached, resolve } = Promise.withResolvers<void>()
      const reach = () => resolve()
      waiting.add(reach)
      signal?.addEventListener('abort', reach)
      return {
        isReached: () => closed || signal?.aborted === true,
        reached,
        forget() {
          waiting.delete(reach)
          signal?.removeEventListener('abort', reach)
        },
      }
    },
    close() {
      closed = true
      for (const reach of [...waiting]) reach()
    },
    isClosed: () => closed,
  }
}
