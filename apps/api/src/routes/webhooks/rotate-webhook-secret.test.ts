import { describe, expect, it } from 'vitest'
import { SCOPES } from '../../ports.ts'
import { auditOf } from '../../testing/api-keys.ts'
import { expectRefused } from '../../testing/events.ts'
import { type RequestOptions, sharedApp, testApp } from '../../testing/test-app.ts'
import { callWebhook, createWebhook, secretsOf } from '../../testing/webhooks.ts'

const app = await sharedApp()
const DAY_US = 86_400e6
const OWN_SECRET = 'my own secret, 0123456789'

const rotate = (key: string, webhookId: string, query = '', options: RequestOptions = {}) =>
  callWebhook(app, key, webhookId, 'POST', `/rotate-secret${query}`, options)

describe("rotating a webhook's secret", () => {
  it('gives a new one, shown this once; the former one works a day more', async () => {
    const key = app.key()
    const { webhook_id, secret } = await createWebhook(app, key)
    const answer = await rotate(key, webhook_id)
    expect(answer.status, answer.text).toBe(200)
    const { request_id: _, ...rotation } = answer.body
    expect(rotation).toEqual({
      webhook_id,
      secret: expect.stringMatching(/^whsec_[A-Za-z0-9+/]{43}=$/),
      rotated_at: '2025-11-21T08:00:00.000000Z',
      previous_expires_at: '2025-11-22T08:00:00.000000Z',
    })
    expect(rotation.secret).not.toBe(secret)
    expect(await secretsOf(app, webhook_id)).toEqual([
      { secret: rotation.secret, expiresAtUs: null },
      { secret, expiresAtUs: app.clock.nowUs() + DAY_US },
    ])
  })

  it('keeps two at the most: a further rotation ends the oldest', async () => {
    const key = app.key()
    const { webhook_id } = await createWebhook(app, key)
    const second = (await rotate(key, webhook_id, '?transition_days=90')).body.secret
    const third = (await rotate(key, webhook_id, '?transition_days=90')).body.secret
    expect((await secretsOf(app, webhook_id)).map(({ secret }) => secret)).toEqual([third, second])
  })

  it('ends the former one now with transition_days=0', async () => {
    const key = app.key()
    const { webhook_id } = await createWebhook(app, key)
    const { body } = await rotate(key, webhook_id, '?transition_days=0')
    expect(body.previous_expires_at).toBe(body.rotated_at)
    expect(await secretsOf(app, webhook_id)).toEqual([{ secret: body.secret, expiresAtUs: null }])
  })

  it('takes a secret of its own', async () => {
    const key = app.key()
    const { webhook_id } = await createWebhook(app, key)
    expect((await rotate(key, webhook_id, '', { body: { secret: OWN_SECRET } })).body.secret).toBe(OWN_SECRET)
    expect((await secretsOf(app, webhook_id))[0]).toEqual({ secret: OWN_SECRET, expiresAtUs: null })
  })

  it.each<[name: string, options: RequestOptions]>([
    ['none', {}],
    ['null', { body: 'null' }],
    ['an empty one', { body: '' }],
    ['an empty object', { body: {} }],
    ['a null secret', { body: { secret: null } }],
    ['none, with a content type', { headers: { 'content-type': 'application/json' } }],
    ['none, with another content type', { headers: { 'content-type': 'text/plain' } }],
  ])('generates a secret for a body that is %s', async (_, options) => {
    const key = app.key()
    const { webhook_id } = await createWebhook(app, key)
    expect((await rotate(key, webhook_id, '', options)).body.secret).toMatch(/^whsec_/)
  })

  it('is told to the audit log, without the secret', async () => {
    const key = app.key(SCOPES, 'audited', { keyId: 'key_rotator' })
    const { webhook_id } = await createWebhook(app, key)
    const { body } = await rotate(key, webhook_id, '?transition_days=2')
    const [entry] = await auditOf(app, key)
    expect(entry).toMatchObject({
      action: 'webhook.secret_rotated',
      actor: { type: 'api_key', key_id: 'key_rotator' },
      target: { type: 'webhook', id: webhook_id },
      changes: { previous_expires_at: { from: null, to: body.previous_expires_at } },
    })
    expect(JSON.stringify(entry)).not.toContain('whsec_')
  })
})

describe("rotating a webhook's secret refuses", () => {
  it('the secret that is in use, and leaves both as they are', async () => {
    const key = app.key()
    const { webhook_id } = await createWebhook(app, key)
    await rotate(key, webhook_id, '', { body: { secret: OWN_SECRET } })
    const before = await secretsOf(app, webhook_id)
    const again = await rotate(key, webhook_id, '', { body: { secret: OWN_SECRET } })
    expectRefused(again, 400, 'secret')
    expect(again.text).not.toContain(OWN_SECRET)
    expect(await secretsOf(app, webhook_id)).toEqual(before)
  })

  it.each([
    ['transition_days', '?transition_days=91'],
    ['transition_days', '?transition_days=-1'],
    ['transition_days', '?transition_days=1.5'],
    ['transition_days', '?transition_days='],
    ['days', '?days=1'],
  ])('%s in %s', async (field, query) => {
    const key = app.key()
    const { webhook_id } = await createWebhook(app, key)
    expectRefused(await rotate(key, webhook_id, query), 422, field)
  })

  it.each<[field: string, status: 400 | 415, options: RequestOptions]>([
    ['secret', 400, { body: { secret: 'too-short' } }],
    ['secret', 400, { body: { secret: 1 } }],
    ['other', 400, { body: { other: 1 } }],
    ['body', 400, { body: [] }],
    ['body', 400, { body: '{' }],
    ['Content-Type', 415, { body: '{}', headers: { 'content-type': 'text/plain' } }],
  ])('%s, with %i: %j', async (field, status, options) => {
    const key = app.key()
    const { webhook_id } = await createWebhook(app, key)
    expectRefused(await rotate(key, webhook_id, '', options), status, field)
    expect(await secretsOf(app, webhook_id)).toHaveLength(1)
  })
})

it('counts the overlap from the rotation on', async () => {
  const own = await testApp()
  const key = own.key()
  const { webhook_id } = await createWebhook(own, key)
  own.clock.advance({ days: 3 })
  const { body } = await callWebhook(own, key, webhook_id, 'POST', '/rotate-secret?transition_days=90')
  expect([body.rotated_at, body.previous_expires_at]).toEqual(['2025-11-24T08:00:00.000000Z', '2026-02-22T08:00:00.000000Z'])
})
