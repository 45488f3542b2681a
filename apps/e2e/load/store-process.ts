/** Works below HTTP, in a process of its own: one task, one answer. Drives the SQLite adapter's writer from one thread. */
import { randomUUID } from 'node:crypto'
import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { endThread, startThread } from '../../api/src/adapters/sqlite/channel.ts'
import { openDatabase } from '../../api/src/adapters/sqlite/database.ts'
import { type EventAddress, eventIdOf } from '../../api/src/adapters/sqlite/event-id.ts'
import { eventRow } from '../../api/src/adapters/sqlite/event-row.ts'
import { openWriter, type Writer } from '../../api/src/adapters/sqlite/writer.ts'
import type { NewEvent } from '../../api/src/ports.ts'
import { sampleRow, VARIANTS } from './samples.ts'
import { type Latencies, latenciesOf } from './stats.ts'

/** Inserts in commits of `batch` events, until either bound is reached. */
interface InsertTask {
  type: 'insert'
  dataDirectory: string
  batch: number
  maxEvents: number
  maxSeconds: number
  metadataKeys?: number
  idempotencyKeys?: boolean
  withoutIndex?: string
  /** Fills: no warm-up, exactly `maxEvents`; answers this many of the new ids, evenly spread. */
  ids?: number
}
interface FsyncTask {
  type: 'fsync'
  directory: string
  count: number
}
interface IndexesTask {
  type: 'indexes'
  dataDirectory: string
}
export type StoreTask = InsertTask | FsyncTask | IndexesTask

export interface Inserted {
  events: number
  seconds: number
  /** Of the inserting thread. */
  cpuSeconds: number
  ids: string[]
}
interface Replies {
  insert: Inserted
  fsync: Latencies
  indexes: string[]
}
export type StoreReply<T extends StoreTask> = Replies[T['type']]

/** The development key's workspace. */
const WORKSPACE = 'default'
const DAY_US = 86_400_000_000
const WARM_UP_EVENTS = 5000

async function insert(task: InsertTask): Promise<Inserted> {
  const path = join(task.dataDirectory, 'triggers.db')
  const writer = openWriter(path)
  // As in the server, the checkpoints run in a thread beside the writer.
  const checkpointer = await startThread(new URL('../../api/src/adapters/sqlite/checkpoint-thread.ts', import.meta.url), { path })
  if (task.withoutIndex !== undefined) {
    const db = openDatabase(path, { cacheKiB: 1024 })
    db.exec(`DROP INDEX "${task.withoutIndex}"`)
    db.close()
  }
  const rows = Array.from({ length: VARIANTS }, (_, variant) => sampleRow(variant, task.metadataKeys))
  let made = 0
  const nextBatch = () => Array.from({ length: task.batch }, () => withKey(rows[made++ % VARIANTS] ?? sampleRow(0), task.idempotencyKeys))

  const isFill = task.ids !== undefined
  while (!isFill && made < WARM_UP_EVENTS) commit(writer, nextBatch())
  const warm = made
  const idEvery = Math.max(1, Math.floor(task.maxEvents / (task.ids ?? 1)))
  const ids: string[] = []
  const cpu = process.threadCpuUsage()
  const beginMs = performance.now()
  while (made - warm < task.maxEvents && performance.now() - beginMs < task.maxSeconds * 1000) {
    const before = made
    const written = commit(writer, nextBatch())
    if (!isFill) continue
    for (const [index, { seq, tail }] of written.entries()) if ((before + index) % idEvery === 0) ids.push(eventIdOf(seq, tail))
  }
  const seconds = (performance.now() - beginMs) / 1000
  const used = process.threadCpuUsage(cpu)
  writer.close()
  await endThread(checkpointer)
  return { events: made - warm, seconds, cpuSeconds: (used.user + used.system) / 1e6, ids }
}

function withKey(row: NewEvent, wanted: boolean | undefined): NewEvent {
  return wanted ? { ...row, idempotency: { key: randomUUID(), fingerprint: new Uint8Array(32) } } : row
}

/** Seldom enough to cost next to nothing: this is the limit that the server is held against, so it must not be slowed down. */
const CHECKPOINT_EVENTS = 8000
let sinceCheckpoint = 0

/** One transaction. */
function commit(writer: Writer, events: NewEvent[]): EventAddress[] {
  sinceCheckpoint += events.length
  const nowUs = Math.floor((performance.timeOrigin + performance.now()) * 1000)
  const times = { nowUs, eventsExpiredUs: nowUs - 7 * DAY_US, keysExpiredUs: nowUs - DAY_US }
  const [reply] = writer.run({ times, calls: [{ type: 'create', input: { workspaceId: WORKSPACE, rows: events.map(eventRow) } }] })
  if (sinceCheckpoint >= CHECKPOINT_EVENTS) {
    sinceCheckpoint = 0
    writer.run({ times, calls: [{ type: 'finishCheckpoint', input: null }] })
  }
  if (reply === undefined || !('value' in reply)) throw new Error(`The writer failed: ${reply?.message}`)
  // `WriterCalls` types the value of a create; no event here reuses a key for other content.
  return (reply.value as ['created', number, string][]).map(([, seq, tail]) => ({ seq, tail }))
}

/** What a commit asks of the disk: one page appended, one fsync. */
function fsync({ directory, count }: FsyncTask): Latencies {
  const page = Buffer.alloc(4096, 1)
  const file = openSync(join(directory, 'fsync'), 'w')
  const samples: number[] = []
  for (let i = 0; i < count; i++) {
    const beginMs = performance.now()
    writeSync(file, page, 0, page.length, i * page.length)
    fsyncSync(file)
    samples.push(performance.now() - beginMs)
  }
  closeSync(file)
  return latenciesOf(samples)
}

/** The names of the event table's indexes. */
function indexes({ dataDirectory }: IndexesTask): string[] {
  const path = join(dataDirectory, 'triggers.db')
  openWriter(path).close()
  const db = openDatabase(path, { cacheKiB: 1024 })
  const rows = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'index' AND tbl_name = 'events' AND sql IS NOT NULL").all()
  db.close()
  return rows.map((row) => String(row['name']))
}

async function run(task: StoreTask): Promise<Replies[keyof Replies]> {
  switch (task.type) {
    case 'insert':
      return insert(task)
    case 'fsync':
      return fsync(task)
    case 'indexes':
      return indexes(task)
  }
}

process.on('message', async (task: StoreTask) => {
  process.send?.(await run(task))
})
process.on('disconnect', () => process.exit(0))
