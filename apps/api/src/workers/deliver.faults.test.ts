import { describe, expect, it } from 'vitest'
import { StoreUnavailableError } from '../ports.ts'
import { FakeClock } from '../testing/fake-clock.ts'
import { receivedBy, spelled, testWorkers } from '../testing/webhook-workers.ts'

describe('two workers on one file', () => {
  it('never send the same delivery, while nothing fails', async () => {
    const workers = await testWorkers()
    const receiver = await workers.receiver()
    const webhooks = await Promise.all(Array.from({ length: 5 }, () => workers.addWebhook({ url: receiver.url })))
    workers.start()
    workers.start(await workers.reopen())
    const events = await workers.createEvents(200)
    for (const { webhookId } of webhooks) {
      await workers.waitForStatus(webhookId, 'delivered', 200)
      expect(receivedBy(receiver, webhookId).sort()).toEqual(spelled(events).sort())
    }
  })
})

describe('jobs', () => {
  it('that come twice, for nothing, or for what there never was, change nothing', async () => {
    const workers = await testWorkers()
    const receiver = await workers.receiver()
    const { webhookId } = await workers.addWebhook({ url: receiver.url })
    workers.start()
    const job = { type: 'deliver', webhookId, replayId: null } as const
    const unknown = '01932d5e-7c1a-7b44-9d0a-5f3e2b1c4d6e'
    const jobs = [job, job, { ...job, replayId: unknown }, { ...job, webhookId: unknown }, { type: 'replay', replayId: unknown }] as const
    await workers.store.queue.enqueue(jobs.map((one) => ({ job: one })))
    const events = await workers.createEvents(50)
    await workers.store.queue.enqueue(jobs.map((one) => ({ job: one })))
    await workers.waitForStatus(webhookId, 'delivered', 50)
    expect(receivedBy(receiver, webhookId).sort()).toEqual(spelled(events).sort())
  })

  it('that are lost are made good by the sweep', async () => {
    const workers = await testWorkers()
    const receiver = await workers.receiver()
    const { webhookId } = await workers.addWebhook({ url: receiver.url })
    // Stored by a process that died before it told anybody.
    await workers.createEvents(5)
    const { stored, mark, events } = await workers.store.readOutbox({ limit: 100, maxBytes: 1e6, interests: new Map([['acme', ['']]]) })
    const deliveries = events.map(({ eventId, eventType }) => ({
      webhookId,
      eventId,
      eventType,
      dueAtUs: 0,
      replayId: null,
      ownEvent: null,
    }))
    expect(await workers.store.fanOut({ from: stored, to: mark, deliveries })).toBe(true)
    workers.start()
    await workers.waitForStatus(webhookId, 'delivered', 5)
  })
})

describe('while the store is away', () => {
  it('an attempt is recorded later, and not made again', async () => {
    let failures = 3
    const workers = await testWorkers({
      wrapStore: (store) => ({
        ...store,
        recordAttempts: (outcomes) => (failures-- > 0 ? Promise.reject(new StoreUnavailableError('away')) : store.recordAttempts(outcomes)),
      }),
    })
    const receiver = await workers.receiver()
    const { webhookId } = await workers.addWebhook({ url: receiver.url })
    workers.start()
    const events = await workers.createEvents(1)
    await workers.waitForStatus(webhookId, 'delivered', 1)
    expect(receivedBy(receiver, webhookId)).toEqual(spelled(events))
  })

  it('an attempt whose hold has ended is made again, with the same id', async () => {
    const clock = new FakeClock()
    let isAway = true
    const workers = await testWorkers({
      clock,
      wrapStore: (store) => ({
        ...store,
        recordAttempts: (outcomes) => (isAway ? Promise.reject(new StoreUnavailableError('away')) : store.recordAttempts(outcomes)),
      }),
    })
    const receiver = await workers.receiver()
    const { webhookId } = await workers.addWebhook({ url: receiver.url })
    workers.start()
    const [event] = spelled(await workers.createEvents(1))
    await receiver.waitFor(1)
    clock.advance({ seconds: 60 })
    await expect.poll(() => workers.lines.filter((line) => line.includes('could not be recorded')), { timeout: 20_000 }).toHaveLength(1)
    isAway = false
    await workers.waitForStatus(webhookId, 'delivered', 1)
    expect(receivedBy(receiver, webhookId)).toEqual([event, event])
  })

  it.each(['claimDeliveries', 'listDueLanes', 'getWebhook', 'listWebhooks'] as const)('sending waits, and goes on: %s', async (method) => {
    let failures = 3
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
    const { webhookId } = await workers.addWebhook({ url: receiver.url })
    workers.start()
    const events = await workers.createEvents(3)
    await workers.waitForStatus(webhookId, 'delivered', 3)
    expect(receivedBy(receiver, webhookId).sort()).toEqual(spelled(events).sort())
    expect(workers.lines.filter((line) => line.includes('"level":50'))).toEqual([])
  })
})

describe('a stop', () => {
  it('waits for the attempts under way, and records them', async () => {
    const workers = await testWorkers()
    let answer = () => {}
    const answered = new Promise<void>((resolve) => {
      answer = resolve
    })
    const receiver = await workers.receiver(async () => {
      await answered
      return { status: 200 }
    })
    const { webhookId } = await workers.addWebhook({ url: receiver.url })
    const stop = workers.start()
    await workers.createEvents(10)
    await receiver.waitFor(4)
    const stopped = stop()
    answer()
    await stopped
    expect(await workers.deliveriesOf(webhookId, 'delivered')).toHaveLength(4)
    expect(receiver.requests.length).toBe(4)
  })

  it('ends in time when a receiver hangs, and what hung comes again when its hold has ended', async () => {
    const clock = new FakeClock()
    const workers = await testWorkers({ clock })
    const receiver = await workers.receiver((_, n) => (n === 1 ? 'hang' : { status: 200 }))
    const { webhookId } = await workers.addWebhook({ url: receiver.url })
    const stop = workers.start()
    const [event] = spelled(await workers.createEvents(1))
    await receiver.waitFor(1)
    await stop()
    expect(await workers.deliveriesOf(webhookId, 'pending')).toMatchObject([{ attempts: [] }])
    workers.start()
    clock.advance({ seconds: 60 })
    await workers.waitForStatus(webhookId, 'delivered', 1)
    expect(receivedBy(receiver, webhookId)).toEqual([event, event])
  })
})
