import { Webhook } from 'standardwebhooks'
import { afterAll, describe, expect, it } from 'vitest'
import { type Reply, startReceiver } from '../../testing/receiver.ts'
import { sharedApp } from '../../testing/test-app.ts'
import { callWebhook, createWebhook, statusesOf } from '../../testing/webhooks.ts'

const app = await sharedApp({ WEBHOOK_TIMEOUT_MS: '1000' })
const replies = new Map<string, Reply>()
const receiver = await startReceiver({ respond: ({ path }) => replies.get(path) ?? { status: 204 } })
afterAll(() => receiver.close())

let paths = 0

/** A webhook whose receiver answers so, and what a test of it is answered with. */
async function testWith(reply: Reply, fields: object = {}) {
  const path = `/hook-${paths++}`
  replies.set(path, reply)
  const key = app.key()
  const { webhook_id, secret = '' } = await createWebhook(app, key, { url: receiver.url + path, ...fields })
  const answer = await callWebhook(app, key, webhook_id, 'POST', '/test')
  expect(answer.status, answer.text).toBe(200)
  const { request_id: _, ...result } = answer.body
  return { key, webhook_id, secret, result, sent: receiver.requests.filter((request) => request.path === path) }
}

describe('testing a webhook', () => {
  it('sends an event of source test, signed, with its own headers', async () => {
    const { webhook_id, secret, result, sent } = await testWith({ status: 200 }, { headers: { 'x-tenant': 'acme' } })
    expect(result).toEqual({ webhook_id, status: 'success', status_code: 200, response_body: '', message: 'The receiver answered 200.' })
    const [request] = sent
    expect(sent).toHaveLength(1)
    expect(request?.method).toBe('POST')
    expect(request?.headers).toMatchObject({ 'x-tenant': 'acme', 'x-webhook-id': webhook_id, 'content-type': 'application/json' })
    expect(JSON.parse(String(request?.body))).toEqual({
      event_id: expect.any(String),
      created_at: '2025-11-21T08:00:00.000000Z',
      source: 'test',
      event_type: 'webhook.test',
      payload: { webhook_id, message: expect.any(String) },
      status: 'pending',
      metadata: { priority: 'normal' },
      acknowledged_at: null,
    })
    const signer = new Webhook(secret)
    const at = new Date(Number(request?.headers['webhook-timestamp']) * 1000)
    expect(request?.headers['webhook-signature']).toBe(signer.sign(String(request?.headers['webhook-id']), at, String(request?.body)))
  })

  it('stores nothing: no event, no delivery', async () => {
    const { key, webhook_id } = await testWith({ status: 200 })
    expect(await statusesOf(app, key, webhook_id)).toEqual([])
    for (const path of ['/v1/events', '/v1/inbox']) expect((await app.request(path, { key })).body.events).toEqual([])
  })

  it('works for one that is not active, or asks for other events', async () => {
    const { result } = await testWith({ status: 204 }, { is_active: false, events: ['order.paid'], payload_format: 'standard' })
    expect(result).toMatchObject({ status: 'success', status_code: 204 })
  })

  it.each([
    [500, 'The receiver answered 500.'],
    [410, 'The receiver answered 410.'],
    [302, 'The receiver answered 302; redirects are not followed.'],
  ])('says that a receiver answered %i, and leaves the webhook active', async (status, message) => {
    const { key, webhook_id, result, sent } = await testWith({ status, headers: { location: '/elsewhere' }, body: 'wrong secret' })
    expect(result).toEqual({ webhook_id, status: 'failed', status_code: status, response_body: 'wrong secret', message })
    expect(sent).toHaveLength(1)
    expect((await callWebhook(app, key, webhook_id, 'GET')).body.is_active).toBe(true)
  })

  it.each<Reply>(['reset', 'hang', 'bad-status'])('says that nothing was answered: %s', async (reply) => {
    const { webhook_id, result } = await testWith(reply)
    const message = expect.stringMatching(/127\.0\.0\.1:\d+ .*\.$/)
    expect(result).toEqual({ webhook_id, status: 'failed', status_code: null, response_body: null, message })
  })

  it('does not connect to what was refused since', async () => {
    const key = app.key()
    const { webhook_id } = await createWebhook(app, key)
    const webhook = await app.deps.store.getWebhook(webhook_id)
    if (webhook === undefined) throw new Error('The webhook is missing.')
    const { createdAtUs: _, failingSinceUs: __, alarmedAtUs: ___, ...record } = webhook
    await app.deps.store.saveWebhook({ ...record, url: 'https://private.test/hook' }, { audit: null })
    const { body } = await callWebhook(app, key, webhook_id, 'POST', '/test')
    expect(body).toMatchObject({ status: 'failed', status_code: null })
    expect(body.message).not.toContain('10.0.0.7')
  })

  it('sends as the webhook is after a change', async () => {
    const { key, webhook_id } = await testWith({ status: 200 })
    await callWebhook(app, key, webhook_id, 'PUT', '', { body: { url: `${receiver.url}/moved`, secret: 'my own secret, 0123456789' } })
    await callWebhook(app, key, webhook_id, 'POST', '/test', { body: 'null' })
    expect(receiver.requests.filter(({ path }) => path === '/moved')).toHaveLength(1)
  })
})
