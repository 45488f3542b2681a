import { describe, expect, it } from 'vitest'
import { SCOPES } from '../../ports.ts'
import { auditOf } from '../../testing/api-keys.ts'
import { expectRefused, UNKNOWN_ID } from '../../testing/events.ts'
import { sharedApp, testApp } from '../../testing/test-app.ts'
import { attemptDue, callWebhook, createDelivery, createWebhook, putWebhook, takeJobs } from '../../testing/webhooks.ts'

const app = await sharedApp()

const idsOf = ({ body }: { body: { webhooks: { webhook_id: string }[] } }) => body.webhooks.map(({ webhook_id }) => webhook_id)

describe('the list of webhooks', () => {
  it('has those of the workspace, the newest first, page by page', async () => {
    const key = app.key(SCOPES, 'listing')
    const ids: string[] = []
    for (let count = 0; count < 3; count++) ids.unshift((await createWebhook(app, key)).webhook_id)
    await createWebhook(app, app.key())
    const first = await app.request('/v1/webhooks?limit=2', { key })
    const { next_cursor } = first.body.pagination
    const second = await app.request(`/v1/webhooks?limit=2&cursor=${next_cursor}`, { key })
    expect([...idsOf(first), ...idsOf(second)]).toEqual(ids)
    expect(second.body.pagination).toEqual({ next_cursor: null, limit: 2 })
    expect(first.text).not.toContain('secret')
  })

  it('has the active ones alone, or the others', async () => {
    const key = app.key()
    const on = await createWebhook(app, key)
    const off = await createWebhook(app, key, { is_active: false })
    expect(idsOf(await app.request('/v1/webhooks?is_active=true', { key }))).toEqual([on.webhook_id])
    expect(idsOf(await app.request('/v1/webhooks?is_active=false', { key }))).toEqual([off.webhook_id])
    expect(idsOf(await app.request('/v1/webhooks', { key }))).toHaveLength(2)
  })

  it('refuses a cursor that was made with another filter, or for another workspace', async () => {
    const key = app.key()
    await createWebhook(app, key)
    await createWebhook(app, key)
    const { next_cursor } = (await app.request('/v1/webhooks?limit=1', { key })).body.pagination
    expectRefused(await app.request(`/v1/webhooks?limit=1&is_active=true&cursor=${next_cursor}`, { key }), 400, 'cursor')
    expectRefused(await app.request(`/v1/webhooks?limit=1&cursor=${next_cursor}`, { key: app.key() }), 400, 'cursor')
  })

  it.each([
    ['limit', 'limit=0'],
    ['limit', 'limit=101'],
    ['is_active', 'is_active='],
    ['is_active', 'is_active=1'],
    ['is_active', 'is_active=True'],
    ['active', 'active=true'],
    ['metadata.region', 'metadata.region=eu'],
    ['limit', 'limit=1&limit=2'],
  ])('refuses %s in ?%s', async (field, query) => {
    expectRefused(await app.request(`/v1/webhooks?${query}`), 422, field)
  })
})

describe('deleting a webhook', () => {
  it('ends it, and cancels what is pending and held', async () => {
    const own = await testApp()
    const key = own.key()
    const { webhook_id } = await createWebhook(own, key)
    const held = await createDelivery(own, key, webhook_id)
    await putWebhook(own, key, webhook_id, { is_active: false })
    await putWebhook(own, key, webhook_id, { is_active: true })
    const delivered = await createDelivery(own, key, webhook_id)
    await attemptDue(own, webhook_id, 'delivered')
    const pending = await createDelivery(own, key, webhook_id)
    await takeJobs(own)
    const answer = await callWebhook(own, key, webhook_id, 'DELETE')
    expect([answer.status, answer.text]).toEqual([204, ''])
    expect((await callWebhook(own, key, webhook_id, 'GET')).status).toBe(404)
    expect(idsOf(await own.request('/v1/webhooks', { key }))).toEqual([])
    const statusOf = async (id: string) => (await own.request(`/v1/deliveries/${id}`, { key })).body.status
    expect(await statusOf(held.deliveryId)).toBe('cancelled')
    expect(await statusOf(pending.deliveryId)).toBe('cancelled')
    expect(await statusOf(delivered.deliveryId)).toBe('delivered')
    expect(await takeJobs(own)).toEqual([{ type: 'deliver', webhookId: webhook_id, replayId: null }])
  })

  it('is told to the audit log, once', async () => {
    const key = app.key(SCOPES, 'deleting', { keyId: 'key_deleter' })
    const { webhook_id } = await createWebhook(app, key, { url: 'https://example.com/hook?token=t0ken' })
    await callWebhook(app, key, webhook_id, 'DELETE')
    expect((await callWebhook(app, key, webhook_id, 'DELETE')).status).toBe(404)
    const [entry, ...before] = await auditOf(app, key)
    expect(before).toHaveLength(1)
    expect(entry).toMatchObject({
      action: 'webhook.deleted',
      actor: { type: 'api_key', key_id: 'key_deleter' },
      target: { type: 'webhook', id: webhook_id },
      changes: { url: { from: 'https://example.com/hook', to: null }, events: { from: ['*'], to: null } },
    })
    expect(JSON.stringify(entry)).not.toContain('t0ken')
  })

  it('ignores a body', async () => {
    const key = app.key()
    for (const body of ['null', '{', '']) {
      const { webhook_id } = await createWebhook(app, key)
      expect((await callWebhook(app, key, webhook_id, 'DELETE', '', { body })).status).toBe(204)
    }
  })
})

it('says which webhook is not there', async () => {
  const answer = await callWebhook(app, app.key(), UNKNOWN_ID, 'GET')
  expect([answer.status, answer.body.error.code, answer.body.error.details]).toEqual([
    404,
    'NOT_FOUND',
    { webhook_id: UNKNOWN_ID, suggestion: expect.any(String) },
  ])
})
