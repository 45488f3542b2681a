import { type CreateResult, type EventStore, type NewEvent, StoreUnavailableError } from '../../../ports.ts'
import { createActivity } from './activity.ts'
import type { DynamoContext } from './context.ts'
import { createEventBatches } from './event-batches.ts'
import { checkWritable, type EventWriteDeps, NO_RESULT, type TimedEvent, writeEvents } from './event-write.ts'
import { type KeyedWrite, writeKeyed } from './idempotency.ts'
import type { Undo } from './undo-writes.ts'
import type { Workspace } from './workspaces.ts'

/** A minute ends between an announcement and the times at most this often. */
const MAX_ANNOUNCEMENTS = 5

/** @param committed called after each commit of new events */
export function createCreateEvents(context: DynamoContext, undo: Undo, committed: () => void): EventStore['createEvents'] {
  const deps: EventWriteDeps = { context, undo }
  const activity = createActivity(context)
  const batches = createEventBatches({ ...deps, activity, committed })

  /** Gives the events their times, which rise. */
  async function timesOf(workspace: Workspace, events: readonly NewEvent[]): Promise<TimedEvent[]> {
    const { workspaceId } = workspace
    for (let tries = 1; tries <= MAX_ANNOUNCEMENTS; tries++) {
      const sinceMs = performance.now()
      const timed = events.map((event) => ({ workspace, event, us: context.commitClock.next(), sinceMs }))
      const unknown = timed.filter(({ us }) => !activity.isAnnounced(workspaceId, us))
      if (unknown.length === 0) return timed
      await Promise.all(unknown.map(({ us }) => activity.announce(workspaceId, us)))
    }
    throw new StoreUnavailableError('DynamoDB: events could not be announced in time.')
  }

  /** Events some of which have a key: each of these in a transaction of its own, those without one in a batch of this call. */
  async function writeWithKeys(workspace: Workspace, events: readonly NewEvent[]): Promise<KeyedWrite[]> {
    const timed = await timesOf(workspace, events)
    const without = timed.filter(({ event }) => event.idempotency === undefined)
    const byKey = Map.groupBy(
      timed.filter(({ event }) => event.idempotency !== undefined),
      ({ event }) => event.idempotency?.key,
    )
    const results = new Map<TimedEvent, KeyedWrite>()
    await Promise.all([
      writeEvents(deps, without).then((written) => {
        for (const [index, one] of without.entries()) results.set(one, written[index] ?? NO_RESULT)
      }),
      // One key's events one after the other: the first makes the others replays.
      ...[...byKey.values()].map(async (same) => {
        for (const one of same) if (one.event.idempotency) results.set(one, await writeKeyed(deps, one, one.event.idempotency))
      }),
    ])
    if ([...results.values()].some(({ outcome }) => outcome === 'created')) committed()
    return timed.map((one) => results.get(one) ?? NO_RESULT)
  }

  return async (workspaceId, events) => {
    if (events.length === 0) return []
    checkWritable(deps)
    const workspace = await context.workspaces.findOrMake(workspaceId)
    const hasKeys = events.some(({ idempotency }) => idempotency !== undefined)
    return resultsOf(hasKeys ? await writeWithKeys(workspace, events) : await batches.write(workspace, events))
  }
}

/** @throws the reason, when nothing could be stored; or when it is a fault of ours */
function resultsOf(written: readonly KeyedWrite[]): CreateResult[] {
  const failed = written.filter((one) => one.outcome === 'failed')
  const fault = failed.find(({ error }) => !(error instanceof StoreUnavailableError))
  if (fault !== undefined) throw fault.error
  if (failed.length === written.length) throw failed[0]?.error
  return written.map((one) => (one.outcome === 'failed' ? { outcome: 'unavailable' } : one))
}
