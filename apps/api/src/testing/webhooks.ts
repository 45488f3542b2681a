/** What tests of webhooks share: a valid input, and steps that must succeed. */
import { expect } from 'vitest'
import type { AttemptRecord, DeliveryStatus, NewDelivery } from '../webhook-ports.ts'
import { type Created, createEvent } from './events.ts'
import type { RequestOptions, TestAnswer, TestApp } from './test-app.ts'

export const WEBHOOK_INPUT = { url: 'https://example.com/hook', events: ['*'] }

export interface CreatedWebhook {
  webhook_id: string
  secret?: string
  request_id: string
  [field: string]: unknown
}

export function postWebhook(app: TestApp, key: string, fields: object = {}): Promise<TestAnswer> {
  return app.request('/v1/webhooks', { method: 'POST', key, body: { ...WEBHOOK_INPUT, ...fields } })
}

/** Makes a webhook that is `WEBHOOK_INPUT` but for the given fields. */
export async function createWebhook(app: TestApp, key: string, fields: object = {}): Promise<CreatedWebhook> {
  const answer = await postWebhook(app, key, fields)
  expect(answer.status, answer.text).toBe(201)
  return answer.body
}

/** Calls `/v1/webhooks/{webhook_id}`, or what is below it. */
export function callWebhook(
  app: TestApp,
  key: string,
  webhookId: string,
  method: string,
  below = '',
  options: RequestOptions = {},
): Promise<TestAnswer> {
  return app.request(`/v1/webhooks/${webhookId}${below}`, { method, key, ...options })
}

export function putWebhook(app: TestApp, key: string, webhookId: string, body: unknown): Promise<TestAnswer> {
  return callWebhook(app, key, webhookId, 'PUT', '', { body })
}

/** What the webhook is, without the request id. */
export async function readWebhook(app: TestApp, key: string, webhookId: string) {
  const answer = await callWebhook(app, key, webhookId, 'GET')
  expect(answer.status, answer.text).toBe(200)
  const { request_id: _, ...webhook } = answer.body
  return webhook
}

/** The secrets that are stored, in the clear, the newest first. */
export async function secretsOf(app: TestApp, webhookId: string): Promise<{ secret: string; expiresAtUs: number | null }[]> {
  const webhook = await app.deps.store.getWebhook(webhookId)
  const secrets = webhook?.secrets ?? []
  return Promise.all(
    secrets.map(async ({ sealed, expiresAtUs }) => ({ secret: await app.deps.vault.open(sealed, webhookId), expiresAtUs })),
  )
}

/** Makes deliveries as fan-out does, which moves on with them over an event that nobody asked for. */
export async function storeDeliveries(app: TestApp, deliveries: readonly NewDelivery[]): Promise<void> {
  const { store } = app.deps
  const event = { source: 'a', eventType: 'b', priority: 'normal', metadata: '{"priority":"normal"}', payload: '{}' } as const
  await store.createEvents('elsewhere', [event])
  const { stored, mark } = await store.readOutbox({ limit: 1000, maxBytes: 1e6, interests: new Map() })
  expect(await store.fanOut({ from: stored, to: mark, deliveries })).toBe(true)
}

/** Creates an event, and its delivery to the webhook, which is pending. */
export async function createDelivery(
  app: TestApp,
  key: string,
  webhookId: string,
  fields: object = {},
): Promise<{ event: Created; deliveryId: string }> {
  const event = await createEvent(app, key, fields)
  const delivery = {
    webhookId,
    eventId: event.event_id,
    eventType: 'order.paid',
    dueAtUs: app.clock.nowUs(),
    replayId: null,
    ownEvent: null,
  }
  await storeDeliveries(app, [delivery])
  const answer = await callWebhook(app, key, webhookId, 'GET', '/deliveries?limit=1')
  return { event, deliveryId: answer.body.deliveries[0].delivery_id }
}

/** What an attempt came to: answered with 500, but for the given fields. */
export function attemptWith(fields: Partial<AttemptRecord> = {}): AttemptRecord {
  return {
    attempt: 1,
    startedAtUs: Date.UTC(2025, 10, 21, 8) * 1000,
    durationMs: 12,
    statusCode: 500,
    error: null,
    responseBody: 'no',
    responseTruncated: false,
    retryReason: null,
    ...fields,
  }
}

/** Tries what is due of the webhook, as a worker does; each attempt has that result. */
export async function attemptDue(
  app: TestApp,
  webhookId: string,
  status: DeliveryStatus,
  fields: Partial<AttemptRecord> = {},
): Promise<void> {
  const { store } = app.deps
  const heldUntilUs = app.clock.nowUs() + 30e6
  const { deliveries } = await store.claimDeliveries({ webhookId, replayId: null, limit: 100, maxBytes: 1e6, heldUntilUs, paces: [] })
  expect(deliveries.length).toBeGreaterThan(0)
  const [first, ...others] = deliveries.map(({ deliveryId, attemptCount }) => ({
    deliveryId,
    heldUntilUs,
    attempt: attemptWith({ attempt: attemptCount + 1, ...fields }),
    status,
    dueAtUs: status === 'pending' ? app.clock.nowUs() + 5e6 : null,
    succeeded: status === 'delivered',
    alarms: false,
    ownDeliveries: [],
    recoveredDeliveries: [],
  }))
  if (first === undefined) return
  // The first alone: it may change the webhook's health, and the others would meet that.
  const results = await store.recordAttempts([first])
  results.push(...(await Promise.all(others.map((outcome) => store.recordAttempts([outcome])))).flat())
  expect(results.map(({ outcome }) => outcome)).toEqual(deliveries.map(() => 'recorded'))
}

/** The status of each delivery of the webhook, the newest first. */
export async function statusesOf(app: TestApp, key: string, webhookId: string): Promise<DeliveryStatus[]> {
  const answer = await callWebhook(app, key, webhookId, 'GET', '/deliveries?limit=100')
  expect(answer.status, answer.text).toBe(200)
  return answer.body.deliveries.map(({ status }: { status: DeliveryStatus }) => status)
}

/** The jobs that wait, and takes them. */
export async function takeJobs(app: TestApp) {
  const jobs = await app.deps.queue.receive({ max: 100, visibilityMs: 1000, waitMs: 0 })
  await app.deps.queue.ack(jobs.map(({ receipt }) => receipt))
  return jobs.map(({ job }) => job)
}
