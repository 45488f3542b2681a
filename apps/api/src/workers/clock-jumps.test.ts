import { describe, expect, it, onTestFinished } from 'vitest'
import { FakeClock } from '../testing/fake-clock.ts'
import { receivedBy, spelled, testWorkers } from '../testing/webhook-workers.ts'

const JUMPS = [
  ['forward by an hour', { hours: 1 }],
  ['back by an hour', { hours: -1 }],
  ['back by two days', { days: -2 }],
] as const

/** What was due before the clock went back, by less than a day, is due when it is there again. */
function catchUp(clock: FakeClock, jump: { hours?: number; days?: number }): void {
  clock.advance({ hours: Math.max(0, -(jump.hours ?? 0)), seconds: 1 })
}

/** Workers whose claims are counted, on a clock that stands still. */
async function countedWorkers() {
  const clock = new FakeClock()
  const counted = { claims: 0, receives: 0 }
  const workers = await testWorkers({
    clock,
    wrapStore: (store) => ({
      ...store,
      claimDeliveries: (query) => {
        counted.claims++
        return store.claimDeliveries(query)
      },
    }),
    wrapQueue: (queue) => ({
      ...queue,
      receive: (query) => {
        counted.receives++
        return queue.receive(query)
      },
    }),
  })
  return { ...workers, clock, counted }
}

describe.each(JUMPS)('a clock that jumps %s', (_, jump) => {
  it('leaves what comes behind it to be delivered', async () => {
    const { clock, counted, ...workers } = await countedWorkers()
    const receiver = await workers.receiver()
    const { webhookId } = await workers.addWebhook({ url: receiver.url })
    const limited = await workers.addWebhook({ url: receiver.url, rateLimit: 1000 })
    workers.start()
    // Under a rate the places come with the time.
    const moving = setInterval(() => clock.advance({ us: 50_000 }), 50)
    onTestFinished(() => clearInterval(moving))
    const before = await workers.createEvents(5)
    for (const each of [webhookId, limited.webhookId]) await workers.waitForStatus(each, 'delivered', 5)
    clock.advance(jump)
    const behind = await workers.createEvents(5)
    await workers.waitForStatus(webhookId, 'delivered', 10)
    expect(receivedBy(receiver, webhookId).sort()).toEqual(spelled([...before, ...behind]).sort())
    await workers.waitForStatus(limited.webhookId, 'delivered', 10)
    expect(counted.receives).toBeLessThan(50)
  })

  it('while an attempt is under way leaves nothing out, and nothing claims without end', async () => {
    const { clock, counted, ...workers } = await countedWorkers()
    let answer = () => {}
    const answered = new Promise<void>((resolve) => {
      answer = resolve
    })
    const receiver = await workers.receiver(async (_request, n) => {
      if (n <= 4) await answered
      return { status: 200 }
    })
    const { webhookId } = await workers.addWebhook({ url: receiver.url })
    workers.start()
    const events = spelled(await workers.createEvents(8))
    await receiver.waitFor(4)
    clock.advance(jump)
    answer()
    await workers.waitForAttempts(webhookId, 4)
    catchUp(clock, jump)
    await workers.waitForStatus(webhookId, 'delivered', 8)
    const received = receivedBy(receiver, webhookId)
    for (const event of events) expect(received).toContain(event)
    expect(counted.claims).toBeLessThan(60)
  })

  it('between a failure and its retry leaves the retry to be made', async () => {
    const { clock, counted, ...workers } = await countedWorkers()
    const receiver = await workers.receiver((_request, n) => ({ status: n === 1 ? 500 : 200 }))
    const { webhookId } = await workers.addWebhook({ url: receiver.url, retry: 'short' })
    workers.start()
    const [event] = spelled(await workers.createEvents(1))
    await workers.waitForAttempts(webhookId, 1)
    clock.advance(jump)
    catchUp(clock, jump)
    await workers.waitForStatus(webhookId, 'delivered', 1)
    expect(receivedBy(receiver, webhookId)).toEqual([event, event])
    expect(counted.claims).toBeLessThan(20)
  })

  it('leaves a replay to come to its end', async () => {
    const { clock, counted, ...workers } = await countedWorkers()
    const receiver = await workers.receiver()
    const events = await workers.createEvents(30)
    const { webhookId } = await workers.addWebhook({ url: receiver.url })
    workers.start()
    clock.advance({ seconds: 1 })
    const { replayId } = await workers.startReplay(webhookId, { rate: 10 })
    await receiver.waitFor(1)
    clock.advance(jump)
    catchUp(clock, jump)
    const moving = setInterval(() => clock.advance({ us: 500_000 }), 50)
    onTestFinished(() => clearInterval(moving))
    const status = async () => (await workers.store.getReplay(replayId))?.status
    await expect.poll(status, { timeout: 20_000 }).toBe('completed')
    const received = new Set(receivedBy(receiver, webhookId))
    expect(received).toEqual(new Set(spelled(events)))
    expect(counted.claims).toBeLessThan(2000)
  })
})
