import type { SQLInputValue } from 'node:sqlite'
import { EVENT_STATUSES, type EventFilter, PRIORITIES } from '../../ports.ts'

const PENDING = EVENT_STATUSES.indexOf('pending')
const PRIORITY_NAMES: readonly string[] = PRIORITIES

/** One filter: the index that serves it, and how a single row is asked whether it passes. */
export interface Condition {
  /** Absent where the filter has no index of its own. */
  index?: 'source' | 'type' | 'metadata' | 'priority' | undefined
  /** What a row `e` of `events` must satisfy, with a `?` for each parameter. */
  test: string
  parameters: SQLInputValue[]
}

/** The filter's conditions beside status and time, which every index carries. */
export function listConditions(filter: EventFilter): Condition[] {
  const conditions: Condition[] = []
  const addPriority = (name: string) => {
    const priority = PRIORITY_NAMES.indexOf(name)
    conditions.push({ index: 'priority', test: 'e.priority = ?', parameters: [priority] })
  }
  if (filter.source !== undefined) conditions.push({ index: 'source', test: 'e.source = ?', parameters: [filter.source] })
  if (filter.eventType !== undefined) conditions.push({ index: 'type', test: 'e.event_type = ?', parameters: [filter.eventType] })
  if (filter.priority !== undefined) addPriority(filter.priority)
  for (const [key, value] of Object.entries(filter.metadata ?? {})) {
    if (key === 'priority') addPriority(value)
    else if (key === 'idempotency_key') conditions.push({ test: "json_extract(e.metadata, '$.idempotency_key') = ?", parameters: [value] })
    else conditions.push({ index: 'metadata', test: HAS_METADATA, parameters: [key, value] })
  }
  return conditions
}

const HAS_METADATA = `EXISTS (SELECT 1 FROM (SELECT ? AS key, ? AS value) f WHERE
  EXISTS (SELECT 1 FROM event_metadata m WHERE m.workspace = e.workspace AND m.key = f.key AND m.value = f.value AND m.status = e.status AND m.seq = e.seq)
  OR EXISTS (SELECT 1 FROM event_metadata_new n WHERE n.seq = e.seq AND n.key = f.key AND n.value = f.value))`

/** A walk along one index: the statement, and the parameters that each of its ranges begins with. */
export interface Walk {
  sql: string
  ranges: SQLInputValue[][]
}

/**
 * The seqs from low to high that satisfy a condition (without one: all), in order. An index keeps each status, and
 * without a condition each priority, in a range of its own; SQLite merges the ranges.
 * Parameters: for each range its own, the workspace, low, high; at the end the limit.
 */
export function walkSql(condition: Condition | undefined, statuses: readonly number[], order: 'asc' | 'desc'): Walk {
  const own = condition === undefined ? PRIORITIES.map((_, priority) => [priority]) : [condition.parameters]
  const selects = statuses.flatMap((status) =>
    rangesOf(condition, status).flatMap(({ sql, low = '?', high = '?' }) =>
      own.map((parameters) => ({ sql: `${sql} AND workspace = ? AND seq BETWEEN ${low} AND ${high}`, parameters })),
    ),
  )
  return {
    sql: `${selects.map(({ sql }) => sql).join(' UNION ALL ')} ORDER BY seq ${order} LIMIT ?`,
    ranges: selects.map(({ parameters }) => parameters),
  }
}

/** A select, and the bounds of its seqs where they are not the walk's alone: with a `?` for that. */
interface Range {
  sql: string
  low?: string
  high?: string
}

/** Where the seqs of a status are found. It is written out: SQLite then sees that a partial index covers it. */
function rangesOf(condition: Condition | undefined, status: number): Range[] {
  switch (condition?.index) {
    case 'source':
      return fieldRanges('events_source', `source = ? AND status = ${status}`)
    case 'type':
      return fieldRanges('events_type', `event_type = ? AND status = ${status}`)
    case 'metadata':
      return [
        {
          sql: `SELECT seq FROM event_metadata WHERE key = ? AND value = ? AND status = ${status}`,
          high: `min(?, ${BEFORE_NEW_METADATA})`,
        },
        { sql: `SELECT seq FROM (${NEW_METADATA}) WHERE key = ? AND value = ? AND status = ${status}` },
      ]
    case 'priority':
    case undefined: {
      const index = status === PENDING ? 'events_pending' : 'events_acknowledged'
      return [{ sql: `SELECT seq FROM events INDEXED BY ${index} WHERE priority = ? AND status = ${status}` }]
    }
  }
}

/** In an index that leaves out new events, and among these. */
function fieldRanges(index: string, where: string): Range[] {
  return [
    { sql: `SELECT seq FROM events INDEXED BY ${index} WHERE ${where} AND is_indexed = 1` },
    { sql: `SELECT seq FROM events NOT INDEXED WHERE ${where} AND is_indexed = 0`, low: `max(?, ${FIRST_NEW})` },
  ]
}

/** The two indexes have all events before it, and those behind it that came from elsewhere: see `field-indexes.ts`. */
const FIRST_NEW = '(SELECT indexed_seq + 1 FROM commit_clock WHERE id = 1)'

/** The index has all metadata of events up to it, and some of those behind it: see `metadata-index.ts`. */
const BEFORE_NEW_METADATA = `coalesce((SELECT min(seq) - 1 FROM event_metadata_new), ${Number.MAX_SAFE_INTEGER})`
const NEW_METADATA = 'SELECT n.workspace, n.key, n.value, e.status, n.seq FROM event_metadata_new n CROSS JOIN events e ON e.seq = n.seq'

/** What a row is read as, in this order. */
export const ROW_COLUMNS = 'e.seq, e.tail, e.status, e.acknowledged_us, e.source, e.event_type, e.metadata, e.payload'

/** One row by its seq, if it passes the conditions. */
export function rowSql(conditions: readonly Condition[]): string {
  return [`SELECT ${ROW_COLUMNS} FROM events e WHERE e.seq = ?`, ...conditions.map((condition) => condition.test)].join(' AND ')
}
