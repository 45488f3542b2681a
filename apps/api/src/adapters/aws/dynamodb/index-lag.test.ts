import { setTimeout as sleep } from 'node:timers/promises'
import { beforeAll, describe, expect, it } from 'vitest'
import { dynamodbUrl } from '../../../testing/dynamodb-local.ts'
import { testTables } from '../../../testing/dynamodb-tables.ts'
import { createdIds, idsOf, newEvent, newWorkspace, query } from '../../conformance/harness.ts'
import { systemClock } from '../../system-clock.ts'
import type { Dynamo } from './client.ts'
import { CommitClock } from './commit-clock.ts'
import { spreadOf, timeOf } from './ids.ts'
import { createIndexLag } from './index-lag.ts'
import { createListEvents } from './list-events.ts'
import type { Item } from './notation.ts'
import { createWorkspaces } from './workspaces.ts'

const SETTLE_US = 50_000

describe('the lag of the indexes', () => lagTests(dynamodbUrl()))

function lagTests(endpointUrl: string): void {
  const { open, dynamoOf } = testTables(endpointUrl)
  let tablePrefix: string
  beforeAll(async () => {
    ;({ tablePrefix } = await open())
  })

  /** As if the indexes were that late for probes, and for about half of all else; `probes` counts the items that are written. */
  function late(lagMs: () => number) {
    const dynamo = dynamoOf(tablePrefix)
    const seen = { probes: 0, queries: 0 }
    const changed: Dynamo = {
      ...dynamo,
      async put(...input) {
        seen.probes++
        return await dynamo.put(...input)
      },
      async query(input) {
        seen.queries++
        const page = await dynamo.query(input)
        if (input.index === undefined) return page
        const latestUs = systemClock.nowUs() - lagMs() * 1000
        const isQuick = ({ pk, sk }: Item) => !pk.startsWith('#probe') && spreadOf(sk) < 128
        return { ...page, items: page.items.filter((item) => isQuick(item) || (timeOf(item.sk) ?? 0) <= latestUs) }
      },
    }
    return { dynamo: changed, seen, close: dynamo.close }
  }

  const contextOf = (dynamo: Dynamo) => ({
    ...{ dynamo, clock: systemClock, commitClock: new CommitClock(systemClock), workspaces: createWorkspaces(dynamo, systemClock, 4) },
    ...{ eventTtlUs: 7 * 86_400e6, settleUs: SETTLE_US, indexes: { all: [], ready: [] } },
  })

  it('is measured only when an index is asked, and not each time', async () => {
    const { dynamo, seen } = late(() => 0)
    const lag = createIndexLag(contextOf(dynamo))
    expect(lag.windowUs()).toBe(SETTLE_US)
    expect(seen).toEqual({ probes: 0, queries: 0 })
    for (let n = 0; n < 20; n++) lag.asked()
    await expect.poll(() => seen.queries, { timeout: 5000 }).toBeGreaterThan(0)
    for (let n = 0; n < 20; n++) lag.asked()
    expect(seen.probes).toBe(1)
  })

  it('widens the window to twice what a probe takes, from when it takes that long on', async () => {
    let isHidden = true
    const { dynamo } = late(() => (isHidden ? 60_000 : 0))
    const lag = createIndexLag(contextOf(dynamo))
    lag.asked()
    await expect.poll(() => lag.windowUs(), { timeout: 5000 }).toBeGreaterThan(600_000)
    isHidden = false
    let beforeUs = 0
    const growth = () => {
      const [wasUs, isUs] = [beforeUs, lag.windowUs()]
      beforeUs = isUs
      return isUs - wasUs
    }
    // It has come: the window stands still, as wide as it was.
    await expect.poll(growth, { timeout: 5000 }).toBe(0)
    expect(lag.windowUs()).toBeGreaterThan(600_000)
  })

  it('is not measured any more when the store was closed', async () => {
    const { dynamo, close } = late(() => 60_000)
    const lag = createIndexLag(contextOf(dynamo))
    lag.asked()
    await expect.poll(() => lag.windowUs(), { timeout: 5000 }).toBeGreaterThan(SETTLE_US)
    close()
    await expect.poll(() => lag.windowUs(), { timeout: 5000 }).toBe(SETTLE_US)
  })

  it('hides no event from a reader that follows cursors in an index that is late', { timeout: 30_000 }, async () => {
    const { store } = await open({ tablePrefix })
    const { dynamo } = late(() => 1000)
    const list = createListEvents(contextOf(dynamo))
    const workspaceId = newWorkspace()
    const inbox = query(workspaceId, { filter: { status: 'pending' }, limit: 100 })
    await createdIds(store, workspaceId, [newEvent()])
    // Nobody knows of the lag before it was measured.
    await list(inbox)
    await expect.poll(async () => (await list(inbox)).events.length, { timeout: 10_000 }).toBe(1)
    const written: string[] = []
    const seen: string[] = []
    let isWriting = true
    const write = async () => {
      for (let n = 0; n < 40; n++) {
        written.push(...(await createdIds(store, workspaceId, [newEvent()])))
        await sleep(10)
      }
      isWriting = false
    }
    const read = async () => {
      let after = (await list(inbox)).events.at(-1)?.eventId
      while (isWriting || seen.at(-1) !== written.at(-1)) {
        const { events } = await list({ ...inbox, after })
        seen.push(...idsOf(events))
        after = seen.at(-1) ?? after
        await sleep(20)
      }
    }
    await Promise.all([write(), read()])
    expect(seen).toEqual(written)
  })
}
