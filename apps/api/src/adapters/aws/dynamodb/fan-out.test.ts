import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { failsWith, hangs, lostAnswer, statementsFail } from '../../../testing/dynamodb-faults.ts'
import { dynamodbUrl } from '../../../testing/dynamodb-local.ts'
import { type FaultRule, startDynamodbProxy } from '../../../testing/dynamodb-proxy.ts'
import { testTables } from '../../../testing/dynamodb-tables.ts'
import { FakeClock } from '../../../testing/fake-clock.ts'
import { createdIds, newDelivery, newEvent, savedWebhook } from '../../conformance/harness.ts'

describe('fan-out on DynamoDB', () => fanOutTests(dynamodbUrl()))

function fanOutTests(endpointUrl: string): void {
  const { open } = testTables(endpointUrl)

  /** Ten events of a webhook behind the mark, and a second server whose requests can be made to fail. */
  async function prepared() {
    const proxy = await startDynamodbProxy(endpointUrl)
    const clock = new FakeClock()
    const { store, tablePrefix } = await open({ clock })
    const { store: other } = await open({ clock, tablePrefix, endpointUrl: proxy.url })
    const webhook = await savedWebhook(store)
    const { workspaceId, webhookId } = webhook
    const eventIds = await createdIds(
      store,
      workspaceId,
      Array.from({ length: 10 }, () => newEvent()),
    )
    clock.advance({ seconds: 11 })
    const interests = new Map([[workspaceId, ['']]])
    /** Looks and fans out as a worker does, as far as it is told. */
    const pass = async (by: typeof store, { limit, after, copies = 1 }: { limit: number; after?: string; copies?: number }) => {
      const { stored, events, mark } = await by.readOutbox({ after, limit, maxBytes: 1e6, interests })
      const deliveries = Array.from({ length: copies }, () =>
        events.map(({ eventId }) => newDelivery(webhook, { eventId, dueAtUs: clock.nowUs() })),
      ).flat()
      return { mark, isDone: await by.fanOut({ from: stored, to: mark, deliveries }) }
    }
    const delivered = async () => {
      const { deliveries } = await store.listDeliveries({ workspaceId, webhookId, limit: 100, maxBytes: 1e6 })
      return deliveries.map(({ eventId }) => eventId).toReversed()
    }
    const markFails = {
      operation: /^PutItem$/,
      table: '-webhooks',
      when: ({ body }) => body.includes('"outbox"'),
    } satisfies Partial<FaultRule>
    return { store, other, proxy, eventIds, pass, delivered, markFails, [Symbol.asyncDispose]: proxy.close }
  }

  it('makes each delivery once after a crash between the deliveries and the mark, whatever was read then and now', async () => {
    await using all = await prepared()
    const { store, other, proxy, eventIds, pass, delivered, markFails } = all
    proxy.rule({ ...markFails, fault: failsWith('AccessDeniedException') })
    await expect(pass(other, { limit: 7 })).rejects.toThrow('DynamoDB')
    expect(await delivered()).toEqual(eventIds.slice(0, 7))
    // Less than the first one has read, and then the rest, from another mark.
    expect((await pass(store, { limit: 3 })).isDone).toBe(true)
    expect((await pass(store, { limit: 100 })).isDone).toBe(true)
    expect(await delivered()).toEqual(eventIds)
  })

  it('makes each delivery once when two at once have read more and less', async () => {
    await using all = await prepared()
    const { store, other, eventIds, pass, delivered } = all
    const passes = await Promise.all([
      pass(store, { limit: 3 }),
      pass(other, { limit: 8 }),
      pass(store, { limit: 5 }),
      pass(other, { limit: 4 }),
    ])
    expect(passes.filter(({ isDone }) => isDone)).toHaveLength(1)
    while (!(await delivered()).includes(eventIds.at(-1) ?? '')) await pass(store, { limit: 100 })
    expect(await delivered()).toEqual(eventIds)
  })

  it('knows its own move of the mark when the answer to it is lost', async () => {
    await using all = await prepared()
    const { other, proxy, eventIds, pass, delivered, markFails } = all
    const lost = proxy.rule({ ...markFails, times: 1, fault: lostAnswer })
    expect((await pass(other, { limit: 100 })).isDone).toBe(true)
    expect(lost.hits()).toBe(1)
    expect(await delivered()).toEqual(eventIds)
  })

  it('writes nothing when the mark is not where it was', async () => {
    await using all = await prepared()
    const { store, other, proxy, eventIds, pass, delivered } = all
    const { stored } = await store.readOutbox({ limit: 1, maxBytes: 1, interests: new Map() })
    await pass(store, { limit: 4 })
    proxy.reset()
    expect(await other.fanOut({ from: stored, to: eventIds[9] ?? '', deliveries: [] })).toBe(false)
    const deliveries = [newDelivery({ webhookId: 'w' }, { eventId: eventIds[9] ?? '' })]
    expect(await other.fanOut({ from: stored, to: eventIds[9] ?? '', deliveries })).toBe(false)
    expect(proxy.counts().requests).toEqual({ PutItem: 1, GetItem: 1 })
    expect(await delivered()).toEqual(eventIds.slice(0, 4))
  })

  it('goes on for as long as it gets on, however slow the table is', { timeout: 120_000 }, async () => {
    await using all = await prepared()
    const { other, proxy, eventIds, pass, delivered } = all
    const onlyTheFirst = statementsFail('ThrottlingError', (index) => index > 0)
    const slow = proxy.rule({
      operation: /^BatchExecuteStatement$/,
      fault: async (call) => {
        await sleep(700)
        return await onlyTheFirst(call)
      },
    })
    expect((await pass(other, { limit: 100 })).isDone).toBe(true)
    expect(slow.hits()).toBe(eventIds.length)
    expect(await delivered()).toEqual(eventIds)
  })

  it('is given up when nothing gets through any more, and what is there stays', { timeout: 120_000 }, async () => {
    await using all = await prepared()
    const { store, other, proxy, eventIds, pass, delivered } = all
    proxy.rule({ operation: /^BatchExecuteStatement$/, times: 1, fault: statementsFail('ThrottlingError', (index) => index > 2) })
    proxy.rule({ operation: /^BatchExecuteStatement$/, fault: statementsFail('ThrottlingError', () => true) })
    await expect(pass(other, { limit: 100 })).rejects.toThrow('DynamoDB')
    expect(await delivered()).toEqual(eventIds.slice(0, 3))
    expect((await pass(store, { limit: 100 })).isDone).toBe(true)
    expect(await delivered()).toEqual(eventIds)
  })

  it('asks for a few of many deliveries at a time', async () => {
    await using all = await prepared()
    const { other, proxy, eventIds, pass, delivered } = all
    const { fault, waiting, release } = hangs()
    proxy.rule({ operation: /^BatchExecuteStatement$/, fault })
    const passing = pass(other, { limit: 100, copies: 30 })
    await expect.poll(waiting, { timeout: 20_000 }).toBe(8)
    await sleep(200)
    expect(waiting()).toBe(8)
    proxy.removeRules()
    await release('carried out')
    expect((await passing).isDone).toBe(true)
    expect(new Set(await delivered())).toEqual(new Set(eventIds))
  })

  it('waits until the deliveries are where claims look for them', async () => {
    await using all = await prepared()
    const { other, proxy, pass } = all
    const isOfTheIndex = ({ body }: { body: Buffer }) => body.includes('"IndexName":"due"')
    // The index comes after two looks.
    const late = proxy.rule({ operation: /^Query$/, when: isOfTheIndex, times: 2, fault: async () => EMPTY })
    expect((await pass(other, { limit: 100 })).isDone).toBe(true)
    expect(late.hits()).toBe(2)
  })
}

const EMPTY = {
  status: 200,
  headers: { 'content-type': 'application/x-amz-json-1.0' },
  body: Buffer.from('{"Items":[],"Count":0,"ScannedCount":0}'),
}
