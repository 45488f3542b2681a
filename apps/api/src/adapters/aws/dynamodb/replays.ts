import type { NewAuditEntry } from '../../../ports.ts'
import type { NewReplay, ReplayRecord, ReplayStore } from '../../../webhook-ports.ts'
import { auditWrite } from './audit.ts'
import type { DynamoContext } from './context.ts'
import { replayOfWebhookKey, runningReplayKey } from './replay-counts.ts'
import { endReplay, readReplay } from './replay-ends.ts'
import { newReplayItem, replayOf } from './replay-item.ts'
import { replayEntryKey, replayLists } from './replay-list.ts'
import { replaySteps } from './replay-steps.ts'
import { webhookKey } from './webhook-item.ts'

export function createReplayStore(context: DynamoContext): ReplayStore {
  const { dynamo, commitClock } = context

  async function createReplay(replay: NewReplay, audit: NewAuditEntry): Promise<ReplayRecord> {
    const { replayId, webhookId } = replay
    const createdAtUs = commitClock.next()
    const item = newReplayItem(replay, createdAtUs)
    const refusals = await dynamo.transact([
      {
        table: 'webhooks',
        key: webhookKey(webhookId),
        // Whoever switches it off or deletes it in this moment sees that there is one more to end.
        update: 'ADD replaysMade :one',
        condition: 'attribute_exists(pk)',
        values: { one: 1 },
      },
      { table: 'webhooks', put: item, condition: 'attribute_not_exists(pk)' },
      { table: 'webhooks', put: { ...replayEntryKey(webhookId, replayId, createdAtUs), replayId } },
      { table: 'webhooks', put: { ...replayOfWebhookKey(webhookId, replayId) } },
      { table: 'webhooks', put: runningReplayKey(replayId) },
      auditWrite(audit, createdAtUs),
    ])
    if (refusals === undefined) return replayOf(item, context)
    if (refusals[1]?.isRefused) throw new Error(`There is a replay ${replayId} already.`)
    // Deleted a moment ago: this one ended with the others of its webhook.
    return replayOf({ ...item, status: 'cancelled', completedAtUs: createdAtUs }, context)
  }

  return {
    createReplay,
    async getReplay(replayId) {
      const found = await readReplay(context, replayId)
      return found && replayOf(found, context)
    },
    ...replayLists(context),
    advanceReplay: replaySteps(context),
    endReplay: (replayId, status, audit) => endReplay(context, replayId, status, audit),
  }
}
