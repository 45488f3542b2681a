import type { NewAuditEntry } from '../../../ports.ts'
import { mapAtOnce } from './at-once.ts'
import { auditWrite } from './audit.ts'
import { BATCH_WRITES, chunksOf, type Dynamo } from './client.ts'
import type { DynamoContext } from './context.ts'
import { DynamoError } from './errors.ts'
import type { Write } from './notation.ts'
import { completeReplay, DONE_NAMES, DONE_VALUES, IS_DONE, replayKey, replayOfWebhookKey, runningReplayKey } from './replay-counts.ts'
import { type ReplayAttributes, replayAttributes, replayOf } from './replay-item.ts'

/** How replays end before they are completed. */
export type ReplayEnd = 'cancelled' | 'failed'

/** How many replays are ended at once, each in a transaction of its own. */
const AT_ONCE = 8

const idOf = (pk: string): string => pk.slice(replayKey('').pk.length)

/** Strongly consistent, by id. One that nobody came to complete is completed by that. */
export async function readReplays(context: DynamoContext, replayIds: readonly string[]): Promise<Map<string, ReplayAttributes>> {
  const read = async (ids: readonly string[]) => {
    const items = await context.dynamo.batchGet('webhooks', ids.map(replayKey))
    return items.flatMap((item) => {
      const attributes = replayAttributes(item)
      return attributes === undefined ? [] : [[idOf(item.pk), attributes] as const]
    })
  }
  const found = new Map(await read(replayIds))
  const done = [...found].filter(([, attributes]) => isDone(attributes)).map(([id]) => id)
  if (done.length === 0) return found
  for (const id of done) await completeReplay(context, id)
  for (const [id, attributes] of await read(done)) found.set(id, attributes)
  return found
}

export async function readReplay(context: DynamoContext, replayId: string): Promise<ReplayAttributes | undefined> {
  return (await readReplays(context, [replayId])).get(replayId)
}

/** @returns false when it has ended already */
export async function endReplay(
  context: DynamoContext,
  replayId: string,
  status: ReplayEnd,
  audit: NewAuditEntry | null,
): Promise<boolean> {
  const found = await readReplay(context, replayId)
  if (found === undefined || !isRunning(found, context)) return false
  const refusals = await context.dynamo.transact([
    endWrite(context, replayId, found, status),
    { table: 'webhooks', remove: replayOfWebhookKey(found.webhookId, replayId) },
    { table: 'webhooks', remove: runningReplayKey(replayId) },
    ...(audit === null ? [] : [auditWrite(audit, context.commitClock.next())]),
  ])
  // Refused: it ended a moment ago, or is to be completed.
  return refusals === undefined
}

/** For a transaction, which fails when the replay has ended or is to be completed. */
export function endWrite(
  { clock }: Pick<DynamoContext, 'clock'>,
  replayId: string,
  { createdAtUs }: ReplayAttributes,
  status: ReplayEnd,
): Write {
  return {
    table: 'webhooks',
    key: replayKey(replayId),
    update: 'SET #status = :status, completedAtUs = :us REMOVE stepToken, stepEndsUs, stepFromUs',
    condition: `#status = :running AND NOT (${IS_DONE})`,
    names: DONE_NAMES,
    values: { ...DONE_VALUES, status, us: Math.max(createdAtUs, clock.nowUs()) },
  }
}

/** The replays of a webhook that run, by id. */
export async function runningReplaysOf(context: DynamoContext, webhookId: string): Promise<Map<string, ReplayAttributes>> {
  const { dynamo } = context
  const { pk, sk } = replayOfWebhookKey(webhookId, '')
  const ids: string[] = []
  for await (const entry of dynamo.queryAll({ table: 'webhooks', where: 'pk = :pk AND begins_with(sk, :sk)', values: { pk, sk } })) {
    ids.push(entry.sk.slice(sk.length))
  }
  const found = await readReplays(context, ids)
  const running = new Map([...found].filter(([, attributes]) => isRunning(attributes, context)))
  await forgetEntries(
    dynamo,
    webhookId,
    ids.filter((id) => !running.has(id)),
  )
  return running
}

/** Ends what did not fit into the transaction that ends their webhook. Those that end otherwise meanwhile are passed over. */
export async function endReplays(context: DynamoContext, replayIds: readonly string[], status: ReplayEnd): Promise<void> {
  await mapAtOnce(replayIds, AT_ONCE, (id) => endReplay(context, id, status, null))
}

/** Removes what names ended replays as running. It is no harm when it fails: who reads such an entry looks at the replay, too. */
export async function forgetEntries(dynamo: Dynamo, webhookId: string, replayIds: readonly string[]): Promise<void> {
  const keys = replayIds.flatMap((id) => [replayOfWebhookKey(webhookId, id), runningReplayKey(id)])
  try {
    for (const chunk of chunksOf(keys, BATCH_WRITES)) {
      await dynamo.batchWrite(
        'webhooks',
        chunk.map((remove) => ({ remove })),
      )
    }
  } catch (error) {
    if (!(error instanceof DynamoError)) throw error
  }
}

export function isRunning(attributes: ReplayAttributes, context: Pick<DynamoContext, 'clock' | 'eventTtlUs'>): boolean {
  return replayOf(attributes, context).status === 'running' && !isDone(attributes)
}

function isDone({ status, isWalked, open }: ReplayAttributes): boolean {
  return status === 'running' && isWalked && open <= 0
}
