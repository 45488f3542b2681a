import type { Deps } from '../deps.ts'
import { ApiError, storageUnavailable } from '../errors.ts'
import type { Principal } from '../ports.ts'
import { eventNotFound, SEND_AGAIN } from './events.ts'
import { formatTime } from './time.ts'

/**
 * Acknowledges the events: they leave the inbox and stay readable.
 * @returns for each id when it was acknowledged, in microseconds, or why it was not
 */
export async function ackEvents(
  deps: Deps,
  principal: Principal,
  eventIds: readonly string[],
): Promise<({ acknowledgedAtUs: number } | ApiError)[]> {
  const results = await deps.store.ackEvents(principal.workspaceId, eventIds)
  return results.map((result, index) => {
    const eventId = eventIds[index] ?? ''
    switch (result.outcome) {
      case 'acknowledged':
        return result
      case 'not_found':
        return eventNotFound(eventId)
      case 'unavailable':
        return storageUnavailable(SEND_AGAIN)
      case 'already_acknowledged':
        return new ApiError('CONFLICT', 'The event is acknowledged already.', {
          details: {
            event_id: eventId,
            current_status: 'acknowledged',
            acknowledged_at: formatTime(result.acknowledgedAtUs),
            suggestion: 'Nothing is left to do: take this as success when you retry an ack.',
          },
        })
    }
  })
}
