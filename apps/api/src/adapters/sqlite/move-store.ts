import type { MoveStore, WholeDelivery } from '../../move-ports.ts'
import { EVENT_STATUSES, type EventRecord, type Priority, StoreUnavailableError } from '../../ports.ts'
import { DELIVERY_STATUSES, REPLAY_STATUSES } from '../../webhook-ports.ts'
import { apiKeyRow, auditRow } from './access-row.ts'
import { CALL_BYTES, type Channel } from './channel.ts'
import { addressOf } from './event-id.ts'
import { eventRow } from './event-row.ts'
import type { MovedDelivery, MovedEvent } from './move-protocol.ts'
import type { ReaderCalls, WriterCalls } from './protocol.ts'
import { replayRow } from './replay-row.ts'
import { webhookRow } from './webhook-row.ts'

/** The store's part in moving: each method is one call to one of the threads. */
export function moveStore(writer: Channel<WriterCalls>, reader: Channel<ReaderCalls>): MoveStore {
  return {
    // What is committed is in the next snapshot.
    settled: async () => {},
    listIdempotencyKeys: (query) => reader.call('listIdempotencyKeys', query, CALL_BYTES),
    listWholeDeliveries: (query) => reader.call('listWholeDeliveries', query, CALL_BYTES),
    placeBehind: (workspaceId, eventId) => reader.call('placeBehind', { workspaceId, address: addressOf(eventId) ?? null }, CALL_BYTES),
    idAt: (workspaceId, after) => reader.call('idAt', { workspaceId, place: Number(after) }, CALL_BYTES),
    importWorkspace: async (workspaceId) => {
      await writer.call('importWorkspace', workspaceId, CALL_BYTES)
    },
    importEvents: async (workspaceId, events) => {
      const bytes = events.reduce((sum, event) => sum + CALL_BYTES + event.payload.length + event.metadata.length, 0)
      const outcomes = await writer.call('importEvents', { workspaceId, events: events.map(movedEvent) }, bytes)
      return outcomes.map((outcome) => {
        if (outcome !== 'busy') return outcome
        throw new StoreUnavailableError(
          'A new event must be fanned out before others can take its place: a server does so within a second.',
        )
      })
    },
    importIdempotencyKeys: (workspaceId, keys) => {
      const moved = keys.map(({ key, fingerprint, eventId }) => ({ key, fingerprint, address: addressOf(eventId) ?? null }))
      return writer.call('importIdempotencyKeys', { workspaceId, keys: moved }, CALL_BYTES * (1 + keys.length))
    },
    importApiKeys: async (workspaceId, apiKeys) => {
      const moved = apiKeys.map((apiKey) => ({ key: apiKeyRow({ ...apiKey, workspaceId }), lastUsedAtUs: apiKey.lastUsedAtUs }))
      return await writer.call('importApiKeys', { workspaceId, apiKeys: moved }, CALL_BYTES + textBytes(moved.map(({ key }) => key.record)))
    },
    importWebhooks: async (workspaceId, webhooks) => {
      const moved = webhooks.map((webhook) => {
        const { createdAtUs, failingSinceUs, alarmedAtUs } = webhook
        return { webhook: webhookRow({ ...webhook, workspaceId }), createdAtUs, failingSinceUs, alarmedAtUs }
      })
      const bytes = CALL_BYTES + textBytes(moved.map(({ webhook }) => webhook.record))
      return await writer.call('importWebhooks', { workspaceId, webhooks: moved }, bytes)
    },
    importReplays: async (workspaceId, replays) => {
      const moved = replays.map((replay) => {
        const { replayId, webhookId, sinceUs, untilUs, filter, selection, rate } = replay
        const { record } = replayRow({ replayId, webhookId, workspaceId, sinceUs, untilUs, filter, selection, rate })
        return { ...replay, status: REPLAY_STATUSES.indexOf(replay.status), record }
      })
      return await writer.call('importReplays', { workspaceId, replays: moved }, CALL_BYTES + textBytes(moved.map(({ record }) => record)))
    },
    importDeliveries: async (workspaceId, deliveries) => {
      const moved = deliveries.map(movedDelivery)
      const texts = moved.flatMap(({ ownEvent, attempts }) => [ownEvent ?? '', ...attempts.map(([, record]) => record)])
      return await writer.call('importDeliveries', { workspaceId, deliveries: moved }, CALL_BYTES * moved.length + textBytes(texts))
    },
    importAuditEntries: async (workspaceId, entries) => {
      const moved = entries.map(({ entryId, createdAtUs, ...entry }) => {
        return { address: addressOf(entryId) ?? null, createdAtUs, row: auditRow({ ...entry, workspaceId }) }
      })
      return await writer.call(
        'importAuditEntries',
        { workspaceId, entries: moved },
        CALL_BYTES + textBytes(moved.map(({ row }) => row[2])),
      )
    },
  }
}

function movedEvent(event: EventRecord): MovedEvent {
  // A record's metadata always has it: the domain sees to that.
  const { priority } = JSON.parse(event.metadata) as { priority: Priority }
  return {
    address: addressOf(event.eventId) ?? null,
    row: eventRow({ ...event, priority }),
    status: EVENT_STATUSES.indexOf(event.status),
    acknowledgedAtUs: event.acknowledgedAtUs,
  }
}

function movedDelivery({ deliveryId, eventId, ownEvent, status, attempts, ...delivery }: WholeDelivery): MovedDelivery {
  const { webhookId, eventType, attemptCount, scheduleStart, dueAtUs, completedAtUs, replayId, isInReplayLane } = delivery
  return {
    ...{ webhookId, eventType, attemptCount, scheduleStart, dueAtUs, completedAtUs, replayId, isInReplayLane },
    address: addressOf(deliveryId) ?? null,
    event: addressOf(eventId) ?? null,
    status: DELIVERY_STATUSES.indexOf(status),
    ownEvent: ownEvent && JSON.stringify(ownEvent),
    attempts: attempts.map((attempt) => [attempt.attempt, JSON.stringify(attempt)]),
  }
}

function textBytes(texts: readonly string[]): number {
  return texts.reduce((sum, text) => sum + CALL_BYTES + text.length, 0)
}
