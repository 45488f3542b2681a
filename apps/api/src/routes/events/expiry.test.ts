import { describe, expect, it } from 'vitest'
import { ackEvent, createEvent, getEvent, readAllPages } from '../../testing/events.ts'
import { testApp } from '../../testing/test-app.ts'

describe('an event past its seven days', () => {
  it('vanishes from every read at once, without a sweep', async () => {
    const app = await testApp()
    const key = app.key()
    const { event_id } = await createEvent(app, key, { metadata: { region: 'eu' } })
    const acked = await createEvent(app, key, { metadata: { region: 'eu' } })
    await ackEvent(app, key, acked.event_id)
    const paths = [
      '/v1/events',
      '/v1/inbox',
      '/v1/events?metadata.region=eu',
      '/v1/inbox?source=shop&event_type=order.paid',
      '/v1/events?status=acknowledged',
    ]
    app.clock.advance({ days: 6, hours: 23, seconds: 3540 })
    expect((await getEvent(app, key, event_id)).status).toBe(200)
    for (const path of paths) expect((await readAllPages(app, key, path)).flat(), path).not.toEqual([])
    app.clock.advance({ seconds: 61 })
    const young = await createEvent(app, key)
    for (const id of [event_id, acked.event_id]) {
      expect((await getEvent(app, key, id)).status).toBe(404)
      expect((await ackEvent(app, key, id)).status).toBe(404)
    }
    const bulk = await app.request('/v1/events/bulk/ack', { method: 'POST', key, body: { event_ids: [event_id] } })
    expect(bulk.body.failed[0].error.code).toBe('NOT_FOUND')
    expect(await readAllPages(app, key, '/v1/inbox')).toEqual([[young.event_id]])
    expect(await readAllPages(app, key, '/v1/events')).toEqual([[young.event_id]])
    expect(await readAllPages(app, key, '/v1/events?metadata.region=eu')).toEqual([[]])
    expect(await readAllPages(app, key, '/v1/events?status=acknowledged')).toEqual([[]])
  })

  it('lives as many days as EVENT_TTL_DAYS says', async () => {
    const app = await testApp({ EVENT_TTL_DAYS: '1' })
    const key = app.key()
    const { event_id } = await createEvent(app, key)
    app.clock.advance({ hours: 23 })
    expect((await getEvent(app, key, event_id)).status).toBe(200)
    app.clock.advance({ hours: 2 })
    expect((await getEvent(app, key, event_id)).status).toBe(404)
  })
})
