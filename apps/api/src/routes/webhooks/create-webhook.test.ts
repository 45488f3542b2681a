import { describe, expect, it } from 'vitest'
import { newWebhookSecret } from '../../domain/webhook-signing.ts'
import { MAX_WEBHOOKS } from '../../domain/webhooks.ts'
import { SCOPES } from '../../ports.ts'
import { auditOf } from '../../testing/api-keys.ts'
import { sharedApp, testApp } from '../../testing/test-app.ts'
import { createWebhook, postWebhook, readWebhook, secretsOf } from '../../testing/webhooks.ts'
import { newUuid } from '../../uuid.ts'

const app = await sharedApp()

const FULL = {
  url: 'https://example.com/hook?token=t0ken',
  events: ['user.*', 'order.paid', 'triggers.*'],
  description: 'The CRM',
  filter: {
    source: ['shop'],
    priority: ['high', 'normal'],
    metadata: { region: 'eu', payload: 'x', count: 3, flag: true },
    payload: [
      { path: '$.user.plan', op: 'equals', value: null },
      { path: "$['a b'][0]", op: 'in', value: ['a', 1, true] },
      { path: '$.x', op: 'exists' },
      { path: '$.y', op: 'exists', value: false },
      { path: '$.z', op: 'prefix', value: 'ab' },
      { path: '$.n', op: 'range', value: { gte: 1, lt: 2.5 } },
    ],
  },
  rate_limit: 50,
  retry: 'short',
  payload_format: 'standard',
}

describe('making a webhook', () => {
  it('answers with the webhook and, this once, its generated secret', async () => {
    const key = app.key()
    const { webhook_id, secret, created_at, updated_at, request_id, ...webhook } = await createWebhook(app, key)
    expect(webhook_id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/)
    expect(created_at).toMatch(/^2025-11-21T08:00:00\.\d{6}Z$/)
    expect(updated_at).toBe(created_at)
    expect(request_id).toMatch(/./)
    expect(webhook).toEqual({
      url: 'https://example.com/hook',
      events: ['*'],
      is_active: true,
      description: null,
      filter: null,
      header_names: [],
      rate_limit: null,
      retry: 'standard',
      payload_format: 'event',
      disabled_at: null,
      disabled_reason: null,
    })
    expect(await readWebhook(app, key, webhook_id)).toEqual({ webhook_id, created_at, updated_at, ...webhook })
    expect(await secretsOf(app, webhook_id)).toEqual([{ secret, expiresAtUs: null }])
  })

  it('keeps all that is given', async () => {
    const key = app.key()
    const created = await createWebhook(app, key, { ...FULL, headers: { 'X-Tenant': 'acme', authorization: 'Bearer x' } })
    expect(created).not.toHaveProperty('headers')
    expect(await readWebhook(app, key, created.webhook_id)).toMatchObject({ ...FULL, header_names: ['x-tenant', 'authorization'] })
  })

  it('keeps a secret of its own, and does not show it', async () => {
    const key = app.key()
    const secret = newWebhookSecret()
    const created = await createWebhook(app, key, { secret })
    expect(created).not.toHaveProperty('secret')
    expect(await secretsOf(app, created.webhook_id)).toEqual([{ secret, expiresAtUs: null }])
  })

  it('seals secrets and headers for the webhook', async () => {
    const secret = 'a secret of sixteen or more'
    const { webhook_id } = await createWebhook(app, app.key(), { secret, headers: { authorization: 'Bearer t0ps3cret' } })
    const stored = await app.deps.store.getWebhook(webhook_id)
    expect(JSON.stringify(stored)).not.toMatch(/t0ps3cret|of sixteen/)
    expect(JSON.parse(await app.deps.vault.open(stored?.headers?.sealed ?? '', webhook_id))).toEqual({ authorization: 'Bearer t0ps3cret' })
    await expect(app.deps.vault.open(stored?.headers?.sealed ?? '', newUuid(0))).rejects.toThrow()
  })

  it('trims patterns, and counts each once; drops the fragment of the url', async () => {
    const fields = { url: ' https://example.com/hook?a=b#part ', events: [' user.* ', 'user.*', 'a.b'], description: '  ' }
    expect(await createWebhook(app, app.key(), fields)).toMatchObject({
      url: 'https://example.com/hook?a=b',
      events: ['user.*', 'a.b'],
      description: null,
    })
  })

  it('reads null as absent', async () => {
    const created = await createWebhook(app, app.key(), { secret: null, description: null, filter: null, headers: null, rate_limit: null })
    expect(created.secret).toMatch(/^whsec_/)
    expect(created).toMatchObject({ description: null, filter: null, header_names: [], rate_limit: null })
  })

  it('makes one that is switched off', async () => {
    expect(await createWebhook(app, app.key(), { is_active: false })).toMatchObject({
      is_active: false,
      disabled_at: '2025-11-21T08:00:00.000000Z',
      disabled_reason: 'manual',
    })
  })

  it('accepts a name that does not resolve yet', async () => {
    await createWebhook(app, app.key(), { url: 'https://not-there-yet.example/hook' })
  })

  it('is told to the audit log, without secrets, header values and the query of the url', async () => {
    const key = app.key(SCOPES, 'audited', { keyId: 'key_maker' })
    const secret = 'my own secret, 0123456789'
    const { webhook_id, request_id } = await createWebhook(app, key, { ...FULL, secret, headers: { authorization: 'Bearer t0ps3cret' } })
    const [entry, ...others] = await auditOf(app, key)
    expect(others).toEqual([])
    expect(entry).toMatchObject({
      action: 'webhook.created',
      actor: { type: 'api_key', key_id: 'key_maker' },
      target: { type: 'webhook', id: webhook_id },
      request_id,
    })
    expect(entry.changes).toMatchObject({
      url: { from: null, to: 'https://example.com/hook' },
      events: { from: null, to: FULL.events },
      header_names: { from: null, to: ['authorization'] },
    })
    expect(JSON.stringify(entry)).not.toMatch(/t0ken|t0ps3cret|my own secret/)
  })
})

it('refuses more webhooks than a workspace can have', async () => {
  const own = await testApp()
  const [full, other] = [own.key(SCOPES, 'full'), own.key(SCOPES, 'other')]
  const { webhook_id } = await createWebhook(own, full)
  const webhook = await own.deps.store.getWebhook(webhook_id)
  if (webhook === undefined) throw new Error('The webhook is missing.')
  const { createdAtUs: _, failingSinceUs: __, alarmedAtUs: ___, ...record } = webhook
  const more = Array.from({ length: MAX_WEBHOOKS - 1 }, (_, index) => ({ ...record, webhookId: newUuid(index), revision: 0 }))
  // A few at a time: they all count in one place.
  while (more.length > 0) {
    const some = more.splice(0, 20)
    await Promise.all(some.map((record) => own.deps.store.saveWebhook(record, { audit: null })))
  }
  const answer = await postWebhook(own, full)
  expect([answer.status, answer.body.error.code, answer.body.error.details]).toEqual([
    409,
    'CONFLICT',
    { limit: 1000, suggestion: expect.any(String) },
  ])
  await createWebhook(own, other)
})
