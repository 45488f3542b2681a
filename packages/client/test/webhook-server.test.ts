/** Webhooks of the real server: every call, and deliveries that arrive at a receiver made of `webhookHandler`. */
import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import {
  ConflictError,
  NotFoundError,
  Triggers,
  ValidationError,
  type WebhookEvent,
  type WebhookInput,
  webhookHandler,
} from '../src/index.ts'
import { startServer, type TestServer } from './server.ts'

let server: TestServer
let triggers: Triggers

beforeAll(async () => {
  server = await startServer()
  triggers = new Triggers({ apiKey: server.apiKey, baseUrl: server.url })
})
afterAll(() => server.stop())

async function serve(listener: RequestListener): Promise<string> {
  const receiver = createServer(listener).listen(0, '127.0.0.1')
  await once(receiver, 'listening')
  onTestFinished(() => {
    receiver.closeAllConnections()
    receiver.close()
  })
  return `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hooks`
}

/** A webhook that goes with its test. */
async function createWebhook(input: WebhookInput) {
  const webhook = await triggers.webhooks.create(input)
  onTestFinished(() => triggers.webhooks.delete(webhook.webhook_id).catch(() => {}))
  return webhook
}

const order = (event_type: string, number = 1) => ({ source: 'shop', event_type, payload: { order: number } })

/** What handlers are called with, for tests to wait for. */
function inbox<T>() {
  const items: T[] = []
  let wake = () => {}
  return {
    items,
    put: (item: T) => {
      items.push(item)
      wake()
    },
    async holds(count: number): Promise<T[]> {
      while (items.length < count) {
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
      return items
    },
  }
}

describe('a webhook', () => {
  it('is made, read, listed, changed and deleted', async () => {
    const created = await createWebhook({
      url: 'https://example.com/hooks',
      events: ['nothing.*'],
      description: 'The CRM',
      filter: { source: ['shop'], payload: [{ path: '$.order', op: 'range', value: { gte: 1 } }] },
      headers: { 'x-tenant': 'acme' },
      rate_limit: 50,
      retry: 'short',
      payload_format: undefined,
    })
    const { webhook_id: id, secret, ...rest } = created
    expect(secret).toMatch(/^whsec_/)
    expect(rest).toMatchObject({ is_active: true, description: 'The CRM', header_names: ['x-tenant'], payload_format: 'event' })
    const read = await triggers.webhooks.get(id)
    expect(read).toMatchObject({ webhook_id: id, filter: { source: ['shop'] } })
    expect(read).not.toHaveProperty('secret')

    const changed = await triggers.webhooks.update(id, { ...read, is_active: false, description: null })
    expect(changed).toMatchObject({ is_active: false, description: null, disabled_reason: 'manual', rate_limit: 50 })
    const inactive: string[] = []
    for await (const { webhook_id } of triggers.webhooks.list({ is_active: false, limit: 1 })) inactive.push(webhook_id)
    expect(inactive).toEqual([id])

    expect(await triggers.webhooks.delete(id).withResponse()).toMatchObject({ data: undefined, status: 204 })
    await expect(triggers.webhooks.get(id)).rejects.toThrow(NotFoundError)
    await expect(triggers.webhooks.delete(id)).rejects.toThrow(NotFoundError)
    await expect(triggers.webhooks.create({ url: 'https://example.com', events: [] })).rejects.toThrow(ValidationError)
  })
})

describe('deliveries of the server', { timeout: 20_000 }, () => {
  it.each(['event', 'standard'] as const)('arrive verified and typed, in the payload format %s', async (payload_format) => {
    const got = inbox<[event: WebhookEvent<{ order: number }>, messageId: string]>()
    const webhook = webhookHandler<{ 'order.placed': { order: number } }>({
      secret: () => secret,
      on: { 'order.placed': (event, { messageId }) => got.put([event, messageId]) },
    })
    const created = await createWebhook({ url: await serve(webhook.node), events: ['order.*'], payload_format })
    const secret = created.secret ?? ''
    const { event_id } = await triggers.events.create(order('order.placed', 1042))
    const [[event, messageId] = []] = await got.holds(1)
    expect(event).toEqual({ ...(await triggers.events.get(event_id)), request_id: undefined })
    expect(messageId).toBe(`msg_${event_id.replaceAll('-', '')}`)
    expect(await triggers.webhooks.test(created.webhook_id)).toMatchObject({ status: 'success', status_code: 204 })
  })

  it('go on arriving while the secret is rotated, with the old and with the new one', async () => {
    const got = inbox<string>()
    let secrets: string[] = []
    const webhook = webhookHandler({ secret: () => secrets, on: { '*': ({ event_id }) => got.put(event_id) } })
    const { webhook_id, secret } = await createWebhook({ url: await serve(webhook.node), events: ['rotated'], retry: 'short' })
    const rotated = await triggers.webhooks.rotateSecret(webhook_id, { transition_days: 1 })
    for (const [index, one] of [secret ?? '', rotated.secret].entries()) {
      secrets = [one]
      await triggers.events.create(order('rotated'))
      await got.holds(index + 1)
    }
    const chosen = await triggers.webhooks.rotateSecret(webhook_id, { transition_days: 0, secret: 'a secret of our own' })
    expect(chosen.secret).toBe('a secret of our own')
    secrets = [chosen.secret]
    await triggers.events.create(order('rotated'))
    await got.holds(3)
  })

  it('that fail come again with the same id, are traced, and say what the receiver answered', async () => {
    const ids = inbox<string>()
    const webhook = webhookHandler({
      secret: 'a secret of the test',
      seen: new Set(),
      onError: () => {},
      on: {
        '*': (_, { messageId }) => {
          ids.put(messageId)
          if (ids.items.length === 1) throw new Error('not yet')
        },
      },
    })
    const { webhook_id } = await createWebhook({
      url: await serve(webhook.node),
      events: ['failing'],
      retry: 'short',
      secret: 'a secret of the test',
    })
    const { event_id } = await triggers.events.create(order('failing'))
    const [first, second] = await ids.holds(2)
    expect(second).toBe(first)
    const [delivery] = await eventually(
      async () => (await triggers.events.deliveries(event_id)).data,
      ([found]) => found?.status === 'delivered',
    )
    expect(delivery).toMatchObject({ webhook_id, attempt_count: 2 })
    expect(delivery?.attempts.map(({ status_code, response_body }) => [status_code, response_body])).toEqual([
      [500, 'The receiver failed.'],
      [204, ''],
    ])
    const { webhooks } = await triggers.events.trace(event_id)
    const traced = webhooks.find((webhook) => webhook.webhook_id === webhook_id)
    expect(traced).toMatchObject({ matched: true, reason: 'matched', deliveries: [{ delivery_id: delivery?.delivery_id }] })

    const id = delivery?.delivery_id ?? ''
    expect(await triggers.deliveries.retry(id)).toMatchObject({ delivery_id: id })
    const retried = await eventually(
      () => triggers.deliveries.get(id),
      ({ attempt_count, status }) => attempt_count === 3 && status === 'delivered',
    )
    expect(retried.webhook_id).toBe(webhook_id)
    const statuses: string[] = []
    for await (const { status } of triggers.webhooks.deliveries(webhook_id, { limit: 1 })) statuses.push(status)
    expect(statuses).toEqual(['delivered'])
    // It was seen: the receiver has passed over the retry.
    expect(ids.items).toHaveLength(2)
  })
})

describe('a replay', { timeout: 20_000 }, () => {
  it('sends what was missed, says how far it is, and has ended', async () => {
    const got = inbox<number>()
    const webhook = webhookHandler<{ missed: { order: number } }>({
      secret: 'a secret of the test',
      on: { missed: ({ payload }) => got.put(payload.order) },
    })
    const since = (await triggers.events.get((await triggers.events.create(order('missed', 1))).event_id)).created_at
    await triggers.events.create(order('missed', 2))
    const { webhook_id } = await createWebhook({
      url: await serve(webhook.node),
      events: ['missed'],
      secret: 'a secret of the test',
    })
    expect(await triggers.webhooks.replay(webhook_id, { since, dry_run: true })).toMatchObject({ matched: 2 })
    const started = await triggers.webhooks.replay(webhook_id, { since, rate: 1000 })
    const looks: number[] = []
    const ended = await triggers.replays.wait(started.replay_id, { intervalMs: 20, onProgress: ({ delivered }) => looks.push(delivered) })
    expect(ended).toMatchObject({ status: 'completed', matched: 2, delivered: 2, dead: 0 })
    expect(looks.at(-1)).toBe(2)
    expect([...got.items].sort()).toEqual([1, 2])
    expect((await triggers.webhooks.replays(webhook_id)).data.map(({ replay_id }) => replay_id)).toEqual([started.replay_id])
    await expect(triggers.replays.cancel(started.replay_id)).rejects.toThrow(ConflictError)
  })

  it('can be cancelled', async () => {
    const url = await serve((_, response) => response.writeHead(500).end())
    const { webhook_id } = await createWebhook({ url, events: ['order.*', 'missed'] })
    const { replay_id } = await triggers.webhooks.replay(webhook_id, { since: '2020-01-01', rate: 1 })
    expect(await triggers.replays.cancel(replay_id)).toMatchObject({ replay_id, status: 'cancelled' })
    expect((await triggers.replays.wait(replay_id)).status).toBe('cancelled')
    expect((await triggers.replays.get(replay_id)).completed_at).toEqual(expect.any(String))
  })
})

/** Reads until it is so; the test's own timeout ends it otherwise. */
async function eventually<T>(read: () => PromiseLike<T>, isSo: (value: T) => boolean): Promise<T> {
  for (;;) {
    const value = await read()
    if (isSo(value)) return value
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
