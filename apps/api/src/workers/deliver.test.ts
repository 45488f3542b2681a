import { Webhook } from 'standardwebhooks'
import { describe, expect, it } from 'vitest'
import { newWebhookSecret } from '../domain/webhook-signing.ts'
import type { ReceivedRequest } from '../testing/receiver.ts'
import { receivedBy, spelled, TEST_AUDIT, testWorkers } from '../testing/webhook-workers.ts'

/** What the library of Standard Webhooks reads from the request; it throws unless the signature is right. */
function verified(secret: string, request: ReceivedRequest | undefined): unknown {
  const headers = Object.entries(request?.headers ?? {}).map(([name, value]) => [name, String(value)])
  return new Webhook(secret).verify(request?.body.toString() ?? '', Object.fromEntries(headers))
}

describe('what is sent', () => {
  it('each event, to each webhook that it matches', async () => {
    const workers = await testWorkers()
    const receiver = await workers.receiver()
    const webhooks = await Promise.all([1, 2, 3].map((n) => workers.addWebhook({ url: `${receiver.url}/${n}` })))
    const other = await workers.addWebhook({ url: receiver.url, events: ['user.*'] })
    workers.start()
    const events = await workers.createEvents(100)
    for (const { webhookId } of webhooks) {
      await workers.waitForStatus(webhookId, 'delivered', 100)
      expect(receivedBy(receiver, webhookId).sort()).toEqual(spelled(events).sort())
    }
    expect(await workers.deliveriesOf(other.webhookId)).toEqual([])
  })

  it('is signed so that the library of Standard Webhooks accepts it', async () => {
    const workers = await testWorkers()
    const receiver = await workers.receiver()
    const secret = newWebhookSecret()
    await workers.addWebhook({ url: receiver.url, secret })
    workers.start()
    const [eventId] = await workers.createEvents(1, { payload: '{"total":12.50}' })
    await receiver.waitFor(1)
    expect(verified(secret, receiver.requests[0])).toMatchObject({ event_id: eventId })
    expect(receiver.requests[0]?.body.toString()).toContain('"payload":{"total":12.50}')
  })

  it('carries the same id on a retry, with a fresh time and signature', async () => {
    const workers = await testWorkers()
    const receiver = await workers.receiver((_, n) => ({ status: n === 1 ? 500 : 200 }))
    const secret = newWebhookSecret()
    const { webhookId } = await workers.addWebhook({ url: receiver.url, secret, retry: 'short' })
    workers.start()
    await workers.createEvents(1)
    await receiver.waitFor(2)
    const [first, second] = receiver.requests
    expect(second?.headers['webhook-id']).toBe(first?.headers['webhook-id'])
    expect(Number(second?.headers['webhook-timestamp'])).toBeGreaterThan(Number(first?.headers['webhook-timestamp']))
    expect(verified(secret, first)).toEqual(verified(secret, second))
    await workers.waitForStatus(webhookId, 'delivered', 1)
    const [delivery] = await workers.deliveriesOf(webhookId)
    expect(delivery?.attempts.map(({ statusCode, retryReason }) => [statusCode, retryReason])).toEqual([
      [500, 'status_500'],
      [200, null],
    ])
  })
})

describe('a webhook that changes while deliveries wait', () => {
  it('signs with the secrets that it has when it is sent', async () => {
    const workers = await testWorkers()
    const receiver = await workers.receiver((_, n) => ({ status: n === 1 ? 500 : 200 }))
    const [before, after] = [newWebhookSecret(), newWebhookSecret()]
    const { webhookId } = await workers.addWebhook({ url: receiver.url, secret: before, retry: 'short' })
    workers.start()
    await workers.createEvents(1)
    await workers.waitForAttempts(webhookId, 1)
    await workers.changeWebhook(webhookId, { secrets: [{ sealed: await workers.vault.seal(after, webhookId), expiresAtUs: null }] })
    await receiver.waitFor(2)
    const [first, second] = receiver.requests
    expect(verified(before, first)).toEqual(verified(after, second))
    expect(() => verified(before, second)).toThrow()
  })

  it('gets nothing more when it is deleted: its deliveries are cancelled', async () => {
    const workers = await testWorkers()
    const receiver = await workers.receiver(() => ({ status: 500 }))
    const { webhookId } = await workers.addWebhook({ url: receiver.url, retry: 'short' })
    workers.start()
    await workers.createEvents(3)
    await workers.waitForAttempts(webhookId, 3)
    expect(await workers.store.deleteWebhook(webhookId, TEST_AUDIT)).toBe(true)
    await workers.waitForStatus(webhookId, 'cancelled', 3)
    expect(receiver.requests.length).toBe(3)
  })

  it('gets nothing more when it is switched off: its deliveries are held', async () => {
    const workers = await testWorkers()
    const receiver = await workers.receiver(() => ({ status: 500 }))
    const { webhookId } = await workers.addWebhook({ url: receiver.url, retry: 'short' })
    workers.start()
    await workers.createEvents(3)
    await workers.waitForAttempts(webhookId, 3)
    await workers.changeWebhook(webhookId, { isActive: false, disabledReason: 'manual', disabledAtUs: workers.clock.nowUs() })
    await workers.waitForStatus(webhookId, 'held', 3)
    expect(receiver.requests.length).toBe(3)
  })

  it('is not sent to while its secret cannot be opened, and nothing is lost', async () => {
    const claimed: string[] = []
    const workers = await testWorkers({
      wrapStore: (store) => ({
        ...store,
        claimDeliveries: async (query) => {
          const claim = await store.claimDeliveries(query)
          claimed.push(...claim.deliveries.map(() => query.webhookId))
          return claim
        },
      }),
    })
    const receiver = await workers.receiver()
    const damaged = await workers.addWebhook({ url: receiver.url, secrets: [{ sealed: 'AQAAAAEdamaged', expiresAtUs: null }] })
    const sound = await workers.addWebhook({ url: receiver.url })
    workers.start()
    await workers.createEvents(20)
    await workers.waitForStatus(sound.webhookId, 'delivered', 20)
    const isLogged = () => workers.lines.filter((line) => line.includes(damaged.webhookId) && line.includes('cannot be opened'))
    await expect.poll(isLogged, { timeout: 20_000 }).toHaveLength(1)
    expect(receivedBy(receiver, damaged.webhookId)).toEqual([])
    expect(claimed.filter((webhookId) => webhookId === damaged.webhookId).length).toBeLessThanOrEqual(4)
    expect((await workers.deliveriesOf(damaged.webhookId)).map(({ status }) => status)).toEqual(Array(20).fill('pending'))
  })
})

describe('secrets', () => {
  it('are in no line of the log', async () => {
    const workers = await testWorkers()
    const receiver = await workers.receiver((_, n) => (n % 2 === 0 ? 'reset' : { status: 500 }))
    const secret = newWebhookSecret()
    const { webhookId } = await workers.addWebhook({ url: `${receiver.url}/?key=query-secret`, secret, retry: 'short' })
    workers.start()
    await workers.createEvents(4)
    await workers.waitForAttempts(webhookId, 4)
    await workers.changeWebhook(webhookId, { secrets: [{ sealed: 'AQAAAAEsealed-text', expiresAtUs: null }] })
    await expect.poll(() => workers.lines.length, { timeout: 20_000 }).toBeGreaterThan(0)
    const shown = workers.lines.join()
    for (const part of [secret, secret.slice('whsec_'.length), 'query-secret', 'sealed-text']) expect(shown).not.toContain(part)
  })
})
