import { describe, expect, it } from 'vitest'
import { receivedBy, spelled, testWorkers } from '../testing/webhook-workers.ts'

describe('a receiver that hangs', () => {
  it('does not delay another', async () => {
    const workers = await testWorkers()
    const hanging = await workers.receiver(() => 'hang')
    const receiver = await workers.receiver()
    const slow = await workers.addWebhook({ url: hanging.url })
    const fast = await workers.addWebhook({ url: receiver.url })
    workers.start()
    const events = await workers.createEvents(200)
    await workers.waitForStatus(fast.webhookId, 'delivered', 200)
    expect(receivedBy(receiver, fast.webhookId).sort()).toEqual(spelled(events).sort())
    expect(await workers.deliveriesOf(slow.webhookId, 'pending')).toHaveLength(200)
    expect(hanging.requests.length).toBe(4)
  })

  it('leaves room, when many do', async () => {
    const workers = await testWorkers()
    const hanging = await workers.receiver(() => 'hang')
    const receiver = await workers.receiver()
    for (let n = 0; n < 140; n++) await workers.addWebhook({ url: hanging.url })
    workers.start()
    await workers.createEvents(6)
    // As many as all of them together get.
    await hanging.waitFor(96 * 4)
    const fast = await workers.addWebhook({ url: receiver.url })
    await workers.createEvents(100)
    await workers.waitForStatus(fast.webhookId, 'delivered', 100)
    expect(hanging.requests.length).toBeLessThan(512)
  })
})

describe('how many a receiver sees at once', () => {
  it('is 32 at the most, and 4 at first', async () => {
    const workers = await testWorkers()
    let [now, most] = [0, 0]
    const atStart: number[] = []
    const receiver = await workers.receiver(async (_, n) => {
      now++
      most = Math.max(most, now)
      if (n <= 4) atStart.push(now)
      await new Promise((resolve) => setTimeout(resolve, 5))
      now--
      return { status: 200 }
    })
    const { webhookId } = await workers.addWebhook({ url: receiver.url })
    await workers.createEvents(400)
    workers.start()
    await workers.waitForStatus(webhookId, 'delivered', 400)
    expect(Math.max(...atStart)).toBeLessThanOrEqual(4)
    expect(most).toBeLessThanOrEqual(32)
    expect(most).toBeGreaterThan(8)
  })

  it('is 32 at the most with replays, too', async () => {
    const workers = await testWorkers()
    let [now, most] = [0, 0]
    const receiver = await workers.receiver(async () => {
      now++
      most = Math.max(most, now)
      await new Promise((resolve) => setTimeout(resolve, 5))
      now--
      return { status: 200 }
    })
    await workers.createEvents(300)
    const { webhookId } = await workers.addWebhook({ url: receiver.url })
    workers.start()
    await workers.startReplay(webhookId)
    await workers.startReplay(webhookId, { selection: null })
    await workers.createEvents(300)
    await expect.poll(() => receivedBy(receiver, webhookId).length, { timeout: 20_000 }).toBeGreaterThanOrEqual(600)
    expect(most).toBeLessThanOrEqual(32)
  })

  it('is one while it fails', async () => {
    const workers = await testWorkers()
    let [now, mostLater] = [0, 0]
    const receiver = await workers.receiver(async (_, n) => {
      now++
      if (n > 16) mostLater = Math.max(mostLater, now)
      await new Promise((resolve) => setTimeout(resolve, 2))
      now--
      return { status: 500 }
    })
    const { webhookId } = await workers.addWebhook({ url: receiver.url })
    await workers.createEvents(60)
    workers.start()
    await workers.waitForAttempts(webhookId, 60)
    expect(mostLater).toBe(1)
  })
})

describe('a rate limit', () => {
  it('is kept by all workers together', async () => {
    const workers = await testWorkers()
    const receiver = await workers.receiver()
    const { webhookId } = await workers.addWebhook({ url: receiver.url, rateLimit: 20 })
    await workers.createEvents(50)
    workers.start()
    workers.start(await workers.reopen())
    await workers.waitForStatus(webhookId, 'delivered', 50)
    const times = receiver.requests.map(({ receivedAtUs }) => receivedAtUs).sort((a, b) => a - b)
    // 21 of them take longer than a second, but for what a place may be late.
    for (const [index, at] of times.entries()) {
      const later = times[index + 21]
      if (later !== undefined) expect(later - at).toBeGreaterThan(900_000)
    }
  })
})

describe('a receiver that asks for quiet', () => {
  it.each([429, 503])('gets it: %d with Retry-After', async (status) => {
    const workers = await testWorkers()
    const receiver = await workers.receiver((_, n) => (n === 1 ? { status, headers: { 'retry-after': '2' } } : { status: 200 }))
    const { webhookId } = await workers.addWebhook({ url: receiver.url, retry: 'short' })
    workers.start()
    await workers.createEvents(1)
    await workers.waitForAttempts(webhookId, 1)
    await workers.createEvents(10)
    await workers.waitForStatus(webhookId, 'delivered', 11)
    const [first, second] = receiver.requests.map(({ receivedAtUs }) => receivedAtUs)
    expect((second ?? 0) - (first ?? 0)).toBeGreaterThan(1_900_000)
  })
})
