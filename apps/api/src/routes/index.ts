/** Every endpoint, in the order of the docs. A path that another one's parameter would match stands before it. */
import type { Endpoint } from '../endpoint.ts'
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
  getHealth,
  getWhoami,
]
