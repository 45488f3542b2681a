import { DatabaseSync } from 'node:sqlite'
import { migrate } from '../adapters/sqlite/schema.ts'

/** At the newest schema, and empty. */
export const db = new DatabaseSync(':memory:')
migrate(db)

/** How SQLite would carry out the statement: one line a step. */
export function planOf(sql: string): string {
  return db
    .prepare(`EXPLAIN QUERY PLAN ${sql}`)
    .all()
    .map((row) => String(row['detail']))
    .join('\n')
}
