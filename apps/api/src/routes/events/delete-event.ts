import { z } from '@hono/zod-openapi'
import { endpoint } from '../../endpoint.ts'
import { EXAMPLE_REQUEST_ID, requestId } from '../schemas.ts'
import { EventParams, EXAMPLE_EVENT_ID, eventId } from './schemas.ts'

export const deletedFields = { event_id: eventId, message: z.string().openapi({ example: 'Event deleted.' }) }

/** What a deleted event is answered with, alone or in bulk; one that was not there, too. */
export function presentDeleted(id: string) {
  return { event_id: id, message: 'Event deleted.' }
}

export const deleteEvent = endpoint(
  {
    operationId: 'deleteEvent',
    method: 'delete',
    path: '/v1/events/{event_id}',
    tag: 'Events',
    summary: 'Delete an event',
    description: 'Removes an event for good. It is no error when the event is not there (any more). A body is ignored.',
    access: ['events:write', 'inbox:consume'],
    request: { params: EventParams },
    success: {
      200: {
        description: 'The event is not there.',
        schema: z.object({ ...deletedFields, request_id: requestId }).openapi('EventDeleted'),
        example: { event_id: EXAMPLE_EVENT_ID, message: 'Event deleted.', request_id: EXAMPLE_REQUEST_ID },
      },
    },
    errors: ['VALIDATION_ERROR.422'],
  },
  async (c, { params }) => {
    await c.get('deps').store.deleteEvents(c.get('principal').workspaceId, [params.event_id])
    return { status: 200, body: presentDeleted(params.event_id) }
  },
)
