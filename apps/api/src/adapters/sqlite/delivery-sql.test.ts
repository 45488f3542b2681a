import { expect, it } from 'vitest'
import { planOf } from '../../testing/query-plan.ts'
import { ATTEMPT_WRITES, CLAIM, DELIVERY_ENDS, DELIVERY_INSERTS, DELIVERY_MOVES, DELIVERY_READS } from './delivery-sql.ts'
import { OUTBOX_READS, OUTBOX_WRITES } from './outbox-sql.ts'

const { forgetPaces, ...claim } = CLAIM
const { ofEvent, ...reads } = DELIVERY_READS
const { state, ...outboxReads } = OUTBOX_READS
const { advance } = OUTBOX_WRITES

const tables = {
  insert: DELIVERY_INSERTS,
  end: DELIVERY_ENDS,
  claim,
  attempt: ATTEMPT_WRITES,
  move: DELIVERY_MOVES,
  read: reads,
  outbox: outboxReads,
}

for (const [table, statements] of Object.entries(tables)) {
  for (const [name, sql] of Object.entries<string>(statements)) {
    it(`goes through no table from its beginning, and sorts nothing: ${table} ${name}`, () => {
      expect(planOf(sql)).not.toMatch(/SCAN|TEMP B-TREE/)
    })
  }
}

const walks: [sql: string, index: RegExp][] = [
  [CLAIM.due, /^SEARCH deliveries USING INDEX deliveries_due \(webhook=\? AND lane=\? AND due_us<\?\)$/],
  [CLAIM.tooFarAhead, /^SEARCH deliveries USING INDEX deliveries_due \(webhook=\? AND lane=\? AND due_us>\?\)$/],
  [CLAIM.firstDue, /^SEARCH deliveries USING COVERING INDEX deliveries_due \(webhook=\? AND lane=\?\)$/],
  [CLAIM.isTooFarAhead, /^SEARCH deliveries USING COVERING INDEX deliveries_due \(webhook=\? AND lane=\? AND due_us>\?\)$/],
  // With the first two columns alone, SQLite goes through the whole lane that it begins behind.
  [DELIVERY_READS.nextLane, /^SEARCH deliveries USING COVERING INDEX deliveries_due \(\(webhook,lane,due_us\)>\(\?,\?,\?\)\)$/],
  [DELIVERY_READS.ofWebhookWithStatus, /COVERING INDEX deliveries_webhook \(webhook=\? AND status=\? AND rowid>\? AND rowid<\?\)/],
  [DELIVERY_READS.ofWebhook, /COVERING INDEX deliveries_webhook \(webhook=\? AND status=\? AND rowid>\? AND rowid<\?\)/],
  [DELIVERY_READS.statuses, /INDEX deliveries_event \(event_seq=\? AND webhook=\?\)/],
  [DELIVERY_MOVES.pendingOfLane, /INDEX deliveries_due \(webhook=\? AND lane=\?\)/],
  [DELIVERY_MOVES.heldOfLane, /COVERING INDEX deliveries_held \(webhook=\? AND lane=\?\)/],
  [DELIVERY_ENDS.openOfEvent, /INDEX deliveries_event \(event_seq=\?\)/],
  [DELIVERY_ENDS.expired, /INTEGER PRIMARY KEY \(rowid<\?\)/],
  [OUTBOX_READS.walk, /^SEARCH events USING INTEGER PRIMARY KEY \(rowid>\? AND rowid<\?\)$/],
]

for (const [sql, index] of walks) {
  it(`reads only what it gives, from its index: ${sql}`, () => {
    expect(planOf(sql)).toMatch(index)
  })
}

it("sorts no more than one event's deliveries", () => {
  expect(planOf(ofEvent)).toBe('SEARCH deliveries USING COVERING INDEX deliveries_event (event_seq=?)\nUSE TEMP B-TREE FOR ORDER BY')
})

it('reads the one row of the outbox, and the few paces, whole', () => {
  expect([state, advance, forgetPaces].map(planOf)).toEqual(['SCAN outbox', 'SCAN outbox', 'SCAN paces'])
})
