import { expect, it } from 'vitest'
import { dynamodbUrl } from '../../../testing/dynamodb-local.ts'
import { startDynamodbProxy } from '../../../testing/dynamodb-proxy.ts'
import { testTables } from '../../../testing/dynamodb-tables.ts'
import { FakeClock } from '../../../testing/fake-clock.ts'
import { newEvent, newWorkspace } from '../../conformance/harness.ts'
import { activeWorkspaces, createActivity } from './activity.ts'
import type { Dynamo } from './client.ts'
import { CommitClock } from './commit-clock.ts'
import type { DynamoContext } from './context.ts'
import { createWorkspaces } from './workspaces.ts'

const MINUTE_US = 60e6
const HOUR_US = 3600e6

const endpointUrl = dynamodbUrl()
const tables = testTables(endpointUrl)

async function opened() {
  const clock = new FakeClock()
  const { store, tablePrefix } = await tables.open({ clock })
  const dynamo = tables.dynamoOf(tablePrefix)
  const context: DynamoContext = {
    dynamo,
    clock,
    commitClock: new CommitClock(clock),
    workspaces: createWorkspaces(dynamo, clock, 1),
    eventTtlUs: 7 * 86_400e6,
    settleUs: 1e6,
    indexes: { all: [], ready: [] },
  }
  const active = async (fromUs: number, toUs: number) => [...(await activeWorkspaces(context, fromUs, toUs))].sort()
  return { store, clock, context, active }
}

it('finds the workspaces that have events in a range of time, however long it is', async () => {
  const { store, clock, active } = await opened()
  const startUs = clock.nowUs()
  const create = () => store.createEvents(newWorkspace(), [newEvent()])
  const [a, b] = [newWorkspace(), newWorkspace()]
  await Promise.all([a, b].map((workspace) => store.createEvents(workspace, [newEvent()])))
  clock.advance({ hours: 30 })
  await create()
  await store.createEvents(b, [newEvent()])
  const both = [a, b].sort()
  expect(await active(startUs, startUs + MINUTE_US - 1)).toEqual(both)
  expect(await active(startUs - 1, startUs)).toEqual(both)
  expect(await active(startUs + MINUTE_US, startUs + 2 * MINUTE_US)).toEqual([])
  expect(await active(startUs - 40 * HOUR_US, startUs + 29 * HOUR_US)).toEqual(both)
  expect(await active(startUs + HOUR_US, clock.nowUs() - HOUR_US)).toEqual([])
  const all = await active(startUs, clock.nowUs() + HOUR_US)
  expect(all).toHaveLength(3)
  expect(all).toEqual(expect.arrayContaining(both))
  expect(await active(startUs + HOUR_US, startUs)).toEqual([])
})

it('writes once a minute for each workspace, and late in a minute ahead for the next', async () => {
  const proxy = await startDynamodbProxy(endpointUrl)
  const clock = new FakeClock()
  const { store } = await tables.open({ endpointUrl: proxy.url, clock })
  const workspace = newWorkspace()
  const writesOf = async (act: () => Promise<unknown>) => {
    proxy.reset()
    await act()
    return proxy.counts().requests['BatchWriteItem'] ?? 0
  }
  const create = () => store.createEvents(workspace, [newEvent()])
  expect(await writesOf(create)).toBe(2)
  expect(await writesOf(create)).toBe(1)
  clock.advance({ seconds: 59 })
  proxy.reset()
  await create()
  await expect.poll(() => proxy.counts().requests['BatchWriteItem']).toBe(2)
  clock.advance({ seconds: 2 })
  expect(await writesOf(create)).toBe(1)
  await store.close()
  await proxy.close()
})

it('announces what was asked for at once in one write', async () => {
  const { context, active } = await opened()
  const us = context.clock.nowUs()
  let writes = 0
  const batchWrite: Dynamo['batchWrite'] = (...input) => {
    writes++
    return context.dynamo.batchWrite(...input)
  }
  const activity = createActivity({ ...context, dynamo: { ...context.dynamo, batchWrite } })
  const workspace = newWorkspace()
  expect(activity.isAnnounced(workspace, us)).toBe(false)
  await Promise.all(Array.from({ length: 20 }, () => activity.announce(workspace, us)))
  expect([activity.isAnnounced(workspace, us), writes]).toEqual([true, 1])
  expect(activity.isAnnounced(workspace, us + MINUTE_US)).toBe(false)
  expect(await active(us, us)).toEqual([workspace])
})
