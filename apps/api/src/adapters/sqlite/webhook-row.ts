import type { StoredWebhook, WebhookRecord } from '../../webhook-ports.ts'

/**
 * A webhook on its way to the writer. Records cross to the thread as text: what cannot be put into it then fails the one
 * call that brought it, and not the batch.
 */
export interface WebhookRow {
  webhookId: string
  workspaceId: string
  isActive: boolean
  revision: number
  record: string
}

type Columns = Pick<StoredWebhook, 'revision' | 'createdAtUs' | 'failingSinceUs' | 'alarmedAtUs'>

export function webhookRow(record: WebhookRecord): WebhookRow {
  const { webhookId, workspaceId, isActive, revision } = record
  // A record that was read brings along what has columns of its own.
  const columns: { [Name in keyof Columns]: undefined } = {
    revision: undefined,
    createdAtUs: undefined,
    failingSinceUs: undefined,
    alarmedAtUs: undefined,
  }
  return { webhookId, workspaceId, isActive, revision, record: JSON.stringify({ ...record, ...columns }) }
}

/** @param row as `WEBHOOK_READS` reads it */
export function storedWebhookOf(row: Record<string, unknown>): StoredWebhook {
  const record: Omit<StoredWebhook, keyof Columns> = JSON.parse(String(row['record']))
  return {
    ...record,
    revision: Number(row['revision']),
    createdAtUs: Number(row['created_us']),
    failingSinceUs: numberOrNull(row['failing_since_us']),
    alarmedAtUs: numberOrNull(row['alarmed_us']),
  }
}

function numberOrNull(value: unknown): number | null {
  return value === null ? null : Number(value)
}
