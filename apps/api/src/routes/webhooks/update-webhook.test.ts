import { describe, expect, it } from 'vitest'
import { disableWebhook } from '../../domain/webhooks.ts'
import { SCOPES, StoreUnavailableError } from '../../ports.ts'
import { auditOf } from '../../testing/api-keys.ts'
import { expectRefused } from '../../testing/events.ts'
import { sharedApp, testApp } from '../../testing/test-app.ts'
import {
  callWebhook,
  createDelivery,
  createWebhook,
  putWebhook,
  readWebhook,
  secretsOf,
  statusesOf,
  takeJobs,
} from '../../testing/webhooks.ts'

const app = await sharedApp()

const FULL = {
  events: ['user.*'],
  description: 'The CRM',
  filter: { source: ['shop'] },
  headers: { authorization: 'Bearer t0ps3cret' },
  rate_limit: 50,
  retry: 'short',
  payload_format: 'standard',
}

const headersOf = async (webhookId: string) => {
  const sealed = (await app.deps.store.getWebhook(webhookId))?.headers?.sealed
  return sealed === undefined ? null : JSON.parse(await app.deps.vault.open(sealed, webhookId))
}

describe('changing a webhook', () => {
  it.each([
    ['url', 'https://example.com/other?x=1', 'https://example.com/other?x=1'],
    ['events', ['a.b', ' * ', 'a.b'], ['a.b', '*']],
    ['description', 'Other', 'Other'],
    ['description', null, null],
    ['filter', { priority: ['high'] }, { priority: ['high'] }],
    ['filter', null, null],
    ['rate_limit', 7, 7],
    ['rate_limit', null, null],
    ['retry', 'standard', 'standard'],
    ['payload_format', 'event', 'event'],
  ])('changes %s to %j, and nothing else', async (field, given, read) => {
    const own = await testApp()
    const key = own.key()
    const { webhook_id } = await createWebhook(own, key, FULL)
    const before = await readWebhook(own, key, webhook_id)
    own.clock.advance({ seconds: 1 })
    const answer = await putWebhook(own, key, webhook_id, { [field]: given })
    expect(answer.status, answer.text).toBe(200)
    const { request_id: _, ...after } = answer.body
    expect(after).toEqual({ ...before, [field]: read, updated_at: '2025-11-21T08:00:01.000000Z' })
    expect(await readWebhook(own, key, webhook_id)).toEqual(after)
  })

  it('replaces all headers', async () => {
    const key = app.key()
    const { webhook_id } = await createWebhook(app, key, FULL)
    const answer = await putWebhook(app, key, webhook_id, { headers: { 'X-A': '1', 'x-b': '2' } })
    expect(answer.body.header_names).toEqual(['x-a', 'x-b'])
    expect(await headersOf(webhook_id)).toEqual({ 'x-a': '1', 'x-b': '2' })
    expect((await putWebhook(app, key, webhook_id, { header_names: [] })).body.header_names).toEqual(['x-a', 'x-b'])
    expect((await putWebhook(app, key, webhook_id, { headers: null })).body.header_names).toEqual([])
    expect(await headersOf(webhook_id)).toBeNull()
  })

  it('takes a new secret at once, without an overlap, also in a rotation', async () => {
    const key = app.key()
    const { webhook_id } = await createWebhook(app, key)
    await callWebhook(app, key, webhook_id, 'POST', '/rotate-secret?transition_days=90')
    const answer = await putWebhook(app, key, webhook_id, { secret: 'my own secret, 0123456789' })
    expect(answer.body).not.toHaveProperty('secret')
    expect(await secretsOf(app, webhook_id)).toEqual([{ secret: 'my own secret, 0123456789', expiresAtUs: null }])
  })

  it('ends the overlap when the secret that is in use is sent', async () => {
    const key = app.key()
    const { webhook_id } = await createWebhook(app, key)
    const { secret } = (await callWebhook(app, key, webhook_id, 'POST', '/rotate-secret')).body
    await putWebhook(app, key, webhook_id, { secret })
    expect(await secretsOf(app, webhook_id)).toEqual([{ secret, expiresAtUs: null }])
  })

  it('takes back a webhook as it was read, and changes what was changed in it', async () => {
    const key = app.key()
    const { webhook_id } = await createWebhook(app, key, FULL)
    const read = (await callWebhook(app, key, webhook_id, 'GET')).body
    const answer = await putWebhook(app, key, webhook_id, { ...read, description: 'Renamed' })
    expect(answer.status, answer.text).toBe(200)
    expect({ ...answer.body, request_id: '' }).toEqual({ ...read, description: 'Renamed', request_id: '' })
    expect((await auditOf(app, key))[0].changes).toEqual({ description: { from: 'The CRM', to: 'Renamed' } })
    expect(await headersOf(webhook_id)).toEqual(FULL.headers)
  })

  it('takes back the answer of its making, generated secret and all', async () => {
    const key = app.key()
    const created = await createWebhook(app, key, FULL)
    expect((await putWebhook(app, key, created.webhook_id, created)).status).toBe(200)
    expect(await secretsOf(app, created.webhook_id)).toEqual([{ secret: created.secret, expiresAtUs: null }])
    expect(await auditOf(app, key)).toHaveLength(1)
  })

  it('ignores whatever stands in read-only fields', async () => {
    const key = app.key()
    const { webhook_id } = await createWebhook(app, key, FULL)
    const before = await readWebhook(app, key, webhook_id)
    const others = {
      webhook_id: 'other',
      header_names: { a: 1 },
      created_at: {},
      updated_at: 0,
      disabled_at: '2025-01-01',
      disabled_reason: 'gone',
      request_id: null,
    }
    expect((await putWebhook(app, key, webhook_id, others)).status).toBe(200)
    expect(await readWebhook(app, key, webhook_id)).toEqual(before)
  })

  it('writes nothing when nothing changes', async () => {
    const key = app.key()
    const secret = 'my own secret, 0123456789'
    const { webhook_id } = await createWebhook(app, key, { ...FULL, secret })
    const same = [{}, FULL, { secret }, { secret: null }, { is_active: true }, { url: 'https://example.com/hook#x' }]
    for (const body of same) expect((await putWebhook(app, key, webhook_id, body)).status).toBe(200)
    expect((await app.deps.store.getWebhook(webhook_id))?.revision).toBe(1)
    expect(await auditOf(app, key)).toHaveLength(1)
  })

  it('keeps an address that was allowed when it was set, as long as it is not another', async () => {
    const key = app.key()
    const { webhook_id } = await createWebhook(app, key)
    const webhook = await app.deps.store.getWebhook(webhook_id)
    if (webhook === undefined) throw new Error('The webhook is missing.')
    const { createdAtUs: _, failingSinceUs: __, alarmedAtUs: ___, ...record } = webhook
    await app.deps.store.saveWebhook({ ...record, url: 'https://private.test/hook' }, { audit: null })
    expect((await putWebhook(app, key, webhook_id, { url: 'https://private.test/hook', description: 'x' })).status).toBe(200)
    expectRefused(await putWebhook(app, key, webhook_id, { url: 'https://private.test/other' }), 400, 'url')
  })

  it('is told to the audit log: what was, what is, who; without secrets', async () => {
    const key = app.key(SCOPES, 'audited', { keyId: 'key_changer' })
    const { webhook_id } = await createWebhook(app, key, { ...FULL, url: 'https://example.com/hook?token=first' })
    await putWebhook(app, key, webhook_id, {
      url: 'https://example.com/hook?token=second',
      events: ['*'],
      headers: { authorization: 'Bearer 0ther' },
      secret: 'my own secret, 0123456789',
      rate_limit: null,
    })
    const [entry] = await auditOf(app, key)
    expect(entry).toMatchObject({
      action: 'webhook.updated',
      actor: { type: 'api_key', key_id: 'key_changer' },
      target: { type: 'webhook', id: webhook_id },
    })
    expect(entry.changes).toEqual({
      events: { from: ['user.*'], to: ['*'] },
      rate_limit: { from: 50, to: null },
      url_query_changed: { from: false, to: true },
      header_values_changed: { from: false, to: true },
      secret_changed: { from: false, to: true },
    })
  })
})

describe('switching a webhook off', () => {
  it('says when and why, and holds what is pending', async () => {
    const key = app.key()
    const { webhook_id } = await createWebhook(app, key)
    await createDelivery(app, key, webhook_id)
    await createDelivery(app, key, webhook_id)
    await takeJobs(app)
    expect((await putWebhook(app, key, webhook_id, { is_active: false })).body).toMatchObject({
      is_active: false,
      disabled_at: '2025-11-21T08:00:00.000000Z',
      disabled_reason: 'manual',
    })
    expect(await statusesOf(app, key, webhook_id)).toEqual(['held', 'held'])
    // A worker finishes it, had this process died meanwhile.
    expect(await takeJobs(app)).toEqual([{ type: 'deliver', webhookId: webhook_id, replayId: null }])
    expect((await auditOf(app, key))[0].changes).toEqual({
      is_active: { from: true, to: false },
      disabled_reason: { from: null, to: 'manual' },
    })
  })

  it('is answered, and left to a worker, when the store goes away after it', async () => {
    const away = () => Promise.reject(new StoreUnavailableError('away'))
    const own = await testApp({}, (store) => Object.assign(Object.create(store), { moveDeliveries: away }))
    const key = own.key()
    const { webhook_id } = await createWebhook(own, key)
    await createDelivery(own, key, webhook_id)
    expect((await putWebhook(own, key, webhook_id, { is_active: false })).status).toBe(200)
    expect(await statusesOf(own, key, webhook_id)).toEqual(['pending'])
    expect(await takeJobs(own)).toEqual([{ type: 'deliver', webhookId: webhook_id, replayId: null }])
  })

  it('does not change what it was switched off for, and on clears it', async () => {
    const own = await testApp()
    const key = own.key()
    const { webhook_id } = await createWebhook(own, key)
    await disableWebhook(own.deps, webhook_id, 'gone')
    const off = await readWebhook(own, key, webhook_id)
    own.clock.advance({ seconds: 1 })
    expect((await putWebhook(own, key, webhook_id, { is_active: false })).body).toMatchObject(off)
    expect((await putWebhook(own, key, webhook_id, { is_active: true })).body).toMatchObject({
      is_active: true,
      disabled_at: null,
      disabled_reason: null,
    })
  })
})

describe('changing a webhook refuses', () => {
  it.each([
    ['url', { url: 'https://private.test' }],
    ['url', { url: null }],
    ['events', { events: [] }],
    ['events', { events: null }],
    ['secret', { secret: 'short' }],
    ['is_active', { is_active: 'no' }],
    ['headers.host', { headers: { host: 'x' } }],
    ['rate_limit', { rate_limit: 0 }],
    ['filter.colour', { filter: { colour: 'red' } }],
    ['retry', { retry: null }],
    ['colour', { colour: 'red' }],
  ])('%s: %j', async (field, body) => {
    const key = app.key()
    const { webhook_id } = await createWebhook(app, key)
    expectRefused(await putWebhook(app, key, webhook_id, body), 400, field)
  })

  it('a webhook that is gone, and an id of another form', async () => {
    const key = app.key()
    const { webhook_id } = await createWebhook(app, key)
    await callWebhook(app, key, webhook_id, 'DELETE')
    expect((await putWebhook(app, key, webhook_id, { rate_limit: 1 })).status).toBe(404)
    expectRefused(await putWebhook(app, key, webhook_id.toUpperCase(), {}), 422, 'webhook_id')
  })
})

it('keeps every change when many come at the same time', async () => {
  const key = app.key()
  const { webhook_id } = await createWebhook(app, key)
  const changes = [{ rate_limit: 3 }, { retry: 'short' }, { description: 'x' }, { events: ['a.*'] }, { payload_format: 'standard' }]
  const answers = await Promise.all(changes.map((body) => putWebhook(app, key, webhook_id, body)))
  expect(answers.map(({ status }) => status)).toEqual(changes.map(() => 200))
  expect(await readWebhook(app, key, webhook_id)).toMatchObject(Object.assign({}, ...changes))
  expect((await app.deps.store.getWebhook(webhook_id))?.revision).toBe(6)
})
