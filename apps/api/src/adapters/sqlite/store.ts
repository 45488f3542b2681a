import { existsSync, mkdirSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import type { Clock, EventStore, Store } from '../../ports.ts'
import type { Queue } from '../../webhook-ports.ts'
import { accessStore } from './access-store.ts'
import { CALL_BYTES, Channel, endThread, startThread } from './channel.ts'
import { DAY_US } from './delivery-row.ts'
import { deliveryStore, outboxStore } from './delivery-store.ts'
import { addressOf, eventIdOf, timeOf } from './event-id.ts'
import { eventRow } from './event-row.ts'
import { moveStore } from './move-store.ts'
import { OutboxWatch } from './outbox-watch.ts'
import type { BatchTimes, ReaderCalls, WriterCalls } from './protocol.ts'
import { sqliteQueue } from './queue.ts'
import { replayStore } from './replay-store.ts'
import { webhookStore } from './webhook-store.ts'

const IDEMPOTENCY_US = DAY_US
const MAX_RECEIVES = 10

export interface SqliteOptions {
  /** The directory of the data, created where it is missing. */
  directory: string
  eventTtlDays: number
  clock: Clock
  /** How often a job is received before it is given up; 10 unless told. */
  maxReceives?: number
}

/** The store with its queue, whose jobs are in the same file: its calls go through the same threads, and share their commits. */
export type SqliteStore = Store & { queue: Queue }

/**
 * The embedded store: one SQLite file, written by one thread, read by another, checkpointed by a third, so that the
 * event loop never waits for the disk.
 * @throws Error in words for the operator when the directory or the file cannot be used
 */
export async function openSqliteStore(options: SqliteOptions): Promise<SqliteStore> {
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
  checkpointer.on('message', () => {
    // When it cannot be done now, the checkpointer asks again.
    writer.call('finishCheckpoint', null, CALL_BYTES).catch(() => {})
  })
  const queue = sqliteQueue(writer, reader, { clock: options.clock, maxReceives: options.maxReceives ?? MAX_RECEIVES })
  const close = async () => {
    // What its receivers took and nobody waits for any more goes back while the writer still runs.
    await queue.close()
    await Promise.all([writer.close(), reader.close()])
    await endThread(checkpointer)
  }
  let closing: Promise<void> | undefined
  const watch = new OutboxWatch()
  return {
    ...eventStore(writer, reader, watch),
    ...accessStore(writer, reader),
    ...webhookStore(writer, reader),
    ...replayStore(writer, reader),
    ...outboxStore(writer, reader),
    ...deliveryStore(writer, reader),
    ...moveStore(writer, reader),
    watchOutbox: watch.watchOutbox,
    sweep: (limit) => writer.call('sweep', { limit }, CALL_BYTES),
    queue,
    close: () => {
      closing ??= close()
      return closing
    },
  }
}

/** Not `mkdirSync` with `recursive`: that never returns where the parent is there and the system says ENOENT, as /proc does. */
function makeDirectory(path: string): void {
  if (existsSync(path)) return
  makeDirectory(dirname(path))
  // Events are nobody else's business on this machine.
  mkdirSync(path, { mode: 0o700 })
}

function eventStore(writer: Channel<WriterCalls>, reader: Channel<ReaderCalls>, watch: OutboxWatch): EventStore {
  return {
    createEvents: async (workspaceId, events) => {
      const bytes = events.reduce((sum, event) => sum + CALL_BYTES + event.payload.length + event.metadata.length, 0)
      const written = await writer.call('create', { workspaceId, rows: events.map(eventRow) }, bytes)
      if (written.some(([outcome]) => outcome === 'created')) watch.notify()
      return written.map(([outcome, seq, tail]) =>
        outcome === 'key_reused' ? { outcome } : { outcome, eventId: eventIdOf(seq, tail), createdAtUs: timeOf(seq, tail) },
      )
    },
    getEvent: async (workspaceId, eventId) => {
      const address = addressOf(eventId)
      if (address === undefined) return undefined
      return (await reader.call('get', { workspaceId, address }, CALL_BYTES)) ?? undefined
    },
    listEvents: async (query) => {
      const after = query.after === undefined ? null : Number(query.after)
      const page = await reader.call('list', { ...query, after }, CALL_BYTES)
      return { events: page.events, next: page.next === null ? null : String(page.next) }
    },
    ackEvents: (workspaceId, eventIds) =>
      writer.call('ack', { workspaceId, addresses: eventIds.map(addressOrNull) }, CALL_BYTES * eventIds.length),
    deleteEvents: async (workspaceId, eventIds) => {
      await writer.call('delete', { workspaceId, addresses: eventIds.map(addressOrNull) }, CALL_BYTES * eventIds.length)
    },
  }
}

function addressOrNull(eventId: string) {
  return addressOf(eventId) ?? null
}
