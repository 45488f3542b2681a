import { join } from 'node:path'
import { constants, DatabaseSync } from 'node:sqlite'
import { expect, onTestFinished } from 'vitest'
import { query } from '../adapters/conformance/harness.ts'
import { openDatabase } from '../adapters/sqlite/database.ts'
import type { EventAddress } from '../adapters/sqlite/event-id.ts'
import { eventRow } from '../adapters/sqlite/event-row.ts'
import type { CallOf, Reply, WriterCalls, Written } from '../adapters/sqlite/protocol.ts'
import { openReader } from '../adapters/sqlite/reader.ts'
import { migrate } from '../adapters/sqlite/schema.ts'
import { Writer } from '../adapters/sqlite/writer.ts'
import type { EventFilter, NewEvent } from '../ports.ts'
import { temporaryDirectory } from './temporary-directory.ts'

/** Of all events here. */
export const WORKSPACE = 'w'
export const TIMES = { nowUs: 1_763_712_000_000_000, eventsExpiredUs: 0, keysExpiredUs: 0 }

/** Where a database may be until the test ends. */
export function temporaryFile(): string {
  return join(temporaryDirectory(), 'triggers.db')
}

/** A look at the file beside its writer; both are closed when the test ends. */
export function openBeside(path: string, writer: Writer) {
  const db = new DatabaseSync(path, { readOnly: true })
  onTestFinished(() => {
    db.close()
    writer.close()
  })
  return { db, count: (sql: string) => Number(db.prepare(sql).get()?.['n']) }
}

/** A writer of which one can have a transaction fail at its end: `failing` does so for all that `work` writes. */
export function failingWriter(path: string): { writer: Writer; failing: (work: () => void) => void } {
  const db = openDatabase(path, { cacheKiB: 1024 })
  migrate(db)
  const isCommit = (action: number, what: string | null) => action === constants.SQLITE_TRANSACTION && what === 'COMMIT'
  const failing = (work: () => void) => {
    db.setAuthorizer((action, what) => (isCommit(action, what) ? constants.SQLITE_DENY : constants.SQLITE_OK))
    work()
    db.setAuthorizer(null)
  }
  return { writer: new Writer(db), failing }
}

/** One transaction. @returns the calls' values */
export function run(writer: Writer, ...calls: CallOf<WriterCalls>[]): unknown[] {
  return writer.run({ times: TIMES, calls }).map((reply: Reply) => {
    if ('fault' in reply) throw new Error(reply.message)
    return reply.value
  })
}

/** One transaction of new events without idempotency keys. @returns their places */
export function create(writer: Writer, events: readonly NewEvent[]): EventAddress[] {
  const [written] = run(writer, { type: 'create', input: { workspaceId: WORKSPACE, rows: events.map(eventRow) } })
  // `WriterCalls` types the value of a create.
  return (written as Extract<Written, { length: 3 }>[]).map(([, seq, tail]) => ({ seq, tail }))
}

export const ack = (writer: Writer, addresses: EventAddress[]) => run(writer, { type: 'ack', input: { workspaceId: WORKSPACE, addresses } })
export const remove = (writer: Writer, addresses: EventAddress[]) =>
  run(writer, { type: 'delete', input: { workspaceId: WORKSPACE, addresses } })

/** Imports an event at the time of the first of these, which can move the others: fan-out passes them before, without which none is. @returns its place */
export function importAmong(writer: Writer, addresses: readonly EventAddress[], event: NewEvent): number {
  const [first, last] = [addresses[0], addresses.at(-1)]
  if (first === undefined || last === undefined) throw new Error('There is no event to import another among.')
  expect(run(writer, { type: 'fanOut', input: { from: 0, to: last.seq, deliveries: [] } })).toEqual([true])
  const imported = { address: { seq: first.seq, tail: 'bfff-ffffffffffff' }, row: eventRow(event), status: 0, acknowledgedAtUs: null }
  expect(run(writer, { type: 'importEvents', input: { workspaceId: WORKSPACE, events: [imported] } })).toEqual([['written']])
  return first.seq
}

/** @returns what gives the places of all events that a list finds, page by page */
export function lister(path: string): (filter: EventFilter, order: 'asc' | 'desc') => number[] {
  const reader = openReader(path)
  onTestFinished(() => reader.close())
  return (filter, order) => {
    const seqs: number[] = []
    for (let after: number | null = null; ; ) {
      const input = { ...query(WORKSPACE, { filter, order, limit: 40 }), after }
      const [reply] = reader.run({ times: TIMES, calls: [{ type: 'list', input }] })
      // `ReaderCalls` types the value of a list.
      const page = (reply as { value: { events: { createdAtUs: number }[]; next: number | null } }).value
      seqs.push(...page.events.map((event) => event.createdAtUs))
      if (page.next === null) return seqs
      after = page.next
    }
  }
}
