import type { DatabaseSync } from 'node:sqlite'
import type { Outbox, OutboxEvent } from '../../webhook-ports.ts'
import { prepareAll } from './database.ts'
import { isMoved } from './event-id.ts'
import { eventBytes, eventRecordOf } from './event-row.ts'
import { OUTBOX_READS } from './outbox-sql.ts'
import type { BatchTimes, InputOf, OutboxReaderCalls } from './protocol.ts'
import type { Workspaces } from './workspaces.ts'

type Query = InputOf<OutboxReaderCalls, 'readOutbox'>

/** How the reader answers what is new in the outbox. */
export function outboxReader(db: DatabaseSync, workspaces: Workspaces): (query: Query, times: BatchTimes) => Outbox {
  const sql = prepareAll(db, OUTBOX_READS)
  // Objects with names cost twice as much, and most rows are only passed over.
  for (const statement of [sql.state, sql.walk, sql.event, sql.newest]) statement.setReturnArrays(true)
  const begin = db.prepare('BEGIN')
  const commit = db.prepare('COMMIT')

  function read(query: Query, times: BatchTimes): Outbox {
    const [stored, webhooksVersion] = numbersOf(sql.state.get())
    if (stored === undefined || webhooksVersion === undefined) throw new Error('The outbox is missing.')
    const after = query.after ?? stored
    const { events, mark, more } = walk(after, query, times)
    return { stored: String(stored), webhooksVersion: String(webhooksVersion), events, mark: String(mark), more }
  }

  function walk(
    after: number,
    { limit, maxBytes, interests }: Query,
    times: BatchTimes,
  ): { events: OutboxEvent[]; mark: number; more: boolean } {
    const interested = byNumber(interests)
    if (interested.size === 0) return { events: [], mark: Math.max(after, numbersOf(sql.newest.get())[0] ?? 0), more: false }
    const events: OutboxEvent[] = []
    let mark = after
    let looked = 0
    let bytes = 0
    // One row too many: it shows that there is more.
    for (const row of sql.walk.all(Math.max(after + 1, times.eventsExpiredUs), Number.MAX_SAFE_INTEGER, limit + 1)) {
      if (looked++ === limit) return { events, mark, more: true }
      const [seq, workspace, eventType, tail] = arrayOf(row)
      const interest = interested.get(Number(workspace))
      if (interest !== undefined && beginsWithOne(eventType, interest.beginnings) && !isMoved(String(tail))) {
        const event = { ...eventRecordOf(sql.event.get(Number(seq))), workspaceId: interest.workspaceId }
        bytes += eventBytes(event)
        if (events.length > 0 && bytes > maxBytes) return { events, mark, more: true }
        events.push(event)
      }
      mark = Number(seq)
    }
    return { events, mark, more: false }
  }

  function byNumber(interests: Query['interests']): Map<number, Interest> {
    const numbered = new Map<number, Interest>()
    for (const [workspaceId, beginnings] of interests) {
      const workspace = workspaces.find(workspaceId)
      if (workspace !== undefined) numbered.set(workspace, { workspaceId, beginnings })
    }
    return numbered
  }

  return (query, times) => {
    // One snapshot: a webhook that the version does not count yet gets none of these events.
    begin.run()
    try {
      return read(query, times)
    } finally {
      commit.run()
    }
  }
}

interface Interest {
  workspaceId: string
  beginnings: readonly string[]
}

function beginsWithOne(eventType: unknown, beginnings: readonly string[]): boolean {
  return typeof eventType === 'string' && beginnings.some((beginning) => eventType.startsWith(beginning))
}

function arrayOf(row: unknown): unknown[] {
  if (!Array.isArray(row)) throw new TypeError('The statement gives no arrays.')
  return row
}

function numbersOf(row: unknown): number[] {
  return arrayOf(row).map(Number)
}
