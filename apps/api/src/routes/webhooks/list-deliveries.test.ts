import { describe, expect, it } from 'vitest'
import { createEvent, expectRefused, UNKNOWN_ID } from '../../testing/events.ts'
import { sharedApp, testApp } from '../../testing/test-app.ts'
import { attemptDue, callWebhook, createDelivery, createWebhook, storeDeliveries } from '../../testing/webhooks.ts'

const app = await sharedApp()

const idsOf = ({ body }: { body: { deliveries: { delivery_id: string }[] } }) => body.deliveries.map(({ delivery_id }) => delivery_id)

describe("a webhook's deliveries", () => {
  it('are listed the newest first, page by page', async () => {
    const key = app.key()
    const { webhook_id } = await createWebhook(app, key)
    const ids: string[] = []
    for (let count = 0; count < 3; count++) ids.unshift((await createDelivery(app, key, webhook_id)).deliveryId)
    const other = await createWebhook(app, key)
    await createDelivery(app, key, other.webhook_id)
    const first = await callWebhook(app, key, webhook_id, 'GET', '/deliveries?limit=2')
    const second = await callWebhook(app, key, webhook_id, 'GET', `/deliveries?limit=2&cursor=${first.body.pagination.next_cursor}`)
    expect([...idsOf(first), ...idsOf(second)]).toEqual(ids)
    expect(second.body.pagination).toEqual({ next_cursor: null, limit: 2 })
  })

  it('show every attempt with its answer', async () => {
    const key = app.key()
    const { webhook_id } = await createWebhook(app, key)
    const { event, deliveryId } = await createDelivery(app, key, webhook_id)
    await attemptDue(app, webhook_id, 'dead', { statusCode: null, error: 'timeout', responseBody: '', durationMs: 20_000 })
    const { body } = await callWebhook(app, key, webhook_id, 'GET', '/deliveries')
    expect(body.deliveries).toEqual([
      {
        delivery_id: deliveryId,
        webhook_id,
        event_id: event.event_id,
        event_type: 'order.paid',
        status: 'dead',
        attempt_count: 1,
        next_attempt_at: null,
        created_at: expect.stringMatching(/^2025-11-21T08:00:\d\d\.\d{6}Z$/),
        completed_at: expect.stringMatching(/^2025-11-21T08:00:\d\d\.\d{6}Z$/),
        replay_id: null,
        attempts: [
          {
            attempt: 1,
            started_at: '2025-11-21T08:00:00.000000Z',
            duration_ms: 20_000,
            status_code: null,
            error: 'timeout',
            response_body: '',
            response_truncated: false,
            retry_reason: null,
          },
        ],
      },
    ])
  })

  it('say when a pending one is tried next', async () => {
    const key = app.key()
    const { webhook_id } = await createWebhook(app, key)
    await createDelivery(app, key, webhook_id)
    await attemptDue(app, webhook_id, 'pending', { retryReason: 'status_500' })
    const { body } = await callWebhook(app, key, webhook_id, 'GET', '/deliveries')
    expect(body.deliveries[0]).toMatchObject({ status: 'pending', next_attempt_at: '2025-11-21T08:00:05.000000Z', completed_at: null })
    expect(body.deliveries[0].attempts[0]).toMatchObject({ status_code: 500, retry_reason: 'status_500' })
  })

  it('are filtered by status', async () => {
    const key = app.key()
    const { webhook_id } = await createWebhook(app, key)
    const dead = await createDelivery(app, key, webhook_id)
    await attemptDue(app, webhook_id, 'dead')
    const pending = await createDelivery(app, key, webhook_id)
    const list = (status: string) => callWebhook(app, key, webhook_id, 'GET', `/deliveries?status=${status}`)
    expect(idsOf(await list('dead'))).toEqual([dead.deliveryId])
    expect(idsOf(await list('pending'))).toEqual([pending.deliveryId])
    expect(idsOf(await list('held'))).toEqual([])
  })

  it('end a page early, with a cursor, rather than pass 5 MB', async () => {
    const key = app.key()
    const { webhook_id } = await createWebhook(app, key)
    for (let count = 0; count < 100; count++) await createEvent(app, key)
    const { events } = (await app.request('/v1/events?limit=100', { key })).body
    const dueAtUs = app.clock.nowUs()
    const eventIds: string[] = events.map(({ event_id }: { event_id: string }) => event_id)
    await storeDeliveries(
      app,
      eventIds.map((eventId) => ({ webhookId: webhook_id, eventId, eventType: 'order.paid', dueAtUs, replayId: null, ownEvent: null })),
    )
    // Control characters take six bytes each as JSON.
    for (let attempt = 0; attempt < 3; attempt++) {
      await attemptDue(app, webhook_id, attempt < 2 ? 'pending' : 'dead', { responseBody: '\u0001'.repeat(4096) })
      if (attempt < 2) app.clock.advance({ seconds: 5 })
    }
    const ids: string[] = []
    let cursor: string | null = ''
    let pages = 0
    while (cursor !== null) {
      const answer = await callWebhook(app, key, webhook_id, 'GET', `/deliveries?limit=100${cursor && `&cursor=${cursor}`}`)
      expect(answer.text.length).toBeLessThan(5_500_000)
      ids.push(...idsOf(answer))
      cursor = answer.body.pagination.next_cursor
      pages++
    }
    expect([pages > 1, new Set(ids).size, ids.length]).toEqual([true, 100, 100])
  })

  it('are gone with their webhook from its list, and stay each alone', async () => {
    const own = await testApp()
    const key = own.key()
    const { webhook_id } = await createWebhook(own, key)
    const { deliveryId } = await createDelivery(own, key, webhook_id)
    await callWebhook(own, key, webhook_id, 'DELETE')
    expect((await callWebhook(own, key, webhook_id, 'GET', '/deliveries')).status).toBe(404)
    expect((await own.request(`/v1/deliveries/${deliveryId}`, { key })).body).toMatchObject({ status: 'cancelled', webhook_id })
  })

  it('are not followed with the cursor of another webhook or status', async () => {
    const key = app.key()
    const [one, two] = [await createWebhook(app, key), await createWebhook(app, key)]
    await createDelivery(app, key, one.webhook_id)
    await createDelivery(app, key, one.webhook_id)
    const { next_cursor } = (await callWebhook(app, key, one.webhook_id, 'GET', '/deliveries?limit=1')).body.pagination
    expectRefused(await callWebhook(app, key, two.webhook_id, 'GET', `/deliveries?cursor=${next_cursor}`), 400, 'cursor')
    expectRefused(await callWebhook(app, key, one.webhook_id, 'GET', `/deliveries?status=dead&cursor=${next_cursor}`), 400, 'cursor')
  })

  it.each([
    ['status', 'status=failed'],
    ['status', 'status='],
    ['limit', 'limit=0'],
    ['state', 'state=dead'],
  ])('refuse %s in ?%s', async (field, query) => {
    const key = app.key()
    const { webhook_id } = await createWebhook(app, key)
    expectRefused(await callWebhook(app, key, webhook_id, 'GET', `/deliveries?${query}`), 422, field)
  })
})

describe("an event's deliveries", () => {
  const list = (key: string, eventId: string, query = '') => app.request(`/v1/events/${eventId}/deliveries${query}`, { key })

  it('are those to all webhooks, the newest first', async () => {
    const key = app.key()
    const [one, two] = [await createWebhook(app, key), await createWebhook(app, key)]
    const { event, deliveryId } = await createDelivery(app, key, one.webhook_id)
    await attemptDue(app, one.webhook_id, 'dead')
    await createDelivery(app, key, one.webhook_id)
    const delivery = { eventId: event.event_id, eventType: 'order.paid', dueAtUs: app.clock.nowUs(), replayId: null, ownEvent: null }
    await storeDeliveries(app, [{ webhookId: two.webhook_id, ...delivery }])
    const { body } = await list(key, event.event_id)
    expect(body.deliveries.map(({ webhook_id }: { webhook_id: string }) => webhook_id)).toEqual([two.webhook_id, one.webhook_id])
    expect(idsOf(await list(key, event.event_id, '?status=dead'))).toEqual([deliveryId])
    const first = await list(key, event.event_id, '?limit=1')
    const second = await list(key, event.event_id, `?limit=1&cursor=${first.body.pagination.next_cursor}`)
    expect([...idsOf(first), ...idsOf(second)]).toEqual(idsOf(await list(key, event.event_id)))
  })

  it('are none for an event that nobody asked for', async () => {
    const key = app.key()
    const { event_id } = await createEvent(app, key)
    expect((await list(key, event_id)).body).toMatchObject({ deliveries: [], pagination: { next_cursor: null, limit: 50 } })
  })

  it('stay when the event is gone, as long as they are kept', async () => {
    const key = app.key()
    const { webhook_id } = await createWebhook(app, key)
    const { event } = await createDelivery(app, key, webhook_id)
    await app.request(`/v1/events/${event.event_id}`, { method: 'DELETE', key })
    expect((await list(key, event.event_id)).body.deliveries).toMatchObject([{ status: 'cancelled' }])
    expect((await list(key, event.event_id, '?status=dead')).body.deliveries).toEqual([])
  })

  it('are 404 where neither they nor the event are', async () => {
    const answer = await list(app.key(), UNKNOWN_ID)
    expect([answer.status, answer.body.error.details.event_id]).toEqual([404, UNKNOWN_ID])
  })

  it('can be read with either scope', async () => {
    const { event_id } = await createEvent(app, app.key(undefined, 'scoped'))
    for (const scope of ['events:read', 'webhooks:manage'] as const) {
      expect((await list(app.key([scope], 'scoped'), event_id)).status).toBe(200)
    }
  })
})
