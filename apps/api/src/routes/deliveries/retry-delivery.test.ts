import { describe, expect, it } from 'vitest'
import { StoreUnavailableError } from '../../ports.ts'
import { expectRefused, UNKNOWN_ID } from '../../testing/events.ts'
import { sharedApp, type TestAnswer, testApp } from '../../testing/test-app.ts'
import { attemptDue, callWebhook, createDelivery, createWebhook, putWebhook, takeJobs } from '../../testing/webhooks.ts'

const app = await sharedApp()

const retry = (key: string, deliveryId: string, from = app) => from.request(`/v1/deliveries/${deliveryId}/retry`, { method: 'POST', key })
const read = async (key: string, deliveryId: string, from = app) => (await from.request(`/v1/deliveries/${deliveryId}`, { key })).body

function expectConflict(answer: TestAnswer, deliveryId: string, status: string): void {
  expect([answer.status, answer.body.error.code, answer.body.error.details]).toEqual([
    409,
    'CONFLICT',
    { delivery_id: deliveryId, current_status: status, suggestion: expect.any(String) },
  ])
}

describe('retrying a delivery', () => {
  it.each(['dead', 'delivered'] as const)('makes a %s one pending, due now, and tells a worker', async (status) => {
    const key = app.key()
    const { webhook_id } = await createWebhook(app, key)
    const { deliveryId } = await createDelivery(app, key, webhook_id)
    await attemptDue(app, webhook_id, status)
    await takeJobs(app)
    const answer = await retry(key, deliveryId)
    expect(answer.status, answer.text).toBe(202)
    expect(answer.body).toMatchObject({ delivery_id: deliveryId, status: 'pending' })
    expect(await takeJobs(app)).toEqual([{ type: 'deliver', webhookId: webhook_id, replayId: null }])
    expect(await read(key, deliveryId)).toMatchObject({
      status: 'pending',
      attempt_count: 1,
      next_attempt_at: '2025-11-21T08:00:00.000000Z',
      completed_at: null,
      attempts: [{ attempt: 1 }],
    })
  })

  it('takes a held one once its webhook is active again', async () => {
    const key = app.key()
    const { webhook_id } = await createWebhook(app, key)
    const { deliveryId } = await createDelivery(app, key, webhook_id)
    await putWebhook(app, key, webhook_id, { is_active: false })
    expectConflict(await retry(key, deliveryId), deliveryId, 'held')
    await putWebhook(app, key, webhook_id, { is_active: true })
    expect((await retry(key, deliveryId)).status).toBe(202)
  })

  it('is 409 while it is pending', async () => {
    const key = app.key()
    const { webhook_id } = await createWebhook(app, key)
    const { deliveryId } = await createDelivery(app, key, webhook_id)
    await takeJobs(app)
    expectConflict(await retry(key, deliveryId), deliveryId, 'pending')
    expect(await takeJobs(app)).toEqual([])
  })

  it('is 409 when its event or its webhook is gone', async () => {
    const key = app.key()
    const { webhook_id } = await createWebhook(app, key)
    const { event, deliveryId } = await createDelivery(app, key, webhook_id)
    await attemptDue(app, webhook_id, 'dead')
    await app.request(`/v1/events/${event.event_id}`, { method: 'DELETE', key })
    expectConflict(await retry(key, deliveryId), deliveryId, 'dead')
    const other = await createDelivery(app, key, webhook_id)
    await callWebhook(app, key, webhook_id, 'DELETE')
    const answer = await retry(key, other.deliveryId)
    expectConflict(answer, other.deliveryId, 'cancelled')
    expect(answer.body.error.message).toContain('webhook of the delivery is gone')
    expect(answer.body.error.details.suggestion).not.toContain('is_active')
  })

  it('is accepted while the queue is away: the sweep finds it', async () => {
    const own = await testApp()
    const key = own.key()
    const { webhook_id } = await createWebhook(own, key)
    const { deliveryId } = await createDelivery(own, key, webhook_id)
    await attemptDue(own, webhook_id, 'dead')
    own.deps.queue.enqueue = () => Promise.reject(new StoreUnavailableError('away'))
    expect((await retry(key, deliveryId, own)).status).toBe(202)
    expect((await own.deps.store.listDueLanes({ limit: 10 })).lanes).toEqual([{ webhookId: webhook_id, replayId: null }])
  })

  it('accepts one of many that come at once', async () => {
    const key = app.key()
    const { webhook_id } = await createWebhook(app, key)
    const { deliveryId } = await createDelivery(app, key, webhook_id)
    await attemptDue(app, webhook_id, 'dead')
    const answers = await Promise.all([1, 2, 3].map(() => retry(key, deliveryId)))
    expect(answers.map(({ status }) => status).sort()).toEqual([202, 409, 409])
  })
})

describe('a delivery', () => {
  it('that is not there is 404, read or retried', async () => {
    for (const answer of [await retry(app.key(), UNKNOWN_ID), await app.request(`/v1/deliveries/${UNKNOWN_ID}`)]) {
      expect([answer.status, answer.body.error.details]).toEqual([404, { delivery_id: UNKNOWN_ID, suggestion: expect.any(String) }])
    }
  })

  it('has an id of that form alone', async () => {
    expectRefused(await retry(app.key(), 'dlv_1'), 422, 'delivery_id')
  })
})
