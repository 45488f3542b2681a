/** Any number of items, split into requests that the API takes. */
import { type ApiError, apiErrorFrom, TriggersError } from './errors.ts'
import { withIdempotencyKey } from './idempotency.ts'
import type { RequestOptions } from './options.ts'
import type { Transport, TransportResponse } from './transport.ts'
import type { BulkEventAcknowledged, BulkEventCreated, BulkEventDeleted, EventInput, JsonObject } from './types.ts'

const MAX_ITEMS = 25
const MAX_CREATE_BYTES = 5_242_880
const MAX_IDS_BYTES = 524_288

/** What became of one item; `value.index` is its place in the input. `error` is an {@link ApiError} where the server refused it or its request. */
export type BatchResult<Value> = { ok: true; value: Value } | { ok: false; error: Error }

/** Items to send, in memory or as they are read. */
export type BatchItems<Item> = Iterable<Item> | AsyncIterable<Item>

/** How many items are sent. What is known from single calls holds for each of the requests. */
export interface BatchOptions extends RequestOptions {
  /** How many requests may be under way at once. Default: 4. */
  concurrency?: number | undefined
  /**
   * Ends the whole when it is aborted: no further item is read or sent. The results of the items that were read are given all the same;
   * those without an answer have the signal's reason as their error.
   */
  signal?: AbortSignal | undefined
}

/** The items could not be read to their end. Those before were sent, and have their results; `cause` is what the reading threw. */
export class BatchInputError<Value = unknown> extends TriggersError {
  override readonly name = 'BatchInputError'
  readonly results: BatchResult<Value>[]

  constructor(results: BatchResult<Value>[], cause: unknown) {
    super(`The items could not be read on after ${results.length}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
    this.results = results
  }
}

/** The answer to one bulk request; `index` is the place in that request. */
export interface BatchAnswer<Value> {
  successful: Value[]
  failed: { index: number; error: ItemFailure }[]
}

interface ItemFailure {
  code: string
  message: string
  details: Record<string, unknown>
}

/** Creates any number of events; see `triggers.events.createMany`. */
export function createMany<Payload extends object = JsonObject>(
  transport: Transport,
  items: BatchItems<EventInput<Payload>>,
  options?: BatchOptions,
): Promise<BatchResult<BulkEventCreated>[]> {
  return runBatches<EventInput<Payload>, BulkEventCreated>(
    (bodyText) => transport.request({ method: 'POST', path: '/v1/events/bulk', bodyText, options, retry: 'idempotent-write' }),
    items,
    // Made once, when the item is read: the retries of its request carry it again. What is no event is the server's to refuse.
    { ...options, field: 'items', maxBytes: MAX_CREATE_BYTES, toSend: (item) => (isObject(item) ? withIdempotencyKey(item) : item) },
  )
}

/** Deletes any number of events; see `triggers.events.deleteMany`. */
export function deleteMany(
  transport: Transport,
  eventIds: BatchItems<string>,
  options?: BatchOptions,
): Promise<BatchResult<BulkEventDeleted>[]> {
  return runBatches<string, BulkEventDeleted>(
    (bodyText) => transport.request({ method: 'DELETE', path: '/v1/events/bulk', bodyText, options, retry: 'always' }),
    eventIds,
    { ...options, field: 'event_ids', maxBytes: MAX_IDS_BYTES },
  )
}

/** Acknowledges any number of events; see `triggers.inbox.ackMany`. */
export function ackMany(
  transport: Transport,
  eventIds: BatchItems<string>,
  options?: BatchOptions,
): Promise<BatchResult<BulkEventAcknowledged>[]> {
  return runBatches<string, BulkEventAcknowledged>(
    (bodyText) => transport.request({ method: 'POST', path: '/v1/events/bulk/ack', bodyText, options, retry: 'always' }),
    eventIds,
    { ...options, field: 'event_ids', maxBytes: MAX_IDS_BYTES, treatAsDone: acknowledgedBefore },
  )
}

/** That an event is acknowledged already, said to a retry, is what an earlier try did whose answer was lost. */
function acknowledgedBefore({ code, details }: ItemFailure, index: number): BulkEventAcknowledged | undefined {
  const { event_id, acknowledged_at } = details
  if (code !== 'CONFLICT' || typeof event_id !== 'string' || typeof acknowledged_at !== 'string') return undefined
  return { index, event_id, status: 'acknowledged', acknowledged_at, message: 'Event acknowledged.' }
}

/** How `runBatches` makes and reads its requests. */
export interface RunBatchesOptions<Item, Value> {
  /** The list's name in the body. */
  field: string
  /** How many bytes a body may have. An item that alone makes a larger one is sent alone, for the server to refuse. */
  maxBytes: number
  concurrency?: number | undefined
  signal?: AbortSignal | undefined
  /** What is sent of an item; the item itself without it. */
  toSend?: (item: Item) => unknown
  /** Turns an item's failure into success, when an earlier try of its request may have done the work. */
  treatAsDone?: (failure: ItemFailure, index: number) => Value | undefined
}

interface Batch {
  /** The items' places in the input. */
  indexes: number[]
  texts: string[]
  bytes: number
}

/**
 * Sends items in requests of at most 25 and `maxBytes`.
 *
 * @param send sends one body, with its retries
 * @returns a result for each item, in the order of the input
 * @throws {BatchInputError} when the items cannot be read to their end; a request that fails rejects nothing
 */
export async function runBatches<Item, Value extends { index: number }>(
  send: (bodyText: string) => Promise<TransportResponse<BatchAnswer<Value>>>,
  items: BatchItems<Item>,
  options: RunBatchesOptions<Item, Value>,
): Promise<BatchResult<Value>[]> {
  const { field, maxBytes, concurrency = 4, signal, toSend = (item: Item) => item, treatAsDone } = options
  if (!Number.isInteger(concurrency) || concurrency < 1) throw new TypeError('concurrency must be a whole number, 1 or more.')
  const results: BatchResult<Value>[] = []
  const [head, tail] = [`{${JSON.stringify(field)}:[`, ']}']
  const emptyBatch = (): Batch => ({ indexes: [], texts: [], bytes: head.length + tail.length })
  let batch = emptyBatch()
  const running = new Set<Promise<void>>()

  const settle = async ({ indexes, texts }: Batch): Promise<void> => {
    const fail = (error: unknown) => {
      for (const index of indexes) results[index] ??= { ok: false, error: asError(error) }
    }
    try {
      signal?.throwIfAborted()
      const response = await send(head + texts.join(',') + tail)
      for (const success of response.data.successful) {
        const index = indexes[success.index]
        if (index !== undefined) results[index] = { ok: true, value: { ...success, index } }
      }
      for (const { index: place, error } of response.data.failed) {
        const index = indexes[place]
        if (index === undefined) continue
        const value = response.maybeReachedServer ? treatAsDone?.(error, index) : undefined
        results[index] = value === undefined ? { ok: false, error: itemError(error, response) } : { ok: true, value }
      }
      fail(new TriggersError('The answer does not say what became of this item.'))
    } catch (error) {
      fail(error)
    }
  }
  const flush = async (): Promise<void> => {
    const full = batch
    batch = emptyBatch()
    if (full.indexes.length === 0) return
    while (running.size >= concurrency) await Promise.race(running)
    const done = settle(full).finally(() => running.delete(done))
    running.add(done)
  }
  const add = async (item: Item): Promise<void> => {
    const index = results.length
    // Holds the place until the answer comes.
    results.length = index + 1
    let text: string
    try {
      // JSON has no undefined: such an item is null, as in any list.
      text = JSON.stringify(toSend(item)) ?? 'null'
    } catch (error) {
      results[index] = { ok: false, error: new TriggersError(`The item cannot be written as JSON: ${asError(error).message}`) }
      return
    }
    const bytes = byteLength(text)
    const isFull = batch.texts.length === MAX_ITEMS || batch.bytes + bytes + batch.texts.length > maxBytes
    if (isFull) await flush()
    batch.indexes.push(index)
    batch.texts.push(text)
    batch.bytes += bytes
  }

  let inputError: { error: unknown } | undefined
  try {
    for await (const item of untilAborted(items, signal)) await add(item)
  } catch (error) {
    inputError = { error }
  }
  await flush()
  await Promise.all(running)
  if (inputError !== undefined) throw new BatchInputError(results, inputError.error)
  return results
}

/** The items until their end, or the abort, which does not wait for an item that is slow to come. */
async function* untilAborted<Item>(items: BatchItems<Item>, signal: AbortSignal | undefined): AsyncGenerator<Item, void, undefined> {
  const iterator = Symbol.asyncIterator in items ? items[Symbol.asyncIterator]() : items[Symbol.iterator]()
  while (!signal?.aborted) {
    const next = await nextOrAbort(iterator, signal)
    if (next?.done) return
    if (next !== undefined) yield next.value
  }
  // Lets the source close what it has open. Not awaited: a generator that waits for its next item ends only after that.
  Promise.resolve(iterator.return?.()).catch(() => {})
}

/** @returns undefined at the abort */
function nextOrAbort<Item>(iterator: AsyncIterator<Item> | Iterator<Item>, signal: AbortSignal | undefined) {
  return new Promise<IteratorResult<Item> | undefined>((resolve, reject) => {
    const onAbort = () => resolve(undefined)
    signal?.addEventListener('abort', onAbort, { once: true })
    Promise.resolve(iterator.next())
      .then(resolve, reject)
      .finally(() => signal?.removeEventListener('abort', onAbort))
  })
}

const STATUS_OF = new Map([
  ['VALIDATION_ERROR', 400],
  ['FORBIDDEN', 403],
  ['NOT_FOUND', 404],
  ['CONFLICT', 409],
  ['PAYLOAD_TOO_LARGE', 413],
  ['IDEMPOTENCY_KEY_REUSED', 422],
  ['INTERNAL_ERROR', 500],
  ['SERVICE_UNAVAILABLE', 503],
])

/** An item's failure as the error that its single call would have thrown. */
function itemError({ code, message, details }: ItemFailure, { status, headers, requestId }: TransportResponse<unknown>): ApiError {
  return apiErrorFrom({ status: STATUS_OF.get(code) ?? status, code, message, details, requestId, headers, retryAfterMs: undefined })
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new TriggersError(String(error))
}

function isObject(item: unknown): boolean {
  return typeof item === 'object' && item !== null && !Array.isArray(item)
}

const encoder = new TextEncoder()

function byteLength(text: string): number {
  return encoder.encode(text).length
}
