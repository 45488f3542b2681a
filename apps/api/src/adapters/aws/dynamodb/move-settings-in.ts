import type { ImportOutcome } from '../../../move-ports.ts'
import type { AuditEntry, StoredApiKey } from '../../../ports.ts'
import type { StoredWebhook } from '../../../webhook-ports.ts'
import { apiKeyWrites, storedApiKeyOf } from './api-keys.ts'
import { auditItem } from './audit.ts'
import type { DynamoContext } from './context.ts'
import { timeOf } from './ids.ts'
import { insertItems } from './insert-items.ts'
import { goneKey, webhookItem, webhookOf } from './webhook-item.ts'
import { madeWrites } from './webhooks.ts'

export async function importApiKeys(
  context: DynamoContext,
  workspaceId: string,
  apiKeys: readonly StoredApiKey[],
): Promise<ImportOutcome[]> {
  const { dynamo, workspaces, clock } = context
  const outcomes: ImportOutcome[] = []
  for (const apiKey of apiKeys) {
    const [put, ...others] = apiKeyWrites({ ...apiKey, workspaceId }, clock.nowUs())
    const refusals = await dynamo.transact([put, ...others, workspaces.makeWrite(workspaceId)])
    const there = refusals?.[0]?.old
    const isMine = there !== undefined && storedApiKeyOf(there).workspaceId === workspaceId
    outcomes.push(refusals === undefined ? 'written' : isMine ? 'there' : 'refused')
  }
  return outcomes
}

/** One after the other: each counts up the version that all of them share. */
export async function importWebhooks(
  context: DynamoContext,
  workspaceId: string,
  webhooks: readonly StoredWebhook[],
): Promise<ImportOutcome[]> {
  const { dynamo, workspaces, clock } = context
  const outcomes: ImportOutcome[] = []
  for (const { webhookId, isActive, revision, createdAtUs, failingSinceUs, alarmedAtUs, ...record } of webhooks) {
    const attributes = { webhookId, workspaceId, isActive, revision, createdAtUs, failingSinceUs, alarmedAtUs }
    // As if it had just been off: some of its deliveries may be held.
    const item = webhookItem({ ...record, ...attributes }, { ...attributes, offAtUs: clock.nowUs(), replaysMade: 0 })
    const refusals = await dynamo.transact([
      { table: 'webhooks', put: item, condition: 'attribute_not_exists(pk)' },
      { table: 'webhooks', check: goneKey(webhookId), condition: 'attribute_not_exists(pk)' },
      ...madeWrites({ webhookId, workspaceId, createdAtUs }),
      workspaces.makeWrite(workspaceId),
    ])
    const there = refusals?.[0]?.old
    // One that was deleted here stays deleted.
    const isMine = there === undefined ? refusals?.[1]?.isRefused : webhookOf(there).workspaceId === workspaceId
    outcomes.push(refusals === undefined ? 'written' : isMine ? 'there' : 'refused')
  }
  return outcomes
}

export async function importAuditEntries(
  context: DynamoContext,
  workspaceId: string,
  entries: readonly AuditEntry[],
): Promise<ImportOutcome[]> {
  await context.workspaces.findOrMake(workspaceId)
  const possible = entries.filter(({ entryId }) => timeOf(entryId) !== undefined)
  const written = await insertItems(
    context.dynamo,
    'keys',
    possible.map((entry) => auditItem({ ...entry, workspaceId })),
  )
  const outcomes = new Map(possible.map((entry, index) => [entry, written[index] ? 'written' : 'there'] as const))
  return entries.map((entry) => outcomes.get(entry) ?? 'refused')
}
