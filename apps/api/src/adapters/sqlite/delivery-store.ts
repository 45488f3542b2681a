import type { DeliveryStore, NewDelivery, OutboxStore } from '../../webhook-ports.ts'
import { CALL_BYTES, type Channel } from './channel.ts'
import { outcomeRow } from './delivery-row.ts'
import { addressOf } from './event-id.ts'
import type { ReaderCalls, WriterCalls } from './protocol.ts'

/** The store's part in the outbox: each method is one call to one of the threads; the watching is `CreateWatch`'s. */
export function outboxStore(writer: Channel<WriterCalls>, reader: Channel<ReaderCalls>): Omit<OutboxStore, 'watchOutbox'> {
  return {
    readOutbox: (query) => {
      const after = query.after === undefined ? null : Number(query.after)
      return reader.call('readOutbox', { ...query, after }, CALL_BYTES * (1 + query.interests.size))
    },
    fanOut: ({ from, to, deliveries }) =>
      writer.call('fanOut', { from: Number(from), to: Number(to), deliveries }, CALL_BYTES + bytesOf(deliveries)),
  }
}

/** The store's part in deliveries: each method is one call to one of the threads. */
export function deliveryStore(writer: Channel<WriterCalls>, reader: Channel<ReaderCalls>): DeliveryStore {
  return {
    claimDeliveries: (query) => writer.call('claimDeliveries', query, CALL_BYTES),
    recordAttempts: async (outcomes) => {
      const rows = outcomes.map(outcomeRow)
      const bytes = rows.reduce((sum, row) => sum + CALL_BYTES + row.record.length + bytesOf(row.ownDeliveries), 0)
      return await writer.call('recordAttempts', rows, bytes)
    },
    getDelivery: async (workspaceId, deliveryId) => {
      const address = addressOf(deliveryId)
      if (address === undefined) return undefined
      return (await reader.call('getDelivery', { workspaceId, address }, CALL_BYTES)) ?? undefined
    },
    listDeliveries: async ({ eventId, after, ...query }) => {
      const event = eventId === undefined ? undefined : (addressOf(eventId) ?? null)
      const from = after === undefined ? null : Number(after)
      const { deliveries, next } = await reader.call('listDeliveries', { ...query, event, after: from }, CALL_BYTES)
      return { deliveries, next: next === null ? null : String(next) }
    },
    deliveryStatuses: (webhookId, eventIds) => {
      const addresses = eventIds.map((eventId) => addressOf(eventId) ?? null)
      return reader.call('deliveryStatuses', { webhookId, addresses }, CALL_BYTES * (1 + addresses.length))
    },
    retryDelivery: async (workspaceId, deliveryId, dueAtUs) => {
      const address = addressOf(deliveryId)
      if (address === undefined) return { outcome: 'not_found' }
      return await writer.call('retryDelivery', { workspaceId, address, dueAtUs }, CALL_BYTES)
    },
    moveDeliveries: (query) => writer.call('moveDeliveries', query, CALL_BYTES),
    listDueLanes: async ({ limit, after }) => {
      const [webhook = 0, lane = 0] = after === undefined ? [] : after.split('.').map(Number)
      const { lanes, next } = await reader.call('listDueLanes', { limit, after: [webhook, lane] }, CALL_BYTES)
      return { lanes, next: next === null ? null : next.join('.') }
    },
  }
}

function bytesOf(deliveries: readonly NewDelivery[]): number {
  return deliveries.reduce((sum, { ownEvent }) => sum + CALL_BYTES + (ownEvent === null ? 0 : ownEvent.payload.length), 0)
}
