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
  endReplaysOfWebhook(webhook: number, status: 'cancelled' | 'failed', nowUs: number): void
}

/** The writer's part in webhooks. Each call looks for every conflict before it writes anything: its neighbours in the batch stay. */
export function webhookWriter(db: DatabaseSync, parts: WebhookWriterParts) {
  const sql = prepareAll(db, WEBHOOK_WRITES)
  /** Behind which deleted webhook the next sweep looks: they may wait for their deliveries for days, and each sweep looks at a few. */
  let sweptTo = BEGINNING

  function saveWebhook(input: Input<'saveWebhook'>, nowUs: number): Awaited<ReturnType<WebhookStore['saveWebhook']>> {
    const { webhook, audit, ownDeliveries, maxPerWorkspace, alarmedAtUs } = input
    const found = sql.findWebhook.get(webhook.webhookId)
    const isGone = found !== undefined && found['deleted_us'] !== null
    if (isGone || Number(found?.['revision'] ?? 0) !== webhook.revision) return { outcome: 'changed' }
    const isActive = Number(webhook.isActive)
    if (found !== undefined) {
      sql.updateWebhook.run(isActive, alarmedAtUs, webhook.record, Number(found['id']))
      if (isActive < Number(found['is_active'])) parts.endReplaysOfWebhook(Number(found['id']), 'failed', nowUs)
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
    parts.endReplaysOfWebhook(webhook, 'cancelled', nowUs)
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
    /**
     * Looks at the next `limit` deleted webhooks, and forgets those without deliveries, with at most `limit` replays each. True when
     * something was forgotten and there may be more.
     */
    sweep(limit: number): boolean {
      const webhooks = sql.deletedOnes.all(...sweptTo, limit)
      let forgotten = 0
      let isFinished = true
      for (const { id, has_deliveries: hasDeliveries } of webhooks) {
        if (hasDeliveries === 1) continue
        forgotten++
        // The webhook goes with the last of its replays, which are found by it.
        if (sql.forgetReplays.run(Number(id), limit).changes === limit) isFinished = false
        else sql.forgetWebhook.run(Number(id))
      }
      const last = webhooks.length === limit ? webhooks.at(-1) : undefined
      if (isFinished) sweptTo = last === undefined ? BEGINNING : [Number(last['deleted_us']), Number(last['id'])]
      return !isFinished || (forgotten > 0 && last !== undefined)
    },
  }
}

const BEGINNING: readonly [deletedUs: number, id: number] = [0, 0]

type Input<K extends keyof WebhookWriterCalls> = InputOf<WebhookWriterCalls, K>
