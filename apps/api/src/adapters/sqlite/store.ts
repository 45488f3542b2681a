import { existsSync, mkdirSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import type { Worker } from 'node:worker_threads'
import type { AckResult, Clock, CreateResult, EventPage, EventQuery, EventRecord, NewEvent, Store } from '../../ports.ts'
import { Channel, endThread, startThread } from './channel.ts'
import { addressOf, eventIdOf } from './event-id.ts'
import { eventRow } from './event-row.ts'
import type { BatchTimes, ReaderCalls, WriterCalls } from './protocol.ts'

const DAY_US = 86_400_000_000
const IDEMPOTENCY_US = DAY_US
/** What a call weighs beside its strings, for the bound on waiting work. */
const CALL_BYTES = 200

export interface SqliteOptions {
  /** The directory of the data, created where it is missing. */
  directory: string
  eventTtlDays: number
  clock: Clock
}

/**
 * The embedded store: one SQLite file, written by one thread, read by another, checkpointed by a third, so that the
 * event loop never waits for the disk.
 * @throws Error in words for the operator when the directory or the file cannot be used
 */
export async function openSqliteStore(options: SqliteOptions): Promise<Store> {
  makeDirectory(resolve(options.directory))
  const data = { path: join(options.directory, 'triggers.db') }
  const times = (): BatchTimes => {
    const nowUs = options.clock.nowUs()
    return { nowUs, eventsExpiredUs: nowUs - options.eventTtlDays * DAY_US, keysExpiredUs: nowUs - IDEMPOTENCY_US }
  }
  // The writer first: it creates the file and brings its schema up to date.
  const writer = await Channel.open<WriterCalls>(new URL('./writer-thread.ts', import.meta.url), data, times)
  const [reader, checkpointer] = await Promise.all([
    Channel.open<ReaderCalls>(new URL('./reader-thread.ts', import.meta.url), data, times),
    startThread(new URL('./checkpoint-thread.ts', import.meta.url), data),
  ])
  return new SqliteStore(writer, reader, checkpointer)
}

/** Not `mkdirSync` with `recursive`: that never returns where the parent is there and the system says ENOENT, as /proc does. */
function makeDirectory(path: string): void {
  if (existsSync(path)) return
  makeDirectory(dirname(path))
  mkdirSync(path)
}

class SqliteStore implements Store {
  readonly #writer: Channel<WriterCalls>
  readonly #reader: Channel<ReaderCalls>
  readonly #checkpointer: Worker

  constructor(writer: Channel<WriterCalls>, reader: Channel<ReaderCalls>, checkpointer: Worker) {
    this.#writer = writer
    this.#reader = reader
    this.#checkpointer = checkpointer
    checkpointer.on('message', () => {
      // When it cannot be done now, the checkpointer asks again.
      writer.call('finishCheckpoint', null, CALL_BYTES).catch(() => {})
    })
  }

  async createEvents(workspaceId: string, events: readonly NewEvent[]): Promise<CreateResult[]> {
    const bytes = events.reduce((sum, event) => sum + CALL_BYTES + event.payload.length + event.metadata.length, 0)
    const written = await this.#writer.call('create', { workspaceId, rows: events.map(eventRow) }, bytes)
    return written.map(([outcome, seq, tail]) =>
      outcome === 'key_reused' ? { outcome } : { outcome, eventId: eventIdOf(seq, tail), createdAtUs: seq },
    )
  }

  async getEvent(workspaceId: string, eventId: string): Promise<EventRecord | undefined> {
    const address = addressOf(eventId)
    if (address === undefined) return undefined
    return (await this.#reader.call('get', { workspaceId, address }, CALL_BYTES)) ?? undefined
  }

  async listEvents(query: EventQuery): Promise<EventPage> {
    const after = query.after === undefined ? null : Number(query.after)
    const page = await this.#reader.call('list', { ...query, after }, CALL_BYTES)
    return { events: page.events, next: page.next === null ? null : String(page.next) }
  }

  ackEvents(workspaceId: string, eventIds: readonly string[]): Promise<AckResult[]> {
    return this.#writer.call('ack', { workspaceId, addresses: eventIds.map(addressOrNull) }, CALL_BYTES * eventIds.length)
  }

  async deleteEvents(workspaceId: string, eventIds: readonly string[]): Promise<void> {
    await this.#writer.call('delete', { workspaceId, addresses: eventIds.map(addressOrNull) }, CALL_BYTES * eventIds.length)
  }

  sweep(limit: number): Promise<boolean> {
    return this.#writer.call('sweep', { limit }, CALL_BYTES)
  }

  dataKey(name: string, candidate: Uint8Array): Promise<Uint8Array> {
    return this.#writer.call('dataKey', { name, candidate }, CALL_BYTES)
  }

  async close(): Promise<void> {
    await Promise.all([this.#writer.close(), this.#reader.close()])
    await endThread(this.#checkpointer)
  }
}

function addressOrNull(eventId: string) {
  return addressOf(eventId) ?? null
}
