import { ApiPromise } from '../api-promise.ts'
import { type BatchItems, type BatchOptions, type BatchResult, createMany, deleteMany } from '../batches.ts'
import { type ApiError, NotFoundError } from '../errors.ts'
import { withIdempotencyKey } from '../idempotency.ts'
import type { CreateOptions, RequestOptions } from '../options.ts'
import { type PagePromise, readPages } from '../pagination.ts'
import { path } from '../path.ts'
import type { Transport } from '../transport.ts'
import type {
  BulkEventCreated,
  BulkEventDeleted,
  Delivery,
  DeliveryQuery,
  Event,
  EventCreated,
  EventDeleted,
  EventInput,
  EventQuery,
  EventTrace,
  JsonObject,
  SingleEvent,
} from '../types.ts'
import { deliveriesOf } from './deliveries.ts'

/** The events of the key's workspace, whatever their status. */
export class EventsResource {
  readonly #transport: Transport

  constructor(transport: Transport) {
    this.#transport = transport
  }

  /**
   * Creates an event: it is durable when this resolves. A retry never makes a second event, as the event carries an idempotency key.
   *
   * @example
   * const { event_id } = await triggers.events.create({ source: 'shop', event_type: 'order.placed', payload: { order: 1042 } })
   */
  create<Payload extends object = JsonObject>(event: EventInput<Payload>, options: CreateOptions = {}): ApiPromise<EventCreated> {
    return ApiPromise.from(() => {
      const body = withIdempotencyKey(event, options.idempotencyKey)
      return this.#transport.request({ method: 'POST', path: '/v1/events', body, options, retry: 'idempotent-write' })
    })
  }

  /**
   * Creates any number of events, in requests of at most 25, several at once.
   *
   * @throws BatchInputError when `events` cannot be read to its end
   * @returns one result per event, in their order; an event that fails does not reject
   * @example
   * const failed = (await triggers.events.createMany(events)).filter((result) => !result.ok)
   */
  createMany<Payload extends object = JsonObject>(
    events: BatchItems<EventInput<Payload>>,
    options?: BatchOptions,
  ): Promise<BatchResult<BulkEventCreated>[]> {
    return createMany(this.#transport, events, options)
  }

  /**
   * Reads one event.
   *
   * @throws NotFoundError when there is none of this id, or it has expired
   * @example
   * const { payload } = await triggers.events.get<Order>(eventId)
   */
  get<Payload extends object = JsonObject>(eventId: string, options?: RequestOptions): ApiPromise<SingleEvent<Payload>> {
    return ApiPromise.from(() => this.#transport.request({ method: 'GET', path: path`/v1/events/${eventId}`, options, retry: 'always' }))
  }

  /**
   * Lists events of any status, newest first unless told otherwise.
   *
   * @example
   * for await (const event of triggers.events.list({ source: 'shop', 'metadata.region': 'eu-west-1' })) console.log(event.event_id)
   */
  list<Payload extends object = JsonObject>(query?: EventQuery, options?: RequestOptions): PagePromise<Event<Payload>> {
    return readPages(this.#transport, '/v1/events', query, options, eventsOf<Payload>)
  }

  /**
   * Deletes an event, whatever its status. Deleting what is not there is no error.
   *
   * @example
   * await triggers.events.delete(eventId)
   */
  delete(eventId: string, options?: RequestOptions): ApiPromise<EventDeleted> {
    return ApiPromise.from(() =>
      this.#transport.request({
        method: 'DELETE',
        path: path`/v1/events/${eventId}`,
        options,
        retry: 'always',
        treatAsDone: (error) => deletedBefore(error, eventId),
      }),
    )
  }

  /**
   * Deletes any number of events, in requests of 25, several at once.
   *
   * @returns one result per id, in their order; an id that fails does not reject
   * @example
   * await triggers.events.deleteMany(ids, { concurrency: 2 })
   */
  deleteMany(eventIds: BatchItems<string>, options?: BatchOptions): Promise<BatchResult<BulkEventDeleted>[]> {
    return deleteMany(this.#transport, eventIds, options)
  }

  /**
   * Lists what was sent of an event to every webhook, newest first. It needs the scope `events:read` or `webhooks:manage`.
   *
   * @example
   * for await (const { webhook_id, status } of triggers.events.deliveries(eventId)) console.log(webhook_id, status)
   */
  deliveries(eventId: string, query?: DeliveryQuery, options?: RequestOptions): PagePromise<Delivery> {
    return readPages(this.#transport, () => path`/v1/events/${eventId}/deliveries`, query, options, deliveriesOf)
  }

  /**
   * Tells what every webhook made of an event: whether it matched, why or why not, and each attempt.
   *
   * @example
   * const { webhooks } = await triggers.events.trace(eventId)
   * for (const { webhook_id, reason, detail } of webhooks) console.log(webhook_id, reason, detail)
   */
  trace(eventId: string, options?: RequestOptions): ApiPromise<EventTrace> {
    return ApiPromise.from(() =>
      this.#transport.request({ method: 'GET', path: path`/v1/events/${eventId}/trace`, options, retry: 'always' }),
    )
  }
}

/** @returns the answer that was lost, when the retry finds the event gone; undefined when it is another error */
function deletedBefore(error: ApiError, eventId: string): { data: EventDeleted } | undefined {
  if (!(error instanceof NotFoundError)) return undefined
  return { data: { event_id: eventId, message: 'Event deleted.', request_id: error.requestId ?? '' } }
}

/** The body of a list of events. */
interface EventPageBody<Payload extends object> {
  events: Event<Payload>[]
  pagination: { next_cursor: string | null }
  request_id: string
}

/** @internal */
export function eventsOf<Payload extends object>(body: EventPageBody<Payload>): Event<Payload>[] {
  return body.events
}
