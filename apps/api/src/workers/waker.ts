/** A sleep that can be ended. A wake that comes while nobody sleeps ends the next sleep. */
export interface Waker {
  sleep(ms: number): Promise<void>
  wake(): void
}

export function createWaker(): Waker {
  let isWoken = false
  let end: (() => void) | undefined
  return {
    async sleep(ms) {
      if (!isWoken) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, ms)
          end = () => {
            clearTimeout(timer)
            resolve()
          }
        })
      }
      isWoken = false
      end = undefined
    },
    wake() {
      isWoken = true
      end?.()
    },
  }
}

/** How long to wait before the next try, longer each time in a row. */
export function createGrowingWait(firstMs: number, longestMs: number): { next(): number; reset(): void } {
  let ms = firstMs
  return {
    next() {
      const now = ms
      ms = Math.min(ms * 2, longestMs)
      return now
    },
    reset() {
      ms = firstMs
    },
  }
}
