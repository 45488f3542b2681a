import type { ReplayRecord, ReplayStore } from '../../../webhook-ports.ts'
import { chunksOf } from './client.ts'
import { type DynamoContext, ttlOf } from './context.ts'
import { entryPage } from './entry-page.ts'
import type { Item, Key } from './notation.ts'
import { RUNNING_REPLAYS, replayKey, runningReplayKey } from './replay-counts.ts'
import { isRunning, readReplays } from './replay-ends.ts'
import { replayOf } from './replay-item.ts'

const listOf = (webhookId: string): string => `replays#${webhookId}`

/** Where a replay is listed. As texts, the times sort like numbers. */
export function replayEntryKey(webhookId: string, replayId: string, createdAtUs: number): Key {
  return { pk: listOf(webhookId), sk: `${String(createdAtUs).padStart(16, '0')}#${replayId}` }
}

export function replayLists(context: DynamoContext): Pick<ReplayStore, 'listReplays' | 'listRunningReplays'> {
  const { dynamo } = context
  return {
    async listReplays({ webhookId, limit, after }) {
      const { values, next } = await entryPage(dynamo, { pk: listOf(webhookId), order: 'desc', limit, after }, async (entries) => {
        const replays = await readReplays(
          context,
          entries.map((entry) => entry['replayId']),
        )
        const found = new Map<Item, ReplayRecord>()
        for (const entry of entries) {
          const replay = replays.get(entry['replayId'])
          if (replay !== undefined) found.set(entry, replayOf(replay, context))
        }
        return found
      })
      return { replays: values, next }
    },

    async listRunningReplays({ limit, after }) {
      const { values, next } = await entryPage(dynamo, { pk: RUNNING_REPLAYS, order: 'asc', limit, after }, async (entries) => {
        const replays = await readReplays(
          context,
          entries.map((entry) => entry.sk),
        )
        const found = new Map<Item, string>()
        for (const entry of entries) {
          const replay = replays.get(entry.sk)
          if (replay !== undefined && isRunning(replay, context) && !replay.isWalked) found.set(entry, entry.sk)
          // Its replay ended, and nobody came to remove it.
          else await dynamo.remove('webhooks', runningReplayKey(entry.sk))
        }
        return found
      })
      return { replayIds: values, next }
    },
  }
}

/** Has the replays of a deleted webhook removed, when its deliveries are. */
export async function forgetReplays({ dynamo }: DynamoContext, webhookId: string, expiresAtUs: number): Promise<void> {
  const keys: Key[] = []
  for await (const entry of dynamo.queryAll({ table: 'webhooks', where: 'pk = :pk', values: { pk: listOf(webhookId) } })) {
    keys.push({ pk: entry.pk, sk: entry.sk }, replayKey(entry['replayId']))
  }
  for (const chunk of chunksOf(keys, 100)) {
    await dynamo.execute(
      chunk.map(({ pk, sk }) => ({
        table: 'webhooks',
        text: 'UPDATE $table SET "ttl" = ? WHERE pk = ? AND sk = ?',
        parameters: [ttlOf(expiresAtUs), pk, sk],
      })),
    )
  }
}
