import { expect, it } from 'vitest'
import type { EventFilter } from '../../ports.ts'
import { db, planOf } from '../../testing/query-plan.ts'
import { listConditions, rowSql, walkSql } from './list-sql.ts'

const filters: [EventFilter, index: RegExp][] = [
  [{}, /COVERING INDEX events_(pending|acknowledged) \(workspace=\? AND priority=\? AND rowid>\? AND rowid<\?\)/],
  [{ priority: 'high' }, /COVERING INDEX events_(pending|acknowledged) \(workspace=\? AND priority=\? AND rowid>\? AND rowid<\?\)/],
  [{ source: 's' }, /COVERING INDEX events_source \(workspace=\? AND source=\? AND status=\? AND rowid>\? AND rowid<\?\)/],
  [{ eventType: 't' }, /COVERING INDEX events_type \(workspace=\? AND event_type=\? AND status=\? AND rowid>\? AND rowid<\?\)/],
  [
    { metadata: { k: 'v' } },
    /event_metadata USING PRIMARY KEY \(workspace=\? AND key=\? AND value=\? AND status=\? AND seq>\? AND seq<\?\)/,
  ],
]

for (const [filter, index] of filters) {
  for (const statuses of [[0], [1], [0, 1]]) {
    for (const order of ['asc', 'desc'] as const) {
      it(`walks one index and sorts nothing: ${JSON.stringify(filter)}, statuses ${statuses}, ${order}`, () => {
        const plan = planOf(walkSql(listConditions(filter)[0], statuses, order).sql)
        expect(plan).toMatch(index)
        expect(plan).not.toMatch(/SCAN|TEMP B-TREE/)
      })
    }
  }
}

it('reads the inbox from an index that holds pending events only', () => {
  expect(planOf(walkSql(undefined, [0], 'asc').sql)).not.toMatch(/events_acknowledged/)
  const [index] = db.prepare("SELECT sql FROM sqlite_schema WHERE name = 'events_pending'").all()
  expect(String(index?.['sql'])).toMatch(/WHERE status = 0$/)
})

it('finds a row of a combination by its key, and its metadata by theirs', () => {
  const plan = planOf(rowSql(listConditions({ source: 's', eventType: 't', priority: 'low', metadata: { k: 'v', idempotency_key: 'i' } })))
  expect(plan).toMatch(/SEARCH e USING INTEGER PRIMARY KEY \(rowid=\?\)/)
  expect(plan).toMatch(/SEARCH m (?:EXISTS )?USING PRIMARY KEY \(workspace=\? AND key=\? AND value=\? AND status=\? AND seq=\?\)/)
  expect(plan).toMatch(/SEARCH n USING PRIMARY KEY \(seq=\? AND key=\?\)/)
  // Only the filter itself is read whole: one row.
  expect(plan).not.toMatch(/SCAN (?!CONSTANT ROW|f$)/m)
})

it('looks for metadata through the new terms too, from the page on', () => {
  const plan = planOf(walkSql(listConditions({ metadata: { k: 'v' } })[0], [0, 1], 'asc').sql)
  expect(plan).toMatch(/SEARCH n USING PRIMARY KEY \(seq>\? AND seq<\?\)\nSEARCH e USING INTEGER PRIMARY KEY \(rowid=\?\)/)
})

it.each([{ source: 's' }, { eventType: 't' }])('looks for %o through the new events too, from the first of them on', (filter) => {
  const { sql } = walkSql(listConditions(filter)[0], [0, 1], 'asc')
  expect(planOf(sql)).toMatch(/SEARCH events USING INTEGER PRIMARY KEY \(rowid>\? AND rowid<\?\)/)
  expect(sql).toContain('BETWEEN max(?, (SELECT indexed_seq + 1 FROM commit_clock WHERE id = 1)) AND ?')
})
