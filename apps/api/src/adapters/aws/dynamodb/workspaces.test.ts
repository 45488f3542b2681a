import { expect, it } from 'vitest'
import { dynamodbUrl } from '../../../testing/dynamodb-local.ts'
import { testTables } from '../../../testing/dynamodb-tables.ts'
import { FakeClock } from '../../../testing/fake-clock.ts'
import { newUuid } from '../../../uuid.ts'
import { fiftyTimes, newWorkspace } from '../../conformance/harness.ts'
import { makeTables } from './tables.ts'
import { createWorkspaces, partitionOf, shardCount, shardOf, WORKSPACE_LIFETIME_US } from './workspaces.ts'

await workspaceTests(dynamodbUrl())

async function workspaceTests(endpointUrl: string): Promise<void> {
  const { newPrefix, dynamoOf } = testTables(endpointUrl)
  const dynamo = dynamoOf(newPrefix())
  await makeTables(dynamo, [])

  /** As two processes have them. */
  function openTwo() {
    const clock = new FakeClock()
    const soonest = () => clock.nowUs() + 2 * WORKSPACE_LIFETIME_US
    return { clock, soonest, one: createWorkspaces(dynamo, clock, 4), other: createWorkspaces(dynamo, clock, 4) }
  }

  it('has another number of shards from its time on, in every process before that', async () => {
    const { clock, soonest, one, other } = openTwo()
    const workspaceId = newWorkspace()
    await one.findOrMake(workspaceId)
    const before = await other.find(workspaceId)
    const fromUs = soonest()
    expect(await one.setShards(workspaceId, 16, fromUs)).toBe('set')
    clock.advance({ us: WORKSPACE_LIFETIME_US })
    for (const workspaces of [one, other]) {
      const workspace = await workspaces.findOrMake(workspaceId)
      expect(workspace.shards).toEqual([
        { fromUs: 0, count: 4 },
        { fromUs, count: 16 },
      ])
      const [early, late] = [newUuid(fromUs - 1).replace(/..$/, 'ff'), newUuid(fromUs).replace(/..$/, 'ff')]
      expect([shardOf(workspace, early), shardOf(workspace, late)]).toEqual([3, 15])
      expect(before && shardOf(before, early)).toBe(3)
      expect(partitionOf(workspace, 15)).toBe(`${workspaceId}#15`)
      expect([shardCount(workspace, 0), shardCount(workspace, fromUs)]).toEqual([16, 16])
    }
  })

  it('reads all shards that events of the time asked for can be in, after it has fewer, too', async () => {
    const { clock, soonest, one } = openTwo()
    const workspaceId = newWorkspace()
    await one.findOrMake(workspaceId)
    const fromUs = soonest()
    expect(await one.setShards(workspaceId, 1, fromUs)).toBe('set')
    clock.advance({ us: 3 * WORKSPACE_LIFETIME_US })
    const workspace = await one.findOrMake(workspaceId)
    expect([shardCount(workspace, fromUs - 1), shardCount(workspace, fromUs)]).toEqual([4, 1])
  })

  it('takes powers of two from 1 to 256, from a minute later on', async () => {
    const { soonest, one } = openTwo()
    const workspaceId = newWorkspace()
    await one.findOrMake(workspaceId)
    for (const count of [0, 3, 6, 512, -2, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      await expect(one.setShards(workspaceId, count, soonest())).rejects.toThrow(RangeError)
    }
    for (const fromUs of [soonest() - 1, 0, Number.NaN, Number.POSITIVE_INFINITY, soonest() + 0.5]) {
      await expect(one.setShards(workspaceId, 8, fromUs)).rejects.toThrow(RangeError)
    }
    expect((await one.findOrMake(workspaceId)).shards).toEqual([{ fromUs: 0, count: 4 }])
    expect(await one.setShards(workspaceId, 256, soonest())).toBe('set')
    expect(await one.setShards(newWorkspace(), 8, soonest())).toBe('unknown')
  })

  it('never has two changes before it', async () => {
    const { clock, soonest, one, other } = openTwo()
    const workspaceId = newWorkspace()
    await one.findOrMake(workspaceId)
    await other.findOrMake(workspaceId)
    const fromUs = soonest()
    expect(await one.setShards(workspaceId, 8, fromUs)).toBe('set')
    expect(await other.setShards(workspaceId, 16, soonest() + 1)).toBe('pending')
    clock.advance({ us: 2 * WORKSPACE_LIFETIME_US - 1 })
    expect(await other.setShards(workspaceId, 16, soonest())).toBe('pending')
    clock.advance({ us: 1 })
    expect(await other.setShards(workspaceId, 8, soonest())).toBe('set')
    expect((await one.findOrMake(workspaceId)).shards).toHaveLength(2)
    const results = await fiftyTimes((n) => (n % 2 === 0 ? one : other).setShards(workspaceId, 2 ** (n % 3), soonest() + n))
    expect(results.filter((result) => result === 'set')).toHaveLength(1)
    expect((await one.findOrMake(workspaceId)).shards).toHaveLength(3)
  })

  it('is there for every process as soon as it is made', async () => {
    const { one, other } = openTwo()
    const workspaceId = newWorkspace()
    const [early, made] = await Promise.all([one.exists(workspaceId), other.findOrMake(workspaceId)])
    expect(early).toBeTypeOf('boolean')
    expect(made.shards).toEqual([{ fromUs: 0, count: 4 }])
    expect(await one.exists(workspaceId)).toBe(true)
  })
}
