import { expect, it } from 'vitest'
import { planOf } from '../../testing/query-plan.ts'
import { MOVE_EVENTS, MOVE_READS, MOVE_WRITES } from './move-sql.ts'
import { PLACES } from './places.ts'

// They have one row.
const { mark, moveMark, ...events } = MOVE_EVENTS
const { countChange, ...writes } = MOVE_WRITES

for (const [name, sql] of Object.entries({ ...events, ...writes, ...MOVE_READS, ...PLACES })) {
  it(`goes through no table from its beginning, and sorts nothing: ${name}`, () => {
    expect(planOf(sql)).not.toMatch(/SCAN|TEMP B-TREE/)
  })
}

const walks: [sql: string, index: RegExp][] = [
  [PLACES.event, /^SEARCH event_places USING PRIMARY KEY \(workspace=\? AND created_us=\? AND tail=\?\)$/],
  [PLACES.lastEvent, /^SEARCH event_places USING PRIMARY KEY \(workspace=\? AND created_us<\?\)$/],
  [MOVE_EVENTS.placeBefore, /^SEARCH event_places USING PRIMARY KEY \(workspace=\? AND \(created_us,tail\)<\(\?,\?\)\)$/],
  [MOVE_READS.deliveries, /COVERING INDEX deliveries_webhook \(webhook=\? AND status=\? AND rowid>\?\)/],
]

for (const [sql, index] of walks) {
  it(`reads only what it gives, from its index: ${sql}`, () => {
    expect(planOf(sql)).toMatch(index)
  })
}

it('looks at the one row of the outbox', () => {
  expect([mark, moveMark, countChange].map(planOf)).toEqual(['SCAN outbox', 'SCAN outbox', 'SCAN outbox'])
})
