import { describe, expect, it, onTestFinished } from 'vitest'
import { type Store, StoreUnavailableError } from '../ports.ts'
import { FakeClock } from '../testing/fake-clock.ts'
import { receivedBy, spelled, TEST_AUDIT, type TestWorkers, testWorkers } from '../testing/webhook-workers.ts'

const replayOf = async (workers: TestWorkers, replayId: string) =>
  (await workers.store.getReplay(replayId)) ?? expect.fail('no such replay')

function waitForReplay(workers: TestWorkers, replayId: string, status: string) {
  return expect.poll(() => replayOf(workers, replayId), { timeout: 20_000 }).toMatchObject({ status })
}

/** Workers at work, and a webhook made behind so many events: only a replay sends them. */
async function setUp(events: number) {
  const workers = await testWorkers()
  const receiver = await workers.receiver()
  await workers.createEvents(events)
  const { webhookId } = await workers.addWebhook({ url: receiver.url })
  workers.start()
  return { workers, receiver, webhookId }
}

describe('a replay', () => {
  it('sends the matching events of its span once more, and counts them', async () => {
    const workers = await testWorkers()
    const receiver = await workers.receiver()
    await workers.createEvents(5, { eventType: 'user.created' })
    const events = await workers.createEvents(150)
    const { webhookId } = await workers.addWebhook({ url: receiver.url, events: ['order.*'] })
    workers.start()
    const { replayId } = await workers.startReplay(webhookId, { rate: 1000 })
    await waitForReplay(workers, replayId, 'completed')
    expect(receivedBy(receiver, webhookId).sort()).toEqual(spelled(events).sort())
    expect(await replayOf(workers, replayId)).toMatchObject({ matched: 150, enqueued: 150, delivered: 150, dead: 0, cancelled: 0 })
  })

  it('carries the ids of the first deliveries', async () => {
    const workers = await testWorkers()
    const receiver = await workers.receiver()
    const { webhookId } = await workers.addWebhook({ url: receiver.url })
    workers.start()
    const [event] = spelled(await workers.createEvents(1))
    await workers.waitForStatus(webhookId, 'delivered', 1)
    const { replayId } = await workers.startReplay(webhookId)
    await waitForReplay(workers, replayId, 'completed')
    expect(receivedBy(receiver, webhookId)).toEqual([event, event])
  })

  it('sends each event once with several workers, and jobs that come twice', async () => {
    const workers = await testWorkers()
    const receiver = await workers.receiver()
    const events = await workers.createEvents(300)
    const { webhookId } = await workers.addWebhook({ url: receiver.url })
    workers.start()
    workers.start(await workers.reopen())
    const { replayId } = await workers.startReplay(webhookId)
    await workers.store.queue.enqueue(Array.from({ length: 5 }, () => ({ job: { type: 'replay', replayId } })))
    await waitForReplay(workers, replayId, 'completed')
    expect(receivedBy(receiver, webhookId).sort()).toEqual(spelled(events).sort())
    expect(await replayOf(workers, replayId)).toMatchObject({ matched: 300, enqueued: 300, delivered: 300 })
  })

  it('of nothing is completed', async () => {
    const workers = await testWorkers()
    await workers.createEvents(5)
    const { webhookId } = await workers.addWebhook({ events: ['user.*'] })
    workers.start()
    const { replayId } = await workers.startReplay(webhookId)
    await waitForReplay(workers, replayId, 'completed')
    expect(await replayOf(workers, replayId)).toMatchObject({ matched: 0, enqueued: 0 })
  })

  it('goes on where it was when its job was lost', async () => {
    const workers = await testWorkers()
    const receiver = await workers.receiver()
    const events = await workers.createEvents(50)
    const { webhookId } = await workers.addWebhook({ url: receiver.url })
    const { replayId } = await workers.startReplay(webhookId)
    const [received] = await workers.store.queue.receive({ max: 1, visibilityMs: 60_000, waitMs: 0 })
    await workers.store.queue.ack([received?.receipt ?? ''])
    workers.start()
    await waitForReplay(workers, replayId, 'completed')
    expect(receivedBy(receiver, webhookId).sort()).toEqual(spelled(events).sort())
  })
})

it.each(['getReplay', 'advanceReplay', 'listEvents', 'listRunningReplays'] as const)(
  'goes on when the store was away: %s',
  async (method) => {
    let failures = 2
    const workers = await testWorkers({
      wrapStore: (store) =>
        new Proxy(store, {
          get: (target, name) => {
            if (name === method && failures-- > 0) return () => Promise.reject(new StoreUnavailableError('away'))
            return Reflect.get(target, name)
          },
        }),
    })
    const receiver = await workers.receiver()
    const events = await workers.createEvents(10)
    const { webhookId } = await workers.addWebhook({ url: receiver.url })
    workers.start()
    const { replayId } = await workers.startReplay(webhookId)
    await waitForReplay(workers, replayId, 'completed')
    expect(receivedBy(receiver, webhookId).sort()).toEqual(spelled(events).sort())
    expect(workers.lines.filter((line) => line.includes('"level":50'))).toEqual([])
  },
)

/** The sweep finds no replay: what goes on does so by its own job. */
const withoutSweep = (store: Store): Store => ({ ...store, listRunningReplays: async () => ({ replayIds: [], next: null }) })

describe('the job of a replay', () => {
  it('is given back when the queue was away meanwhile', async () => {
    let failures = 3
    const workers = await testWorkers({
      wrapStore: withoutSweep,
      wrapQueue: (queue) => ({
        ...queue,
        delay: (...given) => (failures-- > 0 ? Promise.reject(new StoreUnavailableError('away')) : queue.delay(...given)),
      }),
    })
    const receiver = await workers.receiver()
    await workers.createEvents(10)
    const { webhookId } = await workers.addWebhook({ url: receiver.url })
    workers.start()
    const { replayId } = await workers.startReplay(webhookId)
    await waitForReplay(workers, replayId, 'completed')
    expect(failures).toBeLessThan(0)
  })

  it('is not given up when it comes before its time, as after a jump of the clock', async () => {
    const clock = new FakeClock()
    let room = () => {}
    const stepped = new Promise<void>((resolve) => {
      room = resolve
    })
    const workers = await testWorkers({
      clock,
      wrapStore: withoutSweep,
      wrapQueue: (queue) => ({
        ...queue,
        delay: async (received, delayMs) => {
          await queue.delay(received, delayMs)
          if (received.job.type === 'replay' && delayMs > 500) room()
        },
      }),
    })
    const receiver = await workers.receiver()
    await workers.createEvents(50)
    const { webhookId } = await workers.addWebhook({ url: receiver.url })
    clock.advance({ seconds: 1 })
    workers.start()
    const { replayId } = await workers.startReplay(webhookId, { rate: 10 })
    await stepped
    clock.advance({ hours: 1 })
    const moving = setInterval(() => clock.advance({ us: 500_000 }), 50)
    onTestFinished(() => clearInterval(moving))
    await waitForReplay(workers, replayId, 'completed')
    expect(await replayOf(workers, replayId)).toMatchObject({ matched: 50, enqueued: 50 })
  })
})

it('a claim is not left to its hold when the webhook cannot be read for a moment', async () => {
  let failures = 0
  const workers = await testWorkers({
    wrapStore: (store) => ({
      ...store,
      // Nothing is known of the webhook but what is asked for.
      listWebhooks: async () => ({ webhooks: [], next: null }),
      claimDeliveries: async (query) => {
        const claim = await store.claimDeliveries(query)
        if (claim.deliveries.length > 0 && failures === 0) failures = 2
        return claim
      },
      getWebhook: (webhookId) => {
        if (!(failures > 0)) return store.getWebhook(webhookId)
        failures = failures === 1 ? Number.NaN : failures - 1
        return Promise.reject(new StoreUnavailableError('away'))
      },
    }),
  })
  const receiver = await workers.receiver()
  await workers.createEvents(3)
  const { webhookId } = await workers.addWebhook({ url: receiver.url })
  workers.start()
  const { replayId } = await workers.startReplay(webhookId)
  await waitForReplay(workers, replayId, 'completed')
  expect(failures).toBeNaN()
})

describe('the rate of a replay', () => {
  it('is never passed, and few deliveries are made ahead of it', async () => {
    const { workers, receiver, webhookId } = await setUp(200)
    const { replayId } = await workers.startReplay(webhookId, { rate: 20 })
    await receiver.waitFor(30)
    const { matched, enqueued, delivered } = await replayOf(workers, replayId)
    expect(matched).toBe(200)
    expect(enqueued - delivered).toBeLessThanOrEqual(40)
    const times = receiver.requests.map(({ receivedAtUs }) => receivedAtUs).sort((a, b) => a - b)
    for (const [index, at] of times.entries()) {
      const later = times[index + 21]
      if (later !== undefined) expect(later - at).toBeGreaterThan(900_000)
    }
    await workers.store.endReplay(replayId, 'cancelled', TEST_AUDIT)
  })

  it('does not hold up what happens now', async () => {
    const { workers, receiver, webhookId } = await setUp(200)
    const { replayId } = await workers.startReplay(webhookId, { rate: 1 })
    await receiver.waitFor(1)
    const events = spelled(await workers.createEvents(50))
    await receiver.waitFor(() => events.every((event) => receivedBy(receiver, webhookId).includes(event)))
    expect((await replayOf(workers, replayId)).status).toBe('running')
  })
})

describe('a replay that ends early', () => {
  it('sends no more when it is cancelled', async () => {
    const { workers, receiver, webhookId } = await setUp(100)
    const { replayId } = await workers.startReplay(webhookId, { rate: 20 })
    await receiver.waitFor(3)
    expect(await workers.store.endReplay(replayId, 'cancelled', TEST_AUDIT)).toBe(true)
    await expect.poll(async () => (await workers.deliveriesOf(webhookId, 'pending')).length, { timeout: 20_000 }).toBe(0)
    const { enqueued, delivered, cancelled } = await replayOf(workers, replayId)
    expect(cancelled).toBe(enqueued - delivered)
    expect(enqueued).toBeLessThan(100)
    expect(receiver.requests.length).toBe(delivered)
  })

  it('has failed when its webhook was switched off', async () => {
    const { workers, receiver, webhookId } = await setUp(100)
    const { replayId } = await workers.startReplay(webhookId, { rate: 20 })
    await receiver.waitFor(3)
    await workers.changeWebhook(webhookId, { isActive: false, disabledReason: 'manual', disabledAtUs: workers.clock.nowUs() })
    await waitForReplay(workers, replayId, 'failed')
    await expect.poll(async () => (await workers.deliveriesOf(webhookId, 'pending')).length, { timeout: 20_000 }).toBe(0)
  })
})
