import type { Clock } from '../../../ports.ts'
import type { Dynamo } from './client.ts'
import type { ClockGuard } from './clock-guard.ts'
import type { CommitClock } from './commit-clock.ts'
import type { Workspaces } from './workspaces.ts'

/** What every part of the store is built from. */
export interface DynamoContext {
  dynamo: Dynamo
  clock: Clock
  commitClock: CommitClock
  workspaces: Workspaces
  /** How long events live. */
  eventTtlUs: number
  /** An event is in lists when it is older than this. */
  settleUs: number
  /** Knows how far our clock is out; absent where nobody asks. */
  guard?: ClockGuard
  /** Fields that events have an index by, written (`all`) and ready to be read by (`ready`, which may grow: look at each use). */
  indexes: { all: readonly string[]; ready: readonly string[] }
}

/** What access needs of it. */
export type AccessContext = Pick<DynamoContext, 'dynamo' | 'clock' | 'commitClock' | 'workspaces'>

/** Deliveries are kept so much longer than their events. */
export const DELIVERY_EXTRA_US = 86_400e6

/** The TTL attribute of an item that is of no use from that time on: a day later, since reads judge by the microsecond, and clocks differ. */
export const ttlOf = (expiresAtUs: number): number => Math.ceil(expiresAtUs / 1e6) + 86_400
