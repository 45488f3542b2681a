import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { newUuid } from '../../../uuid.ts'
import { type DynamoContext, ttlOf } from './context.ts'
import { PENDING_INDEX } from './tables.ts'

/** How often a probe is sent while anybody asks. */
const PROBE_MS = 10_000
/** For how long what was measured counts. */
const REMEMBERED_MS = 300_000
/** A probe that has not come by then is lost. */
const LOST_MS = 600_000
const FIRST_LOOK_MS = 5
const LONGEST_LOOK_MS = 250

/** How late the indexes of the events are. */
export interface IndexLag {
  /** A list that is read from an index shows what is older than this. */
  windowUs(): number
  /** To be told of every read of an index: only then it is measured. */
  asked(): void
}

/**
 * An index follows its table late: by some milliseconds as a rule, by seconds or minutes when DynamoDB is in trouble. A reader that follows cursors must
 * not pass an event that is not in the index yet. So an event of nobody's is written now and then, and looked for in the index; the window is
 * twice the longest that one of the last five minutes took, or takes, to show up. With the settling window, half of which is for the write itself,
 * that is enough for an index that is as late for everyone. One partition may be later than others: what comes after the window is behind those readers'
 * cursors, and found by their next pass from the start.
 */
export function createIndexLag({ dynamo, clock, settleUs }: Pick<DynamoContext, 'dynamo' | 'clock' | 'settleUs'>): IndexLag {
  // No workspace's name begins like this.
  const partition = `#probe#${randomUUID()}`
  let measured: { atMs: number; lagMs: number }[] = []
  let askedAtMs = Number.NEGATIVE_INFINITY
  /** When the probe was written that is not in the index yet. */
  let waitingSinceMs: number | undefined
  let isUnderWay = false

  const isInIndex = async (sk: string): Promise<boolean> => {
    const values = { pk: partition, sk }
    const { items } = await dynamo.query({ table: 'events', index: PENDING_INDEX, where: 'pending = :pk AND sk = :sk', values, limit: 1 })
    return items.length > 0
  }

  async function probe(): Promise<void> {
    const sk = newUuid(clock.nowUs())
    await dynamo.put('events', { pk: partition, sk, pending: partition, ttl: ttlOf(clock.nowUs()) })
    const writtenAtMs = performance.now()
    waitingSinceMs = writtenAtMs
    for (let waitMs = FIRST_LOOK_MS; performance.now() - writtenAtMs < LOST_MS; waitMs = Math.min(waitMs * 2, LONGEST_LOOK_MS)) {
      if (await isInIndex(sk)) break
      await sleep(waitMs, undefined, { ref: false })
    }
    measured.push({ atMs: performance.now(), lagMs: performance.now() - writtenAtMs })
  }

  return {
    windowUs() {
      const nowMs = performance.now()
      measured = measured.filter(({ atMs }) => nowMs - atMs < REMEMBERED_MS)
      const waitingMs = waitingSinceMs === undefined ? 0 : nowMs - waitingSinceMs
      const longestMs = Math.max(waitingMs, ...measured.map(({ lagMs }) => lagMs))
      return Math.max(settleUs, Math.ceil(2 * longestMs * 1000))
    },

    asked() {
      if (isUnderWay || performance.now() - askedAtMs < PROBE_MS) return
      askedAtMs = performance.now()
      isUnderWay = true
      probe()
        // One that fails, or ends with the store, tells nothing; the next one is asked for again.
        .catch(() => undefined)
        .finally(() => {
          isUnderWay = false
          waitingSinceMs = undefined
        })
    },
  }
}
