import type { DatabaseSync } from 'node:sqlite'
import type { WebhookStore } from '../../webhook-ports.ts'
import type { AuditRow } from './access-row.ts'
import type { CommitClock } from './commit-clock.ts'
import { prepareAll } from './database.ts'
import type { InsertDeliveries } from './delivery-insert.ts'
import type { CallOf, InputOf, WebhookWriterCalls } from './protocol.ts'
import { storedWebhookOf } from './webhook-row.ts'
import { WEBHOOK_WRITES } from './webhook-sql.ts'
import type { Workspaces } from './workspaces.ts'

/** What the writer's other parts do for this one, within the same transaction. */
export interface WebhookWriterParts {
  workspaces: Workspaces
  clock: CommitClock
  appendAuditEntry(entry: AuditRow, nowUs: number): void
  insertDeliveries: InsertDeliveries
  /** To `cancelled`. */
  endReplaysOfWebhook(webhook: number, nowUs: number): void
}

/** The writer's part in webhooks. Each call looks for every conflict before it writes anything: its neighbours in the batch stay. */
export function webhookWriter(db: DatabaseSync, parts: WebhookWriterParts) {
  const sql = prepareAll(db, WEBHOOK_WRITES)

  function saveWebhook(input: Input<'saveWebhook'>, nowUs: number): Awaited<ReturnType<WebhookStore['saveWebhook']>> {
    const { webhook, audit, ownDeliveries, maxPerWorkspace, alarmedAtUs } = input
    const found = sql.findWebhook.get(webhook.webhookId)
    const isGone = found !== undefined && found['deleted_us'] !== null
    if (isGone || Number(found?.['revision'] ?? 0) !== webhook.revision) return { outcome: 'changed' }
    const isActive = Number(webhook.isActive)
    if (found !== undefined) {
      sql.updateWebhook.run(isActive, alarmedAtUs, webhook.record, Number(found['id']))
    } else {
      if (maxPerWorkspace !== null && countOf(webhook.workspaceId) >= maxPerWorkspace) return { outcome: 'too_many' }
      const workspace = parts.workspaces.findOrAdd(webhook.workspaceId)
      sql.insertWebhook.run(webhook.webhookId, workspace, parts.clock.next(), isActive, alarmedAtUs, webhook.record)
    }
    sql.countChange.run()
    if (audit !== null) parts.appendAuditEntry(audit, nowUs)
    parts.insertDeliveries(ownDeliveries)
    const saved = sql.savedWebhook.get(webhook.webhookId)
    if (saved === undefined) throw new Error(`The webhook ${webhook.webhookId} is missing.`)
    return { outcome: 'saved', webhook: storedWebhookOf(saved) }
  }

  function countOf(workspaceId: string): number {
    const workspace = parts.workspaces.find(workspaceId)
    return workspace === undefined ? 0 : Number(sql.countWebhooks.get(workspace)?.['count'])
  }

  function deleteWebhook({ webhookId, audit }: Input<'deleteWebhook'>, nowUs: number): boolean {
    const found = sql.findWebhook.get(webhookId)
    if (found === undefined || found['deleted_us'] !== null) return false
    const webhook = Number(found['id'])
    sql.deleteWebhook.run(nowUs, webhook)
    parts.endReplaysOfWebhook(webhook, nowUs)
    sql.countChange.run()
    parts.appendAuditEntry(audit, nowUs)
    return true
  }

  return {
    handle(call: CallOf<WebhookWriterCalls>, nowUs: number): unknown {
      switch (call.type) {
        case 'saveWebhook':
          return saveWebhook(call.input, nowUs)
        case 'deleteWebhook':
          return deleteWebhook(call.input, nowUs)
        default:
          return call satisfies never
      }
    },
    /** Forgets at most `limit` deleted webhooks without deliveries, and as many of their replays each; true when there may be more. */
    sweep(limit: number): boolean {
      const webhooks = sql.forgettable.all(limit)
      let more = webhooks.length === limit
      for (const { id } of webhooks) {
        // The webhook goes with the last of its replays, which are found by it.
        if (sql.forgetReplays.run(Number(id), limit).changes === limit) more = true
        else sql.forgetWebhook.run(Number(id))
      }
      return more
    },
  }
}

type Input<K extends keyof WebhookWriterCalls> = InputOf<WebhookWriterCalls, K>
