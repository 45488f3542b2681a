import { describe, expect, it } from 'vitest'
import { type DeliverySession, openDeliveries } from '../../../testing/delivery-session.ts'
import { hangs } from '../../../testing/dynamodb-faults.ts'
import { dynamodbUrl } from '../../../testing/dynamodb-local.ts'
import { testTables } from '../../../testing/dynamodb-tables.ts'
import type { Lane, StoredWebhook } from '../../../webhook-ports.ts'
import { live, newOwnEvent } from '../../conformance/delivery-harness.ts'
import { newDelivery, savedWebhook } from '../../conformance/harness.ts'
import { createDynamo } from './client.ts'
import { insertRows, laneEntryKey, newDeliveryRows, touchLanes } from './delivery-rows.ts'
import { dueLanes } from './due-lanes.ts'

laneTests(dynamodbUrl())

const MINUTE_S = 60
const MINUTE_US = 60_000_000
const DAY_US = 86_400_000_000

function laneTests(endpointUrl: string): void {
  const tables = testTables(endpointUrl)

  async function open() {
    const session = await openDeliveries(tables, endpointUrl)
    return { ...session, webhook: await savedWebhook(session.other) }
  }

  /** As who stores deliveries does, in two steps: between them it may die. */
  async function rowsOf({ context, clock }: DeliverySession, webhook: StoredWebhook, dueAtUs = clock.nowUs()) {
    const ownEvent = newOwnEvent(clock.nowUs())
    const us = context.commitClock.next()
    const delivery = newDelivery(webhook, { eventId: ownEvent.eventId, ownEvent, dueAtUs })
    return await newDeliveryRows(context, [delivery], { seed: 'test', fromUs: us, toUs: us })
  }

  const due = async ({ other }: DeliverySession): Promise<Lane[]> => (await other.listDueLanes({ limit: 9 })).lanes
  const entry = async ({ context }: DeliverySession, lane: Lane) => await context.dynamo.get('webhooks', laneEntryKey(lane))

  describe('the entry of a lane', () => {
    it('whose deliveries never came is looked at less and less, and forgotten after a day', async () => {
      const session = await open()
      const { context, clock, webhook } = session
      await touchLanes(context, (await rowsOf(session, webhook)).lanes)
      const beginUs = clock.nowUs()
      expect(await due(session)).toEqual([])
      expect(await entry(session, live(webhook))).toMatchObject({ nextDueUs: beginUs })
      let looks = 0
      for (let item = await entry(session, live(webhook)); item !== undefined; item = await entry(session, live(webhook))) {
        expect(clock.nowUs()).toBeLessThan(beginUs + 3 * DAY_US)
        clock.advance({ us: Math.max(MINUTE_US, item['nextDueUs'] - clock.nowUs()) })
        expect(await due(session)).toEqual([])
        looks++
      }
      expect(clock.nowUs()).toBeGreaterThan(beginUs + DAY_US)
      expect(looks).toBeLessThan(20)
    })

    it('whose deliveries come late is there for them', async () => {
      const session = await open()
      const { context, clock, webhook } = session
      const { items, lanes } = await rowsOf(session, webhook)
      await touchLanes(context, lanes)
      expect(await due(session)).toEqual([])
      clock.advance({ seconds: 3 * MINUTE_S })
      expect(await due(session)).toEqual([])
      await insertRows(context, items)
      clock.advance({ seconds: 4 * MINUTE_S })
      expect(await due(session)).toEqual([live(webhook)])
    })

    it('is raised to when the first of its deliveries is due, and then given', async () => {
      const session = await open()
      const { context, clock, webhook } = session
      const dueAtUs = clock.nowUs() + 10 * MINUTE_US
      const { items, lanes } = await rowsOf(session, webhook, dueAtUs)
      // As a delivery before it had it.
      await touchLanes(context, [{ lane: live(webhook), dueAtUs: clock.nowUs() }, ...lanes])
      await insertRows(context, items)
      for (let minute = 0; minute < 9; minute++) {
        expect(await due(session)).toEqual([])
        clock.advance({ seconds: MINUTE_S })
      }
      expect(await due(session)).toEqual([])
      clock.advance({ seconds: MINUTE_S })
      expect(await entry(session, live(webhook))).toMatchObject({ nextDueUs: dueAtUs })
      expect(await due(session)).toEqual([live(webhook)])
    })

    it('is not raised by who looked before it was touched', async () => {
      const session = await open()
      const { context, clock, webhook, proxy, store } = session
      await touchLanes(context, (await rowsOf(session, webhook)).lanes)
      clock.advance({ seconds: 2 * MINUTE_S })
      const { fault, waiting, release } = hangs()
      proxy.rule({ operation: /^UpdateItem$/, times: 1, fault })
      const looking = store.listDueLanes({ limit: 9 })
      await expect.poll(waiting, { timeout: 20_000 }).toBe(1)
      const { items, lanes } = await rowsOf(session, webhook)
      await touchLanes(context, lanes)
      await insertRows(context, items)
      await release('carried out')
      expect((await looking).lanes).toEqual([])
      expect((await entry(session, live(webhook)))?.['nextDueUs']).toBeLessThanOrEqual(clock.nowUs())
      expect(await due(session)).toEqual([live(webhook)])
    })

    it('is touched once by many deliveries, and anew by an earlier one or after a while', async () => {
      const session = await open()
      const { clock, webhook, tablePrefix, proxy } = session
      const dynamo = createDynamo({ endpointUrl: proxy.url, region: 'us-east-1', madeUpCredentials: true, tablePrefix, clock })
      const context = { ...session.context, dynamo }
      const lane = live(webhook)
      const touched = async (dueAtUs: number) => {
        proxy.reset()
        await touchLanes(context, [{ lane, dueAtUs }])
        return proxy.counts().requests['UpdateItem'] ?? 0
      }
      const nowUs = clock.nowUs()
      expect(await touched(nowUs)).toBe(1)
      expect([await touched(nowUs), await touched(nowUs + 5)]).toEqual([0, 0])
      expect(await touched(nowUs - 1)).toBe(1)
      clock.advance({ seconds: 21 })
      expect(await touched(clock.nowUs())).toBe(1)
      expect(await entry(session, lane)).toMatchObject({ nextDueUs: nowUs - 1, touchedUs: clock.nowUs(), n: 3 })
      dynamo.close()
    })
  })

  it('looks into a lane that stands as it did no more often than it must', async () => {
    const session = await open()
    const { context, clock, webhook, proxy, tablePrefix } = session
    const dynamo = createDynamo({ endpointUrl: proxy.url, region: 'us-east-1', madeUpCredentials: true, tablePrefix, clock })
    const list = dueLanes({ ...context, dynamo })
    await touchLanes(context, (await rowsOf(session, webhook)).lanes)
    const queries = async () => {
      proxy.reset()
      await list({ limit: 9 })
      return proxy.counts().requests['Query'] ?? 0
    }
    const [first, second] = [await queries(), await queries()]
    clock.advance({ seconds: 6 })
    expect([first - second, (await queries()) - second]).toEqual([4, 4])
    dynamo.close()
  })
}
