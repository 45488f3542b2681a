import { describe, expect, it } from 'vitest'
import { SCOPES } from '../ports.ts'
import { auditOf } from '../testing/api-keys.ts'
import { testApp } from '../testing/test-app.ts'
import {
  attemptDue,
  callWebhook,
  createDelivery,
  createWebhook,
  putWebhook,
  readWebhook,
  statusesOf,
  takeJobs,
} from '../testing/webhooks.ts'
import { deleteWebhook, disableWebhook } from './webhooks.ts'

const OPERATOR = { principal: null, ip: null, requestId: null }

describe('disabling a webhook', () => {
  it('switches it off, says why, and holds what is pending', async () => {
    const app = await testApp()
    const key = app.key(SCOPES, 'acme')
    const { webhook_id } = await createWebhook(app, key)
    await createDelivery(app, key, webhook_id)
    await attemptDue(app, webhook_id, 'delivered')
    await createDelivery(app, key, webhook_id)
    app.clock.advance({ seconds: 1 })
    expect(await disableWebhook(app.deps, webhook_id, 'failing')).toBe(true)
    expect(await readWebhook(app, key, webhook_id)).toMatchObject({
      is_active: false,
      disabled_at: '2025-11-21T08:00:01.000000Z',
      disabled_reason: 'failing',
      updated_at: '2025-11-21T08:00:01.000000Z',
    })
    expect(await statusesOf(app, key, webhook_id)).toEqual(['held', 'delivered'])
    expect(await takeJobs(app)).toEqual([{ type: 'deliver', webhookId: webhook_id, replayId: null }])
    expect((await auditOf(app, key))[0]).toMatchObject({
      action: 'webhook.disabled',
      actor: { type: 'server', key_id: null },
      target: { type: 'webhook', id: webhook_id },
      changes: { is_active: { from: true, to: false }, disabled_reason: { from: null, to: 'failing' } },
      ip: null,
      request_id: null,
    })
  })

  it('tells the others of its workspace that ask, in the same commit, and no inbox', async () => {
    const app = await testApp({ EVENT_TTL_DAYS: '3' })
    const key = app.key(SCOPES, 'acme')
    const gone = await createWebhook(app, key, { url: 'https://example.com/hook?token=t0ken', events: ['*', 'triggers.*'] })
    const told = await createWebhook(app, key, { events: ['triggers.webhook.disabled'] })
    const others = [
      await createWebhook(app, key),
      await createWebhook(app, key, { events: ['triggers.*'], is_active: false }),
      await createWebhook(app, app.key(), { events: ['triggers.*'] }),
    ]
    await disableWebhook(app.deps, gone.webhook_id, 'gone')
    for (const { webhook_id } of [gone, ...others]) {
      const { deliveries } = await app.deps.store.listDeliveries({ workspaceId: 'acme', webhookId: webhook_id, limit: 10, maxBytes: 1e6 })
      expect(deliveries).toEqual([])
    }
    const { body } = await callWebhook(app, key, told.webhook_id, 'GET', '/deliveries')
    expect(body.deliveries).toMatchObject([{ event_type: 'triggers.webhook.disabled', status: 'pending' }])
    expect(await takeJobs(app)).toContainEqual({ type: 'deliver', webhookId: told.webhook_id, replayId: null })
    const claim = { webhookId: told.webhook_id, replayId: null, limit: 1, maxBytes: 1e6, heldUntilUs: app.clock.nowUs() + 1, paces: [] }
    const [delivery] = (await app.deps.store.claimDeliveries(claim)).deliveries
    expect(JSON.parse(delivery?.event.payload ?? '')).toEqual({
      webhook_id: gone.webhook_id,
      url: 'https://example.com/hook',
      reason: 'gone',
      disabled_at: '2025-11-21T08:00:00.000000Z',
      deliveries_held_until: '2025-11-24T08:00:00.000000Z',
    })
    for (const path of ['/v1/events', '/v1/inbox']) expect((await app.request(path, { key })).body.events).toEqual([])
    expect((await app.deps.store.getWebhook(gone.webhook_id))?.alarmedAtUs).toBe(app.clock.nowUs())
  })

  it('tells nobody of the failure of an event of our own', async () => {
    const app = await testApp()
    const key = app.key()
    const { webhook_id } = await createWebhook(app, key)
    const told = await createWebhook(app, key, { events: ['triggers.*'] })
    await disableWebhook(app.deps, webhook_id, 'gone', { isSilent: true })
    expect(await statusesOf(app, key, told.webhook_id)).toEqual([])
    expect((await readWebhook(app, key, webhook_id)).disabled_reason).toBe('gone')
  })

  it('does nothing to one that is off already, or gone', async () => {
    const app = await testApp()
    const key = app.key()
    const { webhook_id } = await createWebhook(app, key)
    await putWebhook(app, key, webhook_id, { is_active: false })
    expect(await disableWebhook(app.deps, webhook_id, 'failing')).toBe(false)
    expect((await readWebhook(app, key, webhook_id)).disabled_reason).toBe('manual')
    await callWebhook(app, key, webhook_id, 'DELETE')
    expect(await disableWebhook(app.deps, webhook_id, 'failing')).toBe(false)
  })

  it('disables once, however many ask at the same time', async () => {
    const app = await testApp()
    const key = app.key()
    const { webhook_id } = await createWebhook(app, key)
    const told = await createWebhook(app, key, { events: ['triggers.*'] })
    const results = await Promise.all([1, 2, 3, 4].map(() => disableWebhook(app.deps, webhook_id, 'failing')))
    expect(results.filter((disabled) => disabled)).toHaveLength(1)
    expect(await statusesOf(app, key, told.webhook_id)).toHaveLength(1)
  })
})

it('leaves to a worker what is too much for one call', async () => {
  let moves = 0
  const app = await testApp({}, (store) => Object.assign(Object.create(store), { moveDeliveries: async () => moves++ < 1000 }))
  const { webhook_id } = await createWebhook(app, app.key(SCOPES, 'acme'))
  await deleteWebhook(app.deps, OPERATOR, 'acme', webhook_id)
  expect(moves).toBe(20)
  expect(await takeJobs(app)).toEqual([{ type: 'deliver', webhookId: webhook_id, replayId: null }])
})
