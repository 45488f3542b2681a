import { describe, expect, it } from 'vitest'
import { storedWebhook } from '../testing/webhook-records.ts'
import type { SendResult } from '../webhook-ports.ts'
import { deliveryDead, ownDeliveries, ownEvent, webhookDisabled, webhookRecovered } from './own-events.ts'

const NOW_US = Date.UTC(2025, 10, 21, 8) * 1000
const DEAD = {
  deliveryId: '01932d5e-0000-7000-8000-00000000000d',
  webhookId: '01932d5e-0000-7000-8000-000000000001',
  eventId: '01932d5e-7c1a-7b44-9d0a-5f3e2b1c4d6e',
  eventType: 'order.paid',
  attemptCount: 9,
}
const REFUSED: SendResult = { outcome: 'failed', error: 'connection_refused', message: 'why', durationMs: 1 }

describe('ownEvent', () => {
  it('is an event of the source triggers', () => {
    const event = ownEvent('triggers.webhook.recovered', { webhook_id: 'x' }, NOW_US)
    expect(event).toEqual({
      eventId: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/),
      createdAtUs: NOW_US,
      source: 'triggers',
      eventType: 'triggers.webhook.recovered',
      payload: '{"webhook_id":"x"}',
      status: 'pending',
      metadata: '{"priority":"normal"}',
      acknowledgedAtUs: null,
    })
  })
})

describe('ownDeliveries', () => {
  const event = ownEvent('triggers.webhook.disabled', { reason: 'gone' }, NOW_US)
  const idsOf = (webhooks: Parameters<typeof ownDeliveries>[1], except?: string) =>
    ownDeliveries(event, webhooks, except).map(({ webhookId }) => webhookId)

  it('go to active webhooks that ask for them', () => {
    const webhooks = [
      storedWebhook({ webhookId: 'all', events: ['*'] }),
      storedWebhook({ webhookId: 'own', events: ['triggers.*'] }),
      storedWebhook({ webhookId: 'both', events: ['*', 'triggers.*'] }),
      storedWebhook({ webhookId: 'type', events: ['triggers.webhook.disabled'] }),
      storedWebhook({ webhookId: 'other type', events: ['triggers.delivery.*'] }),
      storedWebhook({ webhookId: 'inactive', events: ['triggers.*'], isActive: false }),
      storedWebhook({ webhookId: 'filtered out', events: ['triggers.*'], filter: { source: ['shop'] } }),
      storedWebhook({
        webhookId: 'filtered in',
        events: ['triggers.*'],
        filter: { payload: [{ path: '$.reason', op: 'equals', value: 'gone' }] },
      }),
    ]
    expect(idsOf(webhooks)).toEqual(['own', 'both', 'type', 'filtered in'])
    expect(idsOf(webhooks, 'own')).toEqual(['both', 'type', 'filtered in'])
    expect(idsOf([])).toEqual([])
  })

  it('carry the event, and are due at once', () => {
    expect(ownDeliveries(event, [storedWebhook({ webhookId: 'own', events: ['triggers.*'] })])).toEqual([
      {
        webhookId: 'own',
        eventId: event.eventId,
        eventType: 'triggers.webhook.disabled',
        dueAtUs: NOW_US,
        replayId: null,
        ownEvent: event,
      },
    ])
  })
})

describe('what they say', () => {
  const webhook = { webhookId: 'w-1', url: 'https://ada:secret@example.com:8443/hook/a%20b?token=secret#secret' }
  const payloadOf = (event: { payload: string } | undefined) => JSON.parse(event?.payload ?? 'null')
  const url = 'https://example.com:8443/hook/a%20b'

  it('a webhook was disabled: which, why, and until when its deliveries are held', () => {
    const event = webhookDisabled(webhook, 'failing', NOW_US, NOW_US + 7 * 86_400e6)
    expect([event.eventType, event.createdAtUs, payloadOf(event)]).toEqual([
      'triggers.webhook.disabled',
      NOW_US,
      {
        webhook_id: 'w-1',
        url,
        reason: 'failing',
        disabled_at: '2025-11-21T08:00:00.000000Z',
        deliveries_held_until: '2025-11-28T08:00:00.000000Z',
      },
    ])
  })

  it('a webhook has recovered', () => {
    const event = webhookRecovered(webhook, NOW_US)
    expect([event.eventType, payloadOf(event)]).toEqual([
      'triggers.webhook.recovered',
      { webhook_id: 'w-1', url, recovered_at: '2025-11-21T08:00:00.000000Z' },
    ])
  })

  it('a delivery is dead: which, and how its last attempt failed', () => {
    const event = deliveryDead(DEAD, REFUSED, NOW_US)
    expect(event?.eventType).toBe('triggers.delivery.dead')
    expect(payloadOf(event)).toEqual({
      delivery_id: DEAD.deliveryId,
      webhook_id: DEAD.webhookId,
      event_id: DEAD.eventId,
      event_type: 'order.paid',
      attempt_count: 9,
      last_status_code: null,
      last_error: 'connection_refused',
    })
    const answer: SendResult = { outcome: 'answered', statusCode: 503, retryAfter: null, body: 'secret', isTruncated: false, durationMs: 1 }
    expect(payloadOf(deliveryDead(DEAD, answer, NOW_US))).toMatchObject({ last_status_code: 503, last_error: null })
  })

  it('nothing of a delivery that was one of them itself', () => {
    expect(deliveryDead({ ...DEAD, eventType: 'triggers.webhook.disabled' }, REFUSED, NOW_US)).toBeUndefined()
  })

  it('never a query, a fragment, a user name or a password', () => {
    for (const event of [webhookDisabled(webhook, 'gone', NOW_US, NOW_US), webhookRecovered(webhook, NOW_US)]) {
      expect(event.payload).not.toMatch(/secret|ada|token/)
    }
    expect(payloadOf(webhookRecovered({ webhookId: 'w-1', url: 'secret' }, NOW_US)).url).toBe('')
  })
})
