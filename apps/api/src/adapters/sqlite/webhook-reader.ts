import type { DatabaseSync } from 'node:sqlite'
import { prepareAll } from './database.ts'
import { pageOf, placeOf, placeText } from './page.ts'
import type { CallOf, InputOf, OutputOf, WebhookReaderCalls } from './protocol.ts'
import { storedWebhookOf } from './webhook-row.ts'
import { WEBHOOK_READS } from './webhook-sql.ts'
import type { Workspaces } from './workspaces.ts'

/** The reader's part in webhooks: how it answers a call. */
export function webhookReader(db: DatabaseSync, workspaces: Workspaces): (call: CallOf<WebhookReaderCalls>) => unknown {
  const sql = prepareAll(db, WEBHOOK_READS)

  function getWebhook(webhookId: Input<'getWebhook'>): Output<'getWebhook'> {
    const row = sql.webhook.get(webhookId)
    return row && storedWebhookOf(row)
  }

  function listWebhooks({ workspaceId, isActive, limit, after }: Input<'listWebhooks'>): Output<'listWebhooks'> {
    const range = [...placeOf(after), isActive === true ? 1 : 0, isActive === false ? 0 : 1]
    const found = () => {
      if (workspaceId === undefined) return sql.webhooks.all(...range, limit + 1)
      const workspace = workspaces.find(workspaceId)
      return workspace === undefined ? [] : sql.webhooksOfWorkspace.all(workspace, ...range, limit + 1)
    }
    const { rows, last } = pageOf(found(), limit)
    return { webhooks: rows.map(storedWebhookOf), next: last && placeText(last) }
  }

  return (call) => {
    switch (call.type) {
      case 'getWebhook':
        return getWebhook(call.input)
      case 'listWebhooks':
        return listWebhooks(call.input)
      default:
        return call satisfies never
    }
  }
}

type Input<K extends keyof WebhookReaderCalls> = InputOf<WebhookReaderCalls, K>
type Output<K extends keyof WebhookReaderCalls> = OutputOf<WebhookReaderCalls, K>
