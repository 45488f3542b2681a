import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { query } from '../adapters/conformance/harness.ts'
import type { EventAddress } from '../adapters/sqlite/event-id.ts'
import { eventRow } from '../adapters/sqlite/event-row.ts'
import type { CallOf, Reply, WriterCalls, Written } from '../adapters/sqlite/protocol.ts'
import { openReader } from '../adapters/sqlite/reader.ts'
import type { Writer } from '../adapters/sqlite/writer.ts'
import type { EventFilter, NewEvent } from '../ports.ts'

/** Of all events here. */
export const WORKSPACE = 'w'
export const TIMES = { nowUs: 1_763_712_000_000_000, eventsExpiredUs: 0, keysExpiredUs: 0 }

/** Where a database may be until the test ends. */
export function temporaryFile(): string {
  const directory = mkdtempSync(join(tmpdir(), 'triggers-events-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  return join(directory, 'triggers.db')
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
