import { describe, expect, it } from 'vitest'
import { eventRecord, storedWebhook } from '../testing/webhook-records.ts'
import type { StoredWebhook } from '../webhook-ports.ts'
import { judgeWebhook } from './match-webhooks.ts'

const event = eventRecord()
const judge = (fields: Partial<StoredWebhook>) => judgeWebhook(storedWebhook(fields), event)

describe('judgeWebhook', () => {
  it('gives an event to a webhook whose patterns and filter it matches', () => {
    for (const events of [['*'], ['order.*'], ['user.*', 'order.paid']]) expect(judge({ events })).toEqual({ matched: true })
    expect(judge({ filter: { source: ['shop'], payload: [{ path: '$.total', op: 'range', value: { gte: 12 } }] } })).toEqual({
      matched: true,
    })
  })

  it('gives it nothing from before it was made', () => {
    const late = { matched: false, reason: 'created_later', detail: expect.stringContaining('2025-11-21T08:00:00.000000Z') }
    expect(judge({ createdAtUs: event.createdAtUs })).toEqual(late)
    expect(judge({ createdAtUs: event.createdAtUs + 1 })).toMatchObject({ reason: 'created_later' })
    expect(judge({ createdAtUs: event.createdAtUs - 1 })).toEqual({ matched: true })
  })

  it('says why it is not active', () => {
    const detail = (fields: Partial<StoredWebhook>) => judge({ isActive: false, ...fields })
    expect(detail({ disabledReason: 'failing' })).toEqual({
      matched: false,
      reason: 'inactive',
      detail: 'the webhook is not active (failing)',
    })
    expect(detail({})).toEqual({ matched: false, reason: 'inactive', detail: 'the webhook is not active' })
  })

  it('says which types it wants, not all of many', () => {
    const events = ['a.*', 'b.*', 'c.*', 'd.*', 'e.*']
    const detail = 'event_type is order.paid, the webhook wants a.* or b.* or c.* or 2 more'
    expect(judge({ events })).toEqual({ matched: false, reason: 'event_type', detail })
    expect(judge({ events: ['triggers.*'] })).toMatchObject({
      reason: 'event_type',
      detail: 'event_type is order.paid, the webhook wants triggers.*',
    })
  })

  it('gives events of our own only where they are asked for', () => {
    const own = eventRecord({ eventType: 'triggers.delivery.dead' })
    expect(judgeWebhook(storedWebhook({ events: ['*'] }), own)).toMatchObject({ reason: 'event_type' })
    expect(judgeWebhook(storedWebhook({ events: ['*', 'triggers.*'] }), own)).toEqual({ matched: true })
  })

  it('names the first reason: created later, inactive, event type, filter', () => {
    const filter = { filter: { source: ['other'] } }
    const type = { ...filter, events: ['user.*'] }
    const inactive = { ...type, isActive: false }
    const later = { ...inactive, createdAtUs: event.createdAtUs }
    const reasons = [later, inactive, type, filter].map((fields) => {
      const match = judge(fields)
      return match.matched ? undefined : match.reason
    })
    expect(reasons).toEqual(['created_later', 'inactive', 'event_type', 'filter'])
    expect(judge(filter)).toMatchObject({ detail: 'source is shop, the filter wants other' })
  })
})
