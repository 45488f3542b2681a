import { describe, expect, it } from 'vitest'
import { FakeClock } from '../testing/fake-clock.ts'
import type { Receiver } from '../testing/receiver.ts'
import { testWorkers } from '../testing/webhook-workers.ts'

/** Types and payloads of our own events that the receiver got, oldest first. */
function ownEventsOf(receiver: Receiver, type: string) {
  return receiver.requests.map(({ body }) => JSON.parse(body.toString())).filter((event) => event.event_type === type)
}

describe('410', () => {
  it('switches the webhook off: all of its deliveries are held, and others are told', async () => {
    const workers = await testWorkers()
    const receiver = await workers.receiver(({ path }) => ({ status: path.startsWith('/gone') ? 410 : 200 }))
    const { webhookId } = await workers.addWebhook({ url: `${receiver.url}/gone?key=hidden`, events: ['order.*', 'triggers.*'] })
    const watching = await workers.addWebhook({ url: `${receiver.url}/watch`, events: ['triggers.*'] })
    await workers.createEvents(30)
    workers.start()
    await workers.waitForStatus(webhookId, 'held', 30)
    await workers.waitForStatus(watching.webhookId, 'delivered', 1)
    expect(await workers.store.getWebhook(webhookId)).toMatchObject({ isActive: false, disabledReason: 'gone' })
    expect(ownEventsOf(receiver, 'triggers.webhook.disabled')).toMatchObject([
      { source: 'triggers', payload: { webhook_id: webhookId, url: `${receiver.url}/gone`, reason: 'gone' } },
    ])
  })
})

describe('a webhook that fails', () => {
  it('for five days is switched off, and others are told', async () => {
    const clock = new FakeClock()
    const workers = await testWorkers({ clock })
    const receiver = await workers.receiver(({ path }) => ({ status: path === '/fails' ? 500 : 200 }))
    const { webhookId } = await workers.addWebhook({ url: `${receiver.url}/fails`, events: ['order.*'] })
    const watching = await workers.addWebhook({ url: `${receiver.url}/watch`, events: ['triggers.*'] })
    workers.start()
    await workers.createEvents(1)
    await workers.waitForAttempts(webhookId, 1)
    clock.advance({ days: 4, hours: 23 })
    await workers.createEvents(1)
    await workers.waitForAttempts(webhookId, 3)
    expect(await workers.store.getWebhook(webhookId)).toMatchObject({ isActive: true })
    clock.advance({ hours: 1 })
    await workers.createEvents(1)
    await workers.waitForStatus(webhookId, 'held', 3)
    expect(await workers.store.getWebhook(webhookId)).toMatchObject({ isActive: false, disabledReason: 'failing' })
    await workers.waitForStatus(watching.webhookId, 'delivered', 1)
    expect(ownEventsOf(receiver, 'triggers.webhook.disabled')).toMatchObject([{ payload: { webhook_id: webhookId, reason: 'failing' } }])
  })

  it('for five days with a success between them stays on', async () => {
    const clock = new FakeClock()
    const workers = await testWorkers({ clock })
    let status = 500
    const receiver = await workers.receiver(() => ({ status }))
    const { webhookId } = await workers.addWebhook({ url: receiver.url, retry: 'short' })
    workers.start()
    await workers.createEvents(1)
    await workers.waitForAttempts(webhookId, 1)
    status = 200
    clock.advance({ days: 3 })
    await workers.waitForStatus(webhookId, 'delivered', 1)
    status = 500
    clock.advance({ days: 3 })
    await workers.createEvents(1)
    await workers.waitForAttempts(webhookId, 3)
    expect(await workers.store.getWebhook(webhookId)).toMatchObject({ isActive: true })
  })
})

describe('a delivery that failed for the last time', () => {
  it('is dead: its owner is told, and told when the webhook has recovered', async () => {
    const clock = new FakeClock()
    const workers = await testWorkers({ clock })
    let status = 503
    const receiver = await workers.receiver(({ path }) => ({ status: path === '/fails' ? status : 200 }))
    const { webhookId } = await workers.addWebhook({ url: `${receiver.url}/fails`, events: ['order.*'], retry: 'short' })
    const watching = await workers.addWebhook({ url: `${receiver.url}/watch`, events: ['triggers.*'] })
    workers.start()
    const [eventId] = await workers.createEvents(1)
    for (let attempts = 1; attempts <= 4; attempts++) {
      await workers.waitForAttempts(webhookId, attempts)
      clock.advance({ seconds: 4 })
    }
    await workers.waitForStatus(webhookId, 'dead', 1)
    await workers.waitForStatus(watching.webhookId, 'delivered', 1)
    const [delivery] = await workers.deliveriesOf(webhookId)
    expect(ownEventsOf(receiver, 'triggers.delivery.dead').map(({ payload }) => payload)).toEqual([
      {
        delivery_id: delivery?.deliveryId,
        webhook_id: webhookId,
        event_id: eventId,
        event_type: 'order.paid',
        attempt_count: 4,
        last_status_code: 503,
        last_error: null,
      },
    ])
    status = 200
    await workers.createEvents(2)
    await workers.waitForStatus(webhookId, 'delivered', 2)
    await workers.waitForStatus(watching.webhookId, 'delivered', 2)
    expect(ownEventsOf(receiver, 'triggers.webhook.recovered')).toMatchObject([{ payload: { webhook_id: webhookId } }])
  })

  it('makes no further event when it was one of our own', async () => {
    const clock = new FakeClock()
    const workers = await testWorkers({ clock })
    const receiver = await workers.receiver(() => ({ status: 500 }))
    const failing = await workers.addWebhook({ url: receiver.url, events: ['order.*'], retry: 'short' })
    const watching = await workers.addWebhook({ url: receiver.url, events: ['triggers.*'], retry: 'short' })
    workers.start()
    await workers.createEvents(1)
    for (let attempts = 1; attempts <= 4; attempts++) {
      await workers.waitForAttempts(failing.webhookId, attempts)
      clock.advance({ seconds: 4 })
    }
    for (let attempts = 1; attempts <= 4; attempts++) {
      await workers.waitForAttempts(watching.webhookId, attempts)
      clock.advance({ seconds: 4 })
    }
    await workers.waitForStatus(watching.webhookId, 'dead', 1)
    expect(await workers.deliveriesOf(watching.webhookId)).toHaveLength(1)
    expect(await workers.store.getWebhook(watching.webhookId)).toMatchObject({ alarmedAtUs: null })
  })
})
