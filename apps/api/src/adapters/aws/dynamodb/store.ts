import type { Clock, RateLimiter, Store } from '../../../ports.ts'
import { createAccessStore } from './access.ts'
import { createDynamo } from './client.ts'
import { createClockGuard } from './clock-guard.ts'
import { CommitClock } from './commit-clock.ts'
import type { DynamoOptions } from './connection.ts'
import type { DynamoContext } from './context.ts'
import { createDeliveryStore } from './deliveries.ts'
import { createEventStore } from './events.ts'
import { migrate } from './migrations.ts'
import { createMoveStore } from './move-store.ts'
import { createOutboxStore } from './outbox.ts'
import { beginOutbox } from './outbox-mark.ts'
import { createDynamoRateLimiter } from './rate-limiter.ts'
import { createReplayStore } from './replays.ts'
import { checkTables, watchIndexes } from './schema.ts'
import { createWebhookStore } from './webhooks.ts'
import { createWorkspaces } from './workspaces.ts'

export interface DynamoStoreOptions extends Omit<DynamoOptions, 'onAnswer'> {
  clock: Clock
  eventTtlDays: number
  /** An event is in lists when it is older than this. */
  settleMs: number
  /** Fields that events have an index by: `source`, `event_type`, `priority`, `metadata.<key>`. */
  eventIndexes: readonly string[]
  /** Over how many partitions a new workspace's events are spread: a power of two. */
  shards: number
  /** Whether tables that are missing are made, and others brought to this program's schema. */
  makeTables: boolean
  /** Whether DynamoDB's clock is watched, and nothing written while ours is too far from it. */
  guardClock?: boolean
}

export interface DynamoStore extends Store {
  /** On the same connections: all processes share each bucket. */
  limiter: RateLimiter
}

/**
 * The store on DynamoDB. Any number of processes may have it open.
 * @throws Error in words for the operator, when it cannot be used
 */
export async function openDynamoStore(options: DynamoStoreOptions): Promise<DynamoStore> {
  const { clock, eventIndexes } = options
  const settleUs = options.settleMs * 1000
  const guard = options.guardClock ? createClockGuard({ clock, limitUs: settleUs / 2 }) : undefined
  const dynamo = createDynamo({ ...options, onAnswer: guard?.observe })
  try {
    if (options.makeTables) await migrate(dynamo, { clock, eventFields: eventIndexes })
    const indexes = await checkTables(dynamo, eventIndexes)
    await beginOutbox(dynamo, clock)
    const context: DynamoContext = {
      dynamo,
      clock,
      commitClock: new CommitClock(clock),
      workspaces: createWorkspaces(dynamo, clock, options.shards),
      eventTtlUs: options.eventTtlDays * 86_400e6,
      settleUs,
      ...(guard !== undefined && { guard }),
      indexes,
    }
    return storeOf(context, watchIndexes(context, eventIndexes))
  } catch (error) {
    dynamo.close()
    throw error
  }
}

function storeOf(context: DynamoContext, endWatch: () => void): DynamoStore {
  const events = createEventStore(context)
  const outbox = createOutboxStore(context, events.onCommit)
  return {
    ...events,
    ...createAccessStore(context),
    ...createWebhookStore(context),
    ...createReplayStore(context),
    ...createDeliveryStore(context),
    ...createMoveStore(context),
    ...outbox,
    limiter: createDynamoRateLimiter(context.dynamo, context.clock),
    // DynamoDB removes what has expired by itself: every item has its TTL.
    sweep: async () => false,
    async close() {
      endWatch()
      outbox.close()
      await events.close()
      context.dynamo.close()
    },
  }
}
