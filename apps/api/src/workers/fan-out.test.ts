import pino from 'pino'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createWebhookRing } from '../domain/webhook-ring.ts'
import { type Store, StoreUnavailableError } from '../ports.ts'
import { type TestWorkers, testWorkers } from '../testing/webhook-workers.ts'
import type { Lane } from '../webhook-ports.ts'
import { startFanOut } from './fan-out.ts'

/** Fan-out alone: nothing is sent. */
function fanOutOn(workers: TestWorkers, store: Store = workers.store) {
  const lines: string[] = []
  const lanes: Lane[] = []
  const stop = startFanOut({
    store,
    webhooks: createWebhookRing({ store, vault: workers.vault }),
    clock: workers.clock,
    log: pino({}, { write: (line: string) => void lines.push(line) }),
    lookAt: (some) => void lanes.push(...some),
  })
  onTestFinished(stop)
  return { stop, lines, lanes }
}

/** The ids of the events that the webhook has a delivery of, in the order of the deliveries. */
async function eventsOf(workers: TestWorkers, webhookId: string): Promise<string[]> {
  return (await workers.deliveriesOf(webhookId)).map(({ eventId }) => eventId)
}

/** Waits until fan-out has come behind all events that there are: behind a last one that a webhook of its own asks for. */
async function settle(workers: TestWorkers): Promise<void> {
  const last = await workers.addWebhook({ events: ['test.last'] })
  await workers.createEvents(1, { eventType: 'test.last' })
  await workers.waitForStatus(last.webhookId, 'pending', 1)
}

describe('which events a webhook gets', () => {
  it('those that match its patterns and its filter, in the order of commits', async () => {
    const workers = await testWorkers()
    const webhook = await workers.addWebhook({ events: ['order.*'], filter: { payload: [{ path: '$.total', op: 'equals', value: 12 }] } })
    const { lanes } = fanOutOn(workers)
    const wanted = await workers.createEvents(3, { payload: '{"total":12}' })
    await workers.createEvents(3, { payload: '{"total":13}' })
    await workers.createEvents(3, { eventType: 'user.created', payload: '{"total":12}' })
    wanted.push(...(await workers.createEvents(3, { payload: '{"total":12.0}' })))
    await settle(workers)
    expect(await eventsOf(workers, webhook.webhookId)).toEqual(wanted)
    expect(lanes).toContainEqual({ webhookId: webhook.webhookId, replayId: null })
  })

  it('exactly those created after it, however many are created around it', async () => {
    const workers = await testWorkers()
    fanOutOn(workers)
    const creates = Array.from({ length: 200 }, () => workers.createEvents(1))
    const adds = Array.from({ length: 5 }, () => workers.addWebhook())
    creates.push(...Array.from({ length: 200 }, () => workers.createEvents(1)))
    const events = (await Promise.all(creates)).flat()
    const records = await Promise.all(events.map((eventId) => workers.store.getEvent('acme', eventId)))
    const webhooks = await Promise.all(adds)
    await settle(workers)
    for (const { webhookId, createdAtUs } of webhooks) {
      const later = records.flatMap((event) => (event !== undefined && event.createdAtUs > createdAtUs ? [event.eventId] : []))
      expect((await eventsOf(workers, webhookId)).sort()).toEqual([...later, ...(await lastOf(workers))].sort())
    }
  })

  it('by its patterns as they are when the event is created', async () => {
    const workers = await testWorkers()
    const { webhookId } = await workers.addWebhook({ events: ['user.*'] })
    fanOutOn(workers)
    await workers.createEvents(5)
    await settle(workers)
    await workers.changeWebhook(webhookId, { events: ['order.*'] })
    const wanted = await workers.createEvents(5)
    await settle(workers)
    expect(await eventsOf(workers, webhookId)).toEqual(wanted)
  })

  it('none while it is not active', async () => {
    const workers = await testWorkers()
    const { webhookId } = await workers.addWebhook({ events: ['order.*'] })
    fanOutOn(workers)
    await workers.changeWebhook(webhookId, { isActive: false })
    await workers.createEvents(5)
    await settle(workers)
    await workers.changeWebhook(webhookId, { isActive: true })
    const wanted = await workers.createEvents(5)
    await settle(workers)
    expect(await eventsOf(workers, webhookId)).toEqual(wanted)
  })
})

describe('each delivery is made once', () => {
  it('by several fan-outs at once', async () => {
    const workers = await testWorkers()
    const { webhookId } = await workers.addWebhook({ events: ['order.*'] })
    fanOutOn(workers)
    fanOutOn(workers)
    fanOutOn(workers, await workers.reopen())
    const wanted: string[] = []
    for (let batch = 0; batch < 20; batch++) {
      wanted.push(...(await workers.createEvents(20)))
      await workers.createEvents(20, { eventType: 'user.created' })
    }
    await settle(workers)
    expect(await eventsOf(workers, webhookId)).toEqual(wanted)
  })

  it('by one that stopped, and one that starts', async () => {
    const workers = await testWorkers()
    const { webhookId } = await workers.addWebhook({ events: ['order.*'] })
    const first = fanOutOn(workers)
    const wanted = await workers.createEvents(50)
    await first.stop()
    wanted.push(...(await workers.createEvents(50)))
    fanOutOn(workers)
    await settle(workers)
    expect(await eventsOf(workers, webhookId)).toEqual(wanted)
  })
})

it('many webhooks times many events are written in several commits', async () => {
  const workers = await testWorkers()
  const webhooks = await Promise.all(Array.from({ length: 300 }, () => workers.addWebhook({ events: ['order.*'] })))
  const wanted = await workers.createEvents(30)
  const sizes: number[] = []
  const watched = {
    ...workers.store,
    fanOut: (input: Parameters<Store['fanOut']>[0]) => {
      sizes.push(input.deliveries.length)
      return workers.store.fanOut(input)
    },
  }
  fanOutOn(workers, watched)
  await settle(workers)
  for (const { webhookId } of [webhooks[0], webhooks[299]].flatMap((webhook) => webhook ?? [])) {
    expect(await eventsOf(workers, webhookId)).toEqual(wanted)
  }
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(300 * 30 + 1)
  expect(Math.max(...sizes)).toBeLessThanOrEqual(2000)
})

it('an event that cannot be judged keeps nothing else back', async () => {
  const workers = await testWorkers()
  const broken = await workers.addWebhook({ events: ['order.*'], description: 'broken' })
  const sound = await workers.addWebhook({ events: ['order.*'] })
  // A record that no write of ours can have: its filter throws when it is read.
  const store = {
    ...workers.store,
    listWebhooks: async (query: Parameters<Store['listWebhooks']>[0]) => {
      const page = await workers.store.listWebhooks(query)
      for (const webhook of page.webhooks) {
        if (webhook.description === 'broken') {
          Object.defineProperty(webhook, 'filter', {
            get: () => {
              throw new Error('a hostile filter')
            },
          })
        }
      }
      return page
    },
  }
  const { lines } = fanOutOn(workers, store)
  const wanted = await workers.createEvents(3)
  await settle(workers)
  expect(await eventsOf(workers, sound.webhookId)).toEqual(wanted)
  expect(await eventsOf(workers, broken.webhookId)).toEqual([])
  expect(lines.filter((line) => line.includes(broken.webhookId))).toHaveLength(3)
})

describe('the mark', () => {
  it('is written at the stop, when nothing matched', async () => {
    const workers = await testWorkers()
    await workers.addWebhook({ events: ['user.*'] })
    let looked: string | undefined
    const watched = {
      ...workers.store,
      readOutbox: async (query: Parameters<Store['readOutbox']>[0]) => {
        const outbox = await workers.store.readOutbox(query)
        looked = outbox.mark
        return outbox
      },
    }
    const { stop } = fanOutOn(workers, watched)
    await settle(workers)
    await workers.createEvents(10)
    const { mark } = await outboxOf(workers)
    await expect.poll(() => looked, { timeout: 20_000 }).toBe(mark)
    await stop()
    expect((await outboxOf(workers)).stored).toBe(mark)
  })

  it('is not written for each look that found nothing', async () => {
    const workers = await testWorkers()
    await workers.addWebhook({ events: ['user.*'] })
    let [reads, writes] = [0, 0]
    const watched = {
      ...workers.store,
      readOutbox: (query: Parameters<Store['readOutbox']>[0]) => {
        reads++
        return workers.store.readOutbox(query)
      },
      fanOut: (input: Parameters<Store['fanOut']>[0]) => {
        writes++
        return workers.store.fanOut(input)
      },
    }
    fanOutOn(workers, watched)
    while (reads < 12) await workers.createEvents(1)
    expect(writes).toBeLessThan(reads / 4)
  })
})

const outboxOf = (workers: TestWorkers) => workers.store.readOutbox({ limit: 1000, maxBytes: 1e6, interests: new Map([['acme', ['']]]) })

/** What `settle` made, as webhooks for everything get it. */
async function lastOf(workers: TestWorkers): Promise<string[]> {
  const page = await workers.store.listEvents({
    workspaceId: 'acme',
    filter: { eventType: 'test.last' },
    order: 'asc',
    limit: 100,
    maxBytes: 1e6,
  })
  return page.events.map(({ eventId }) => eventId)
}

describe('while the store is away', () => {
  it.each(['readOutbox', 'fanOut', 'listWebhooks'] as const)('fan-out waits, and goes on: %s', async (method) => {
    const workers = await testWorkers()
    const { webhookId } = await workers.addWebhook({ events: ['order.*'] })
    let failures = 3
    const failing = new Proxy(workers.store, {
      get: (store, name) => {
        if (name === method && failures-- > 0) return () => Promise.reject(new StoreUnavailableError('away'))
        return Reflect.get(store, name)
      },
    })
    const { lines } = fanOutOn(workers, failing)
    const wanted = await workers.createEvents(3)
    await workers.waitForStatus(webhookId, 'pending', 3)
    expect(await eventsOf(workers, webhookId)).toEqual(wanted)
    expect(failures).toBeLessThanOrEqual(0)
    expect(lines).toEqual([])
  })
})
