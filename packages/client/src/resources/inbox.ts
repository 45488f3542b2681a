import { ApiPromise } from '../api-promise.ts'
import { ackMany, type BatchItems, type BatchOptions, type BatchResult } from '../batches.ts'
import { type ConsumeOptions, consume, type Handler } from '../consume.ts'
import { type ApiError, ConflictError } from '../errors.ts'
import type { RequestOptions } from '../options.ts'
import { type PagePromise, readPages } from '../pagination.ts'
import { path } from '../path.ts'
import type { Transport } from '../transport.ts'
import type { BulkEventAcknowledged, Event, EventAcknowledged, InboxQuery, JsonObject } from '../types.ts'
import { eventsOf } from './events.ts'

/** The pending events of the key's workspace. */
export class InboxResource {
  readonly #transport: Transport

  constructor(transport: Transport) {
    this.#transport = transport
  }

  /**
   * Lists pending events, oldest first. An event stays until it is acknowledged.
   *
   * @example
   * const { data, next_cursor } = await triggers.inbox.list({ limit: 10, event_type: 'order.placed' })
   */
  list<Payload extends object = JsonObject>(query?: InboxQuery, options?: RequestOptions): PagePromise<Event<Payload>> {
    return readPages(this.#transport, '/v1/inbox', query, options, eventsOf<Payload>)
  }

  /**
   * Acknowledges an event: it leaves the inbox. When a try's answer is lost and the next one finds the event acknowledged, that counts
   * as done; only `withResponse()` shows the 409 then.
   *
   * @throws ConflictError when the event was acknowledged before
   * @example
   * await triggers.inbox.ack(event.event_id)
   */
  ack(eventId: string, options?: RequestOptions): ApiPromise<EventAcknowledged> {
    return ApiPromise.from(() =>
      this.#transport.request({
        method: 'POST',
        path: path`/v1/events/${eventId}/ack`,
        options,
        retry: 'always',
        treatAsDone: (error) => acknowledgedBy(error, eventId),
      }),
    )
  }

  /**
   * Acknowledges any number of events, in requests of 25, several at once.
   *
   * @returns one result per id, in their order; an id that fails does not reject
   * @example
   * await triggers.inbox.ackMany(page.data.map(({ event_id }) => event_id))
   */
  ackMany(eventIds: BatchItems<string>, options?: BatchOptions): Promise<BatchResult<BulkEventAcknowledged>[]> {
    return ackMany(this.#transport, eventIds, options)
  }

  /**
   * Hands each pending event to the handler, and acknowledges it when that succeeds, until the signal is aborted. An event whose handler
   * throws stays in the inbox and comes again later. An event may come twice, as when the program ends between the two: handlers must
   * take that.
   *
   * @returns when the signal is aborted and the handlers that were running are done
   *
   * @example
   * await triggers.inbox.consume(async (event) => ship(event.payload), { concurrency: 4, signal })
   */
  consume<Payload extends object = JsonObject>(handler: Handler<Payload>, options?: ConsumeOptions): Promise<void> {
    return consume(this, handler, options)
  }
}

/** @returns the answer that was lost, out of the conflict that the retry met; undefined when it is another error */
function acknowledgedBy(error: ApiError, eventId: string): { data: EventAcknowledged } | undefined {
  const { acknowledged_at: at } = error.details
  if (!(error instanceof ConflictError) || typeof at !== 'string') return undefined
  const message = 'Event acknowledged.'
  return { data: { event_id: eventId, status: 'acknowledged', acknowledged_at: at, message, request_id: error.requestId ?? '' } }
}
