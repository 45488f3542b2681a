import type { SQLInputValue } from 'node:sqlite'
import { type EventFilter, PRIORITIES } from '../../ports.ts'

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
    const priority = PRIORITIES.findIndex((known) => known === name)
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

const HAS_METADATA =
  'EXISTS (SELECT 1 FROM event_metadata m WHERE m.workspace = e.workspace AND m.key = ? AND m.value = ? AND m.status = e.status AND m.seq = e.seq)'

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
  const perStatus = condition === undefined ? PRIORITIES.map((_, priority) => [priority]) : [condition.parameters]
  const selects = statuses.flatMap((status) => {
    // The status is written out: SQLite then sees that a partial index covers it.
    const select = `SELECT seq FROM ${indexedColumns(condition, status)} AND status = ${status} AND workspace = ? AND seq BETWEEN ? AND ?`
    return perStatus.map(() => select)
  })
  return { sql: `${selects.join(' UNION ALL ')} ORDER BY seq ${order} LIMIT ?`, ranges: statuses.flatMap(() => perStatus) }
}

function indexedColumns(condition: Condition | undefined, status: number): string {
  switch (condition?.index) {
    case 'source':
      return 'events INDEXED BY events_source WHERE source = ?'
    case 'type':
      return 'events INDEXED BY events_type WHERE event_type = ?'
    case 'metadata':
      return 'event_metadata WHERE key = ? AND value = ?'
    case 'priority':
    case undefined:
      return `events INDEXED BY ${status === 0 ? 'events_pending' : 'events_acknowledged'} WHERE priority = ?`
  }
}

/** What a row is read as, in this order. */
export const ROW_COLUMNS = 'e.seq, e.tail, e.status, e.acknowledged_us, e.source, e.event_type, e.metadata, e.payload'

/** One row by its seq, if it passes the conditions. */
export function rowSql(conditions: readonly Condition[]): string {
  return [`SELECT ${ROW_COLUMNS} FROM events e WHERE e.seq = ?`, ...conditions.map((condition) => condition.test)].join(' AND ')
}
