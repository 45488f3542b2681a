import { setTimeout as sleep } from 'node:timers/promises'
import type { MoveStore } from '../../../move-ports.ts'
import type { DynamoContext } from './context.ts'
import { lowestId, timeOf } from './ids.ts'
import { importDeliveries, importReplays } from './move-deliveries-in.ts'
import { importEvents, importIdempotencyKeys } from './move-events-in.ts'
import { listIdempotencyKeys, listWholeDeliveries } from './move-out.ts'
import { importApiKeys, importAuditEntries, importWebhooks } from './move-settings-in.ts'

/** Beyond the settling window: the outbox moves in steps. */
const STEPS_MS = 1000

/** The store's part in moving a workspace out, and in. */
export function createMoveStore(context: DynamoContext): MoveStore {
  return {
    settled: () => sleep(context.settleUs / 1000 + STEPS_MS),
    listIdempotencyKeys: (query) => listIdempotencyKeys(context, query),
    listWholeDeliveries: (query) => listWholeDeliveries(context, query),
    // Where a list goes on is an id.
    placeBehind: async (_, eventId) => (timeOf(eventId) === undefined ? lowestId(0) : eventId),
    idAt: async (_, after) => after,
    async importWorkspace(workspaceId) {
      await context.workspaces.findOrMake(workspaceId)
    },
    importEvents: (workspaceId, events) => importEvents(context, workspaceId, events),
    importIdempotencyKeys: (workspaceId, keys) => importIdempotencyKeys(context, workspaceId, keys),
    importApiKeys: (workspaceId, apiKeys) => importApiKeys(context, workspaceId, apiKeys),
    importWebhooks: (workspaceId, webhooks) => importWebhooks(context, workspaceId, webhooks),
    importReplays: (workspaceId, replays) => importReplays(context, workspaceId, replays),
    importDeliveries: (workspaceId, deliveries) => importDeliveries(context, workspaceId, deliveries),
    importAuditEntries: (workspaceId, entries) => importAuditEntries(context, workspaceId, entries),
  }
}
