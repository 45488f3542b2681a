import { eventNotFound } from '../../domain/events.ts'
import { endpoint } from '../../endpoint.ts'
import { EXAMPLE_REQUEST_ID } from '../schemas.ts'
import { EventParams, EXAMPLE_EVENT, presentEvent, SingleEventSchema } from './schemas.ts'

export const getEvent = endpoint(
  {
    operationId: 'getEvent',
    method: 'get',
    path: '/v1/events/{event_id}',
    tag: 'Events',
    summary: 'Get an event',
    description: 'Gives one event of the workspace, whatever its status.',
    access: ['events:read'],
    request: { params: EventParams },
    success: {
      200: { description: 'The event.', schema: SingleEventSchema, example: { ...EXAMPLE_EVENT, request_id: EXAMPLE_REQUEST_ID } },
    },
    errors: ['NOT_FOUND', 'VALIDATION_ERROR.422'],
  },
  async (c, { params }) => {
    const event = await c.get('deps').store.getEvent(c.get('principal').workspaceId, params.event_id)
    if (event === undefined) throw eventNotFound(params.event_id)
    return { status: 200, body: presentEvent(event) }
  },
)
