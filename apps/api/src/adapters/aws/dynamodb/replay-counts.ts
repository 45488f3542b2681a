import type { DynamoContext } from './context.ts'
import type { Key, Write } from './notation.ts'

export const replayKey = (replayId: string): Key => ({ pk: `replay#${replayId}`, sk: '-' })

/** Names a replay that runs, walked or not, for who ends those of a webhook. */
export const replayOfWebhookKey = (webhookId: string, replayId: string): Key => ({ pk: `webhook#${webhookId}`, sk: `replay#${replayId}` })

export const RUNNING_REPLAYS = 'running-replays'

/** Names a replay whose walk goes on, for who does it. */
export const runningReplayKey = (replayId: string): Key => ({ pk: RUNNING_REPLAYS, sk: replayId })

/** What became of deliveries of a replay that were open (pending or held). */
export interface ReplayEnds {
  delivered?: number | undefined
  dead?: number | undefined
  cancelled?: number | undefined
}

/**
 * Counts ends in the transaction of what ends the deliveries. `completeReplay` is to follow; a replay that waits for it is read as completed
 * all the same.
 */
export function replayCountWrite(replayId: string, { delivered = 0, dead = 0, cancelled = 0 }: ReplayEnds): Write {
  return {
    table: 'webhooks',
    key: replayKey(replayId),
    update: 'ADD delivered :delivered, dead :dead, cancelled :cancelled, #open :open',
    names: { open: 'open' },
    values: { delivered, dead, cancelled, open: -(delivered + dead + cancelled) },
  }
}

/** The replay runs, its walk is at its end, and nothing of it is open. */
export const IS_DONE = '#status = :running AND isWalked = :true AND #open <= :zero'
export const DONE_NAMES = { status: 'status', open: 'open' }
export const DONE_VALUES = { running: 'running', true: true, zero: 0 }

/** Completes the replay if its walk is at its end and nothing of it is open; else, or when it has ended, nothing is done. */
export async function completeReplay({ dynamo, clock }: DynamoContext, replayId: string): Promise<void> {
  const item = await dynamo.get('webhooks', replayKey(replayId))
  if (item?.['status'] !== 'running' || item['isWalked'] !== true || item['open'] > 0) return
  // Refused: another was faster, or a delivery of it was made in this moment.
  await dynamo.transact([
    {
      table: 'webhooks',
      key: replayKey(replayId),
      update: 'SET #status = :completed, completedAtUs = :us',
      condition: IS_DONE,
      names: DONE_NAMES,
      values: { ...DONE_VALUES, completed: 'completed', us: Math.max(item['createdAtUs'], clock.nowUs()) },
    },
    { table: 'webhooks', remove: replayOfWebhookKey(item['webhookId'], replayId) },
  ])
}
