import type { StoredWebhook, WebhookRecord } from '../../../webhook-ports.ts'
import { type Compressed, compressed, textOf } from './compressed.ts'
import type { DynamoContext } from './context.ts'
import type { Item, Key } from './notation.ts'

/**
 * A webhook's item. What deliveries change (`failingSinceUs`, `alarmedAtUs`) and what others judge by has attributes of its own, so that who writes
 * one of them leaves the rest as it is; all else is in `record`.
 */
export interface WebhookAttributes {
  webhookId: string
  workspaceId: string
  isActive: boolean
  revision: number
  createdAtUs: number
  failingSinceUs: number | null
  alarmedAtUs: number | null
  /** When it was last switched off; null: never. Later than an event's life after that, none of its deliveries is held. */
  offAtUs: number | null
  /** How many replays it ever had: another number tells who ends them that there is one more. */
  replaysMade: number
}

export const webhookKey = (webhookId: string): Key => ({ pk: `webhook#${webhookId}`, sk: '-' })

/** What stays of a deleted webhook for a while, so that a late write does not bring it back. */
export const goneKey = (webhookId: string): Key => ({ pk: webhookKey(webhookId).pk, sk: 'gone' })

/** Strongly consistent; undefined when there is none. */
export async function readWebhook({ dynamo }: Pick<DynamoContext, 'dynamo'>, webhookId: string): Promise<StoredWebhook | undefined> {
  const item = await dynamo.get('webhooks', webhookKey(webhookId))
  return item && webhookOf(item)
}

/** The same for several, by id; those that are not there are left out. An id may come twice. */
export async function readWebhooks(
  { dynamo }: Pick<DynamoContext, 'dynamo'>,
  webhookIds: Iterable<string>,
): Promise<Map<string, StoredWebhook>> {
  const items = await dynamo.batchGet('webhooks', [...new Set(webhookIds)].map(webhookKey))
  return new Map(items.map(webhookOf).map((webhook) => [webhook.webhookId, webhook]))
}

export function webhookItem(record: WebhookRecord, attributes: WebhookAttributes): Item {
  return { ...webhookKey(record.webhookId), ...attributes, record: recordOf(record) }
}

/** What the attribute `record` holds. A record that was read brings along what has attributes of its own. */
export function recordOf(record: WebhookRecord): Compressed {
  const apart: { [Name in keyof WebhookAttributes]: undefined } = {
    webhookId: undefined,
    workspaceId: undefined,
    isActive: undefined,
    revision: undefined,
    createdAtUs: undefined,
    failingSinceUs: undefined,
    alarmedAtUs: undefined,
    offAtUs: undefined,
    replaysMade: undefined,
  }
  return compressed(JSON.stringify({ ...record, ...apart }))
}

export function webhookOf(item: Item): StoredWebhook {
  const record: Omit<StoredWebhook, keyof WebhookAttributes> = JSON.parse(textOf(item['record']))
  return {
    ...record,
    webhookId: item['webhookId'],
    workspaceId: item['workspaceId'],
    isActive: item['isActive'],
    revision: item['revision'],
    createdAtUs: item['createdAtUs'],
    failingSinceUs: item['failingSinceUs'],
    alarmedAtUs: item['alarmedAtUs'],
  }
}
