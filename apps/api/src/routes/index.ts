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
import { createEvent } from './events/create-event.ts'
import { createEventsBulk } from './events/create-events-bulk.ts'
import { deleteEvent } from './events/delete-event.ts'
import { deleteEventsBulk } from './events/delete-events-bulk.ts'
import { getEvent } from './events/get-event.ts'
import { listEvents } from './events/list-events.ts'
import { ackEvent } from './inbox/ack-event.ts'
import { ackEventsBulk } from './inbox/ack-events-bulk.ts'
import { listInbox } from './inbox/list-inbox.ts'
import { getHealth } from './server/get-health.ts'
import { getWhoami } from './server/get-whoami.ts'

export const endpoints: readonly Endpoint[] = [
  createEvent,
  listEvents,
  createEventsBulk,
  deleteEventsBulk,
  getEvent,
  deleteEvent,
  listInbox,
  ackEventsBulk,
  ackEvent,
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
