/** Every endpoint, in the order of the docs. A path that another one's parameter would match stands before it. */
import type { Endpoint } from '../endpoint.ts'
import { createApiKey } from './api-keys/create-api-key.ts'
import { createSigningSecret } from './api-keys/create-signing-secret.ts'
import { deleteApiKey } from './api-keys/delete-api-key.ts'
import { getApiKey } from './api-keys/get-api-key.ts'
import { listApiKeyVersions } from './api-keys/list-api-key-versions.ts'
import { listApiKeys } from './api-keys/list-api-keys.ts'
import { rotateApiKey } from './api-keys/rotate-api-key.ts'
import { updateApiKey } from './api-keys/update-api-key.ts'
import { listAuditLog } from './audit-log/list-audit-log.ts'
import { getDelivery } from './deliveries/get-delivery.ts'
import { retryDelivery } from './deliveries/retry-delivery.ts'
import { createEvent } from './events/create-event.ts'
import { createEventsBulk } from './events/create-events-bulk.ts'
import { deleteEvent } from './events/delete-event.ts'
import { deleteEventsBulk } from './events/delete-events-bulk.ts'
import { getEvent } from './events/get-event.ts'
import { listEventDeliveries } from './events/list-event-deliveries.ts'
import { listEvents } from './events/list-events.ts'
import { traceEvent } from './events/trace-event.ts'
import { ackEvent } from './inbox/ack-event.ts'
import { ackEventsBulk } from './inbox/ack-events-bulk.ts'
import { listInbox } from './inbox/list-inbox.ts'
import { cancelReplay } from './replays/cancel-replay.ts'
import { getReplay } from './replays/get-replay.ts'
import { listReplays } from './replays/list-replays.ts'
import { replayWebhook } from './replays/replay-webhook.ts'
import { getHealth } from './server/get-health.ts'
import { getWhoami } from './server/get-whoami.ts'
import { createWebhook } from './webhooks/create-webhook.ts'
import { deleteWebhook } from './webhooks/delete-webhook.ts'
import { getWebhook } from './webhooks/get-webhook.ts'
import { listDeliveries } from './webhooks/list-deliveries.ts'
import { listWebhooks } from './webhooks/list-webhooks.ts'
import { rotateWebhookSecret } from './webhooks/rotate-webhook-secret.ts'
import { testWebhook } from './webhooks/test-webhook.ts'
import { updateWebhook } from './webhooks/update-webhook.ts'

export const endpoints: readonly Endpoint[] = [
  createEvent,
  listEvents,
  createEventsBulk,
  deleteEventsBulk,
  getEvent,
  deleteEvent,
  listEventDeliveries,
  traceEvent,
  listInbox,
  ackEventsBulk,
  ackEvent,
  createWebhook,
  listWebhooks,
  getWebhook,
  updateWebhook,
  deleteWebhook,
  testWebhook,
  rotateWebhookSecret,
  listDeliveries,
  getDelivery,
  retryDelivery,
  replayWebhook,
  listReplays,
  getReplay,
  cancelReplay,
  createApiKey,
  listApiKeys,
  getApiKey,
  updateApiKey,
  deleteApiKey,
  rotateApiKey,
  listApiKeyVersions,
  createSigningSecret,
  listAuditLog,
  getHealth,
  getWhoami,
]
