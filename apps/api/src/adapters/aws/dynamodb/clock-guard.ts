import type { Clock } from '../../../ports.ts'

/** What one answer tells is of use for as long as clocks do not drift by much. */
const SPAN_US = 10e6
const SPANS = 18
/** `Date` is in whole seconds, cut off; and the servers of a service agree so well. */
const SECOND_US = 1e6
const SLACK_US = 20_000

/** How far our clock is ahead of DynamoDB's, negative when it is behind: between these for certain. */
interface Bounds {
  leastUs: number
  mostUs: number
}

/**
 * Compares this server's clock with DynamoDB's, by the times in its answers: the order of events is that of the clocks of all servers.
 * Each answer says little, for its time is in whole seconds; many together say it to some milliseconds.
 */
export type ClockGuard = ReturnType<typeof createClockGuard>

/** @param limitUs how far the clock may be out in either direction */
export function createClockGuard({ clock, limitUs }: { clock: Clock; limitUs: number }) {
  /** By spans of time, the oldest first. */
  let spans: (Bounds & { fromUs: number })[] = []

  function known(): Bounds {
    const nowUs = clock.nowUs()
    spans = spans.filter(({ fromUs }) => Math.abs(nowUs - fromUs) < SPAN_US * SPANS)
    return {
      leastUs: Math.max(...spans.map(({ leastUs }) => leastUs)),
      mostUs: Math.min(...spans.map(({ mostUs }) => mostUs)),
    }
  }

  return {
    /** @param serverMs by DynamoDB's clock, in whole seconds @param askedUs by ours, as the next */
    observe(serverMs: number, askedUs: number, answeredUs: number): void {
      const seen = { leastUs: askedUs - serverMs * 1000 - SECOND_US - SLACK_US, mostUs: answeredUs - serverMs * 1000 + SLACK_US }
      // The clock was set while it was asked.
      if (seen.leastUs > seen.mostUs) return
      const { leastUs, mostUs } = known()
      // A clock was set since: only what is seen from now on counts.
      if (seen.leastUs > mostUs || seen.mostUs < leastUs) spans = []
      const last = spans.at(-1)
      if (last === undefined || Math.abs(answeredUs - last.fromUs) >= SPAN_US) {
        spans.push({ ...seen, fromUs: answeredUs })
      } else {
        last.leastUs = Math.max(last.leastUs, seen.leastUs)
        last.mostUs = Math.min(last.mostUs, seen.mostUs)
      }
    },

    /** By how much the clock is ahead at least; 0 when it may be right or behind. */
    leadUs(): number {
      return Math.max(0, known().leastUs)
    },

    /** What is wrong, for the operator's log; undefined while the clock may be right. */
    problem(): string | undefined {
      const { leastUs, mostUs } = known()
      if (leastUs > limitUs) return problemOf(leastUs, 'ahead of', limitUs)
      if (mostUs < -limitUs) return problemOf(-mostUs, 'behind', limitUs)
      return undefined
    },
  }
}

function problemOf(outUs: number, direction: string, limitUs: number): string {
  const [out, limit] = [outUs, limitUs].map((us) => Math.round(us / 1000))
  return `The clock of this server is ${out} ms or more ${direction} DynamoDB's; events are taken when it is within ${limit} ms. Let NTP set it.`
}
