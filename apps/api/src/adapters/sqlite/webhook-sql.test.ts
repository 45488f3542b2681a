import { expect, it } from 'vitest'
import { planOf } from '../../testing/query-plan.ts'
import { COMPLETE_REPLAY, REPLAY_READS, REPLAY_WRITES } from './replay-sql.ts'
import { WEBHOOK_READS, WEBHOOK_WRITES } from './webhook-sql.ts'

const STATEMENTS = { ...WEBHOOK_READS, ...WEBHOOK_WRITES, ...REPLAY_READS, ...REPLAY_WRITES, completeReplay: COMPLETE_REPLAY }
// Of one row.
const { countChange, ...others } = STATEMENTS

for (const [name, sql] of Object.entries(others)) {
  it(`goes through no table from its beginning, and sorts nothing: ${name}`, () => {
    expect(planOf(sql)).not.toMatch(/SCAN|TEMP B-TREE/)
  })
}

const walks: [keyof typeof STATEMENTS, index: RegExp][] = [
  ['webhooks', /INDEX webhooks_created \(created_us<\?\)/],
  ['webhooksOfWorkspace', /INDEX webhooks_workspace \(workspace=\? AND created_us<\?\)/],
  ['countWebhooks', /INDEX webhooks_workspace \(workspace=\?\)/],
  ['deletedOnes', /INDEX webhooks_deleted \(deleted_us>\?\)\n.*\n.*COVERING INDEX deliveries_\w+ \(webhook=\?\)/],
  ['forgetReplays', /COVERING INDEX replays_webhook \(webhook=\?\)/],
  ['replays', /r USING INDEX replays_webhook \(webhook=\? AND created_us<\?\)/],
  ['running', /INDEX replays_walking \(id>\?\)/],
  ['endReplaysOfWebhook', /INDEX replays_webhook \(webhook=\?\)/],
  ['heldDeliveries', /INDEX deliveries_event \(event_seq=\? AND webhook=\?\)/],
]

for (const [name, index] of walks) {
  it(`reads only what it gives, from its index: ${name}`, () => {
    expect(planOf(STATEMENTS[name])).toMatch(index)
  })
}

it('counts a change in the one row of the outbox', () => {
  expect(planOf(countChange)).toBe('SCAN outbox')
})
