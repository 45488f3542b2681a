import { describe, expect, it } from 'vitest'
import { dynamodbUrl } from '../../../testing/dynamodb-local.ts'
import { testTables } from '../../../testing/dynamodb-tables.ts'
import { FakeClock } from '../../../testing/fake-clock.ts'
import { newEvent, newWorkspace, query } from '../../conformance/harness.ts'
import { systemClock } from '../../system-clock.ts'
import { createClockGuard } from './clock-guard.ts'

/** A clock that is out by so much, its guard, and answers of a DynamoDB whose clock is right. */
function guarded(outUs: number, limitUs = 500_000) {
  const clock = new FakeClock()
  let trueUs = clock.nowUs()
  clock.advance({ us: outUs })
  const guard = createClockGuard({ clock, limitUs })
  return {
    guard,
    clock,
    answer({ afterUs = 0, wayUs = 1000 } = {}): void {
      trueUs += afterUs
      clock.advance({ us: afterUs })
      const askedUs = clock.nowUs()
      const serverMs = Math.floor((trueUs + wayUs) / 1e6) * 1000
      trueUs += 2 * wayUs
      clock.advance({ us: 2 * wayUs })
      guard.observe(serverMs, askedUs, clock.nowUs())
    },
  }
}

/** Twenty answers, evenly over the second. */
function observed(outUs: number): ReturnType<typeof guarded> {
  const world = guarded(outUs)
  for (let count = 0; count < 20; count++) world.answer({ afterUs: 51_000 })
  return world
}

describe('the clock guard', () => {
  it('knows nothing without answers', () => {
    const { guard } = guarded(7e6)
    expect([guard.leadUs(), guard.problem()]).toEqual([0, undefined])
  })

  it.each([-400_000, -200_000, 0, 200_000, 400_000])('lets a clock pass that is out by %i µs, less than the limit', (outUs) => {
    const { guard } = observed(outUs)
    expect(guard.problem()).toBeUndefined()
    expect(guard.leadUs()).toBeLessThanOrEqual(Math.max(0, outUs))
  })

  it.each([
    [700_000, /ahead of/],
    [90e6, /ahead of/],
    [-700_000, /behind/],
    [-90e6, /behind/],
  ])('tells of one that is out by %i µs', (outUs, words) => {
    expect(observed(outUs).guard.problem()).toMatch(words)
  })

  it('says how far it is ahead for certain, within a tenth of a second', () => {
    const leadUs = observed(900_000).guard.leadUs()
    expect(leadUs).toBeGreaterThan(800_000)
    expect(leadUs).toBeLessThanOrEqual(900_000)
  })

  it('is not misled by slow answers', () => {
    const { guard, answer } = guarded(0)
    for (let count = 0; count < 20; count++) answer({ afterUs: 51_000, wayUs: 3e6 })
    expect(guard.problem()).toBeUndefined()
  })

  it('forgets in some minutes, and learns anew', () => {
    const { guard, clock, answer } = observed(2e6)
    clock.advance({ seconds: 600 })
    expect([guard.leadUs(), guard.problem()]).toEqual([0, undefined])
    answer()
    expect(guard.leadUs()).toBeGreaterThan(0)
  })

  it.each([-3600e6, -1.5e6, 1.5e6, 3600e6])('believes a clock that was set by %i µs, at once', (us) => {
    const { guard, clock, answer } = observed(-us)
    expect(guard.problem()).toBeDefined()
    clock.advance({ us })
    for (let count = 0; count < 20; count++) answer({ afterUs: 51_000 })
    expect(guard.problem()).toBeUndefined()
  })
})

const endpointUrl = dynamodbUrl()
const tables = testTables(endpointUrl)

it.each([3e6, -3e6])('refuses writes with a clock that is out by %i µs, and still reads', async (outUs) => {
  const clock = { nowUs: () => systemClock.nowUs() + outUs }
  const workspace = newWorkspace()
  const { store, tablePrefix } = await tables.open({ clock, settleMs: 1000, guardClock: true })
  await expect(store.createEvents(workspace, [newEvent()])).rejects.toThrow(/clock of this server/)
  await expect(store.createEvents(workspace, [newEvent({ idempotency: { key: 'k', fingerprint: new Uint8Array(32) } })])).rejects.toThrow(
    /clock of this server/,
  )
  expect((await store.listEvents(query(workspace))).events).toEqual([])
  const { store: right } = await tables.open({ tablePrefix, guardClock: true })
  expect(await right.createEvents(workspace, [newEvent()])).toMatchObject([{ outcome: 'created' }])
})
