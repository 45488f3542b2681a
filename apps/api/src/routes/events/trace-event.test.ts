import { describe, expect, it } from 'vitest'
import { createEvent, UNKNOWN_ID } from '../../testing/events.ts'
import { sharedApp } from '../../testing/test-app.ts'
import { attemptDue, createDelivery, createWebhook, putWebhook, storeDeliveries } from '../../testing/webhooks.ts'

const app = await sharedApp()

const trace = (key: string, eventId: string) => app.request(`/v1/events/${eventId}/trace`, { key })

interface Traced {
  webhook_id: string
  matched: boolean
  reason: string
  detail: string
  deliveries: { status: string; attempts: { response_body: string; response_truncated: boolean }[] }[]
}

async function traced(key: string, eventId: string): Promise<Map<string, Traced>> {
  const answer = await trace(key, eventId)
  expect(answer.status, answer.text).toBe(200)
  expect(answer.body.event_id).toBe(eventId)
  return new Map(answer.body.webhooks.map((webhook: Traced) => [webhook.webhook_id, webhook]))
}

describe('a trace', () => {
  it('says of every webhook why it does not match, or that it does', async () => {
    const key = app.key()
    const type = await createWebhook(app, key, { events: ['user.*'] })
    const filter = await createWebhook(app, key, { filter: { source: ['other'] } })
    const inactive = await createWebhook(app, key, { is_active: false })
    const matching = await createWebhook(app, key)
    const { event_id } = await createEvent(app, key)
    const later = await createWebhook(app, key)
    await createWebhook(app, app.key())
    const webhooks = await traced(key, event_id)
    expect([...webhooks.keys()]).toEqual([later, matching, inactive, filter, type].map(({ webhook_id }) => webhook_id))
    expect([...webhooks.values()].map(({ matched, reason }) => [matched, reason])).toEqual([
      [false, 'created_later'],
      [true, 'matched'],
      [false, 'inactive'],
      [false, 'filter'],
      [false, 'event_type'],
    ])
    expect(webhooks.get(filter.webhook_id)?.detail).toContain('other')
    expect([...webhooks.values()].every(({ detail, deliveries }) => detail.length > 10 && deliveries.length === 0)).toBe(true)
  })

  it('has all deliveries with their attempts', async () => {
    const key = app.key()
    const { webhook_id } = await createWebhook(app, key)
    const { event, deliveryId } = await createDelivery(app, key, webhook_id)
    await attemptDue(app, webhook_id, 'dead')
    const again = { webhookId: webhook_id, eventId: event.event_id, eventType: 'order.paid', dueAtUs: 0, replayId: null, ownEvent: null }
    await storeDeliveries(app, [again])
    const found = (await traced(key, event.event_id)).get(webhook_id)
    expect(found).toMatchObject({ matched: true, reason: 'matched', deliveries: [{ status: 'pending', attempts: [] }, { status: 'dead' }] })
    expect(found?.deliveries[1]).toEqual(
      (({ request_id: _, ...delivery }) => delivery)((await app.request(`/v1/deliveries/${deliveryId}`, { key })).body),
    )
  })

  it('counts a webhook with a delivery as matched, whatever it is now', async () => {
    const key = app.key()
    const { webhook_id } = await createWebhook(app, key)
    const { event } = await createDelivery(app, key, webhook_id)
    await putWebhook(app, key, webhook_id, { is_active: false, events: ['other'] })
    expect((await traced(key, event.event_id)).get(webhook_id)).toMatchObject({
      matched: true,
      reason: 'matched',
      deliveries: [{ status: 'held' }],
    })
  })

  it('leaves out the answers beyond 5 MB, the oldest ones, and says so', async () => {
    const key = app.key()
    const { webhook_id } = await createWebhook(app, key)
    const { event_id: eventId } = await createEvent(app, key)
    const delivery = { webhookId: webhook_id, eventId, eventType: 'order.paid', dueAtUs: app.clock.nowUs(), replayId: null, ownEvent: null }
    for (let batch = 0; batch < 4; batch++) {
      await storeDeliveries(
        app,
        Array.from({ length: 100 }, () => delivery),
      )
      for (let attempt = 0; attempt < 5; attempt++) {
        await attemptDue(app, webhook_id, attempt < 4 ? 'pending' : 'dead', { responseBody: 'x'.repeat(4096) })
        app.clock.advance({ seconds: 5 })
      }
    }
    const answer = await trace(key, eventId)
    const [{ deliveries }] = answer.body.webhooks
    const bodies = deliveries.flatMap(({ attempts }: Traced['deliveries'][number]) => attempts)
    expect([deliveries.length, bodies.length]).toEqual([400, 2000])
    expect(bodies[0]).toMatchObject({ response_body: 'x'.repeat(4096), response_truncated: false })
    expect(bodies.at(-1)).toMatchObject({ response_body: '', response_truncated: true })
    expect(answer.text.length).toBeLessThan(6_000_000)
  })

  it('is of more webhooks than a page has', async () => {
    const key = app.key()
    const ids: string[] = []
    for (let count = 0; count < 101; count++) ids.unshift((await createWebhook(app, key)).webhook_id)
    const { event_id } = await createEvent(app, key)
    expect([...(await traced(key, event_id)).keys()]).toEqual(ids)
  })

  it('is 404 for an event that is not there', async () => {
    const answer = await trace(app.key(), UNKNOWN_ID)
    expect([answer.status, answer.body.error.details.event_id]).toEqual([404, UNKNOWN_ID])
  })
})
