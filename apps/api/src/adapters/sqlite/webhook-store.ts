import type { WebhookStore } from '../../webhook-ports.ts'
import { auditRow } from './access-row.ts'
import { CALL_BYTES, type Channel } from './channel.ts'
import type { ReaderCalls, WriterCalls } from './protocol.ts'
import { webhookRow } from './webhook-row.ts'

/** The store's part in webhooks: each method is one call to one of the threads. */
export function webhookStore(writer: Channel<WriterCalls>, reader: Channel<ReaderCalls>): WebhookStore {
  return {
    saveWebhook: async (record, { audit, ownDeliveries = [], maxPerWorkspace = null, alarmedAtUs = null }) => {
      const webhook = webhookRow(record)
      const bytes = CALL_BYTES * (1 + ownDeliveries.length) + webhook.record.length
      return await writer.call(
        'saveWebhook',
        { webhook, audit: audit && auditRow(audit), ownDeliveries, maxPerWorkspace, alarmedAtUs },
        bytes,
      )
    },
    getWebhook: (webhookId) => reader.call('getWebhook', webhookId, CALL_BYTES),
    listWebhooks: (query) => reader.call('listWebhooks', query, CALL_BYTES),
    deleteWebhook: async (webhookId, audit) => await writer.call('deleteWebhook', { webhookId, audit: auditRow(audit) }, CALL_BYTES),
  }
}
