import { expect, it } from 'vitest'
import { planOf } from '../../testing/query-plan.ts'
import { ACCESS_READS, ACCESS_WRITES } from './access-sql.ts'

// The few data keys are read whole.
const { dataKeys, ...reads } = ACCESS_READS

for (const [name, sql] of Object.entries({ ...reads, ...ACCESS_WRITES })) {
  it(`goes through no table from its beginning, and sorts nothing: ${name}`, () => {
    expect(planOf(sql)).not.toMatch(/SCAN|TEMP B-TREE/)
  })
}

const walks: [keyof typeof ACCESS_READS | keyof typeof ACCESS_WRITES, index: RegExp][] = [
  ['keys', /INDEX api_keys_created \(\(created_us,key_id\)<\(\?,\?\)\)/],
  ['keysOfWorkspace', /INDEX api_keys_workspace \(workspace=\? AND \(created_us,key_id\)<\(\?,\?\)\)/],
  ['keyByHash', /h USING PRIMARY KEY \(hash=\?\)\nSEARCH k USING INDEX \w+ \(key_id=\?\)$/],
  ['entries', /INDEX audit_log_workspace \(workspace=\? AND rowid>\? AND rowid<\?\)/],
  ['entriesOfAction', /INDEX audit_log_action \(workspace=\? AND action=\? AND rowid>\? AND rowid<\?\)/],
  ['workspaces', /COVERING INDEX \w+ \(workspace_id>\?\)/],
  ['forgetHashes', /INDEX api_key_hashes_key \(key_id=\?\)/],
  ['sweepSignatures', /COVERING INDEX signatures_expiry \(expires_us<\?\)/],
]

for (const [name, index] of walks) {
  it(`reads only what it gives, from its index: ${name}`, () => {
    expect(planOf({ ...ACCESS_READS, ...ACCESS_WRITES }[name])).toMatch(index)
  })
}

it('reads the data keys by name, without sorting them', () => {
  expect(planOf(dataKeys)).toBe('SCAN data_keys')
})
