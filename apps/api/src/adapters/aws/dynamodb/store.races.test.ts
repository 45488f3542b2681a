import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it, onTestFinished } from 'vitest'
import { lostAnswer } from '../../../testing/dynamodb-faults.ts'
import { dynamodbUrl } from '../../../testing/dynamodb-local.ts'
import { startDynamodbProxy } from '../../../testing/dynamodb-proxy.ts'
import { testTables } from '../../../testing/dynamodb-tables.ts'
import { createdIdsOf, keyedEvent, listed, markedEvent, unavailable } from '../../../testing/event-session.ts'
import { attempt, type Written, write } from '../../../testing/faulty-store.ts'
import { newWorkspace } from '../../conformance/harness.ts'

const SETTLE_MS = 4000

raceTests(dynamodbUrl())

function raceTests(endpointUrl: string): void {
  const tables = testTables(endpointUrl)

  /** By the clock of the machine, of which two servers never have the same microsecond. The proxy is before the first. */
  async function twoServers() {
    const proxy = await startDynamodbProxy(endpointUrl, { countsUnits: false })
    onTestFinished(proxy.close)
    const { store, tablePrefix } = await tables.open({ endpointUrl: proxy.url, settleMs: SETTLE_MS })
    const { store: other } = await tables.open({ tablePrefix, settleMs: SETTLE_MS })
    return { store, other, proxy }
  }

  it('lets one of two servers win, whatever becomes of the answers', async () => {
    const { store, other, proxy } = await twoServers()
    const workspaceId = newWorkspace()
    proxy.rule({ operation: /Write|Update|Put|Statement/, probability: 0.3, fault: lostAnswer })
    const events = Array.from({ length: 20 }, keyedEvent)
    const answers = await Promise.all(
      events.flatMap((event) =>
        [store, other, store].map(async (server) => ({ event, ...(await write(server, workspaceId, [event]))[0] })),
      ),
    )
    proxy.removeRules()
    const created = events.map((event) => {
      const ids = new Set(answers.filter((one) => one.event === event && one.eventId !== 'unavailable').map(({ eventId }) => eventId))
      expect(ids.size).toBe(1)
      return [...ids].join()
    })
    await expect.poll(() => listed(other, workspaceId), { timeout: 20_000, interval: 200 }).toEqual(created.toSorted())

    proxy.rule({ operation: /Update|Statement/, probability: 0.3, fault: lostAnswer })
    const acks = await Promise.all(
      created.flatMap((eventId, index) =>
        [store, other].map(async (server) => {
          // Alone, or with another one.
          const ids = index % 2 === 0 ? [eventId] : [eventId, created[index - 1] ?? '']
          const results = await attempt(() => server.ackEvents(workspaceId, ids))
          return results === 'unavailable' ? [] : ids.map((id, at) => ({ id, outcome: results[at]?.outcome }))
        }),
      ),
    )
    for (const eventId of created) {
      const outcomes = acks.flat().filter(({ id, outcome }) => id === eventId && outcome === 'acknowledged')
      // None: its answer was lost for good, and told as such.
      expect(outcomes.length).toBeLessThanOrEqual(1)
      expect(await other.getEvent(workspaceId, eventId)).toMatchObject({ status: 'acknowledged' })
    }
  })

  it('loses nothing and makes nothing twice when DynamoDB stops under load and comes back', async () => {
    const { store, other, proxy } = await twoServers()
    const workspaceId = newWorkspace()
    const written: Written[] = []
    const acked = new Set<string>()
    let goesOn = true
    const producer = async (kind: number) => {
      while (goesOn) {
        const events = Array.from({ length: kind === 0 ? 10 : 1 }, () => (kind === 1 ? keyedEvent() : markedEvent()))
        const answers = await write(store, workspaceId, events)
        written.push(...answers)
        const [first] = answers
        if (first === undefined || first.eventId === 'unavailable') await sleep(20)
        // Every tenth is acknowledged.
        else if (written.length % 10 === 0 && (await attempt(() => store.ackEvents(workspaceId, [first.eventId]))) !== 'unavailable')
          acked.add(first.eventId)
      }
    }
    const producers = Array.from({ length: 12 }, (_, index) => producer(index % 3))
    await expect.poll(() => written.length).toBeGreaterThan(50)
    for (let round = 0; round < 3; round++) {
      await proxy.pause()
      const failedBefore = unavailable(written).length
      await expect.poll(() => unavailable(written).length, { timeout: 20_000 }).toBeGreaterThan(failedBefore)
      await proxy.resume()
      const createdBefore = written.length - unavailable(written).length
      await expect.poll(() => written.length - unavailable(written).length, { timeout: 20_000 }).toBeGreaterThan(createdBefore + 20)
    }
    goesOn = false
    await Promise.all(producers)
    await expect.poll(() => listed(other, workspaceId), { timeout: 20_000, interval: 500 }).toEqual(createdIdsOf(written))
    const pending = await listed(other, workspaceId, 'pending')
    expect(pending.filter((id) => acked.has(id))).toEqual([])
  })
}
