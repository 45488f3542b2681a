import { type NewEvent, StoreUnavailableError } from '../../../ports.ts'
import type { Activity } from './activity.ts'
import { BATCH_WRITES } from './client.ts'
import { BATCH_BYTES, checkWritable, type EventWriteDeps, NO_RESULT, type TimedEvent, type Written, writeEvents } from './event-write.ts'
import type { Workspace } from './workspaces.ts'

/** So many batches under way are sent as soon as there is anything to send. */
const AT_ONCE = 2
/** Full batches may be more: a slow one must not hold up all others. */
const FULL_AT_ONCE = 8
const MAX_QUEUED = 20_000
const MAX_WAIT_MS = 5000

interface Asked {
  workspace: Workspace
  event: NewEvent
  bytes: number
  askedMs: number
  settle(result: Written): void
}

/**
 * Writes the events of all callers in shared batches: a call costs DynamoDB and us about the same, whether it carries one event or 25. None waits
 * for company: what comes while batches are under way makes up the next one.
 */
export function createEventBatches(deps: EventWriteDeps & { activity: Activity; committed(): void }) {
  const { context, activity } = deps
  const queue: Asked[] = []
  /** By workspace, what waits until it is announced. */
  const announcing = new Map<string, Asked[]>()
  let underWay = 0

  function pump(): void {
    while (queue.length > 0 && underWay < (queue.length >= BATCH_WRITES ? FULL_AT_ONCE : AT_ONCE)) {
      const batch = takeBatch()
      if (batch.size > 0) void send(batch)
    }
  }

  /** The next events, each with its time, which is where the order of events is made. */
  function takeBatch(): Map<TimedEvent, Asked> {
    const batch = new Map<TimedEvent, Asked>()
    const sinceMs = performance.now()
    let bytes = 0
    let taken = 0
    for (const asked of queue) {
      if (batch.size === BATCH_WRITES || (batch.size > 0 && bytes + asked.bytes > BATCH_BYTES)) break
      taken++
      const { workspace, event, askedMs } = asked
      const waiting = announcing.get(workspace.workspaceId)
      if (sinceMs - askedMs > MAX_WAIT_MS) {
        asked.settle({ outcome: 'failed', error: new StoreUnavailableError('DynamoDB: an event waited too long for its turn.') })
      } else if (waiting !== undefined) {
        waiting.push(asked)
      } else {
        const next = context.commitClock.peek()
        // No time is used up by an event that is not sent yet.
        const us = activity.isAnnounced(workspace.workspaceId, next) ? context.commitClock.next() : next
        if (activity.isAnnounced(workspace.workspaceId, us)) {
          batch.set({ workspace, event, us, sinceMs }, asked)
          bytes += asked.bytes
        } else {
          announcing.set(workspace.workspaceId, [asked])
          void announce(workspace.workspaceId, us)
        }
      }
    }
    queue.splice(0, taken)
    return batch
  }

  async function announce(workspaceId: string, us: number): Promise<void> {
    const failure = await activity.announce(workspaceId, us).then(
      () => undefined,
      (error: unknown): Written => ({ outcome: 'failed', error }),
    )
    const waiting = announcing.get(workspaceId) ?? []
    announcing.delete(workspaceId)
    if (failure === undefined) queue.unshift(...waiting)
    else for (const { settle } of waiting) settle(failure)
    pump()
  }

  async function send(batch: ReadonlyMap<TimedEvent, Asked>): Promise<void> {
    underWay++
    const results = await writeAll([...batch.keys()])
    underWay--
    // Before the answers: who is told of an event finds the listeners told, too.
    if (results.some(({ outcome }) => outcome === 'created')) deps.committed()
    for (const [index, { settle }] of [...batch.values()].entries()) settle(results[index] ?? NO_RESULT)
    pump()
  }

  async function writeAll(events: readonly TimedEvent[]): Promise<Written[]> {
    try {
      checkWritable(deps)
      return await writeEvents(deps, events)
    } catch (error) {
      return events.map(() => ({ outcome: 'failed', error }))
    }
  }

  return {
    /** One result each, in order; the times of those that are stored rise. */
    async write(workspace: Workspace, events: readonly NewEvent[]): Promise<Written[]> {
      const askedMs = performance.now()
      if (queue.length + events.length > MAX_QUEUED) throw new StoreUnavailableError('DynamoDB: too many events wait for their turn.')
      const results = events.map((event) => {
        const { promise, resolve } = Promise.withResolvers<Written>()
        const bytes = Buffer.byteLength(event.payload) + Buffer.byteLength(event.metadata)
        queue.push({ workspace, event, bytes, askedMs, settle: resolve })
        return promise
      })
      pump()
      return await Promise.all(results)
    },
  }
}
