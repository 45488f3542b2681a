import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, it } from 'vitest'
import { FakeClock } from '../../testing/fake-clock.ts'
import { temporaryStore } from '../../testing/temporary-store.ts'
import { createdIds, fanOut, newDelivery, newEvent, newWebhook, savedWebhook } from '../conformance/harness.ts'
import { eventIdAt, movedEvent, movedEvents } from '../conformance/move-records.ts'

function counts(directory: string): unknown {
  const db = new DatabaseSync(join(directory, 'triggers.db'), { readOnly: true })
  const found = db.prepare('SELECT (SELECT count(*) FROM event_places) events, (SELECT count(*) FROM delivery_places) deliveries').get()
  db.close()
  return { ...found }
}

it('has places for what does not stand at its time alone, until that is gone', async () => {
  const clock = new FakeClock()
  const { store, directory } = await temporaryStore(clock)
  const webhook = await savedWebhook(store, newWebhook({ workspaceId: 'w' }))
  const [eventId = ''] = await createdIds(store, 'w', [newEvent()])
  await fanOut(store, [newDelivery(webhook, { eventId })])
  const us = clock.nowUs() - 60_000_000
  const events = movedEvents(us, [0, 5, 10])
  await store.importEvents('w', events)
  const [delivery] = (await store.listWholeDeliveries({ workspaceId: 'w', webhookId: webhook.webhookId, limit: 1, maxBytes: 1e6 }))
    .deliveries
  if (delivery === undefined) throw new Error('There is no delivery.')
  const deliveries = [0, 0].map(() => ({ ...delivery, deliveryId: eventIdAt(us), createdAtUs: us }))
  expect(await store.importDeliveries('w', deliveries.slice(0, 1))).toEqual(['written'])
  expect(counts(directory)).toEqual({ events: 0, deliveries: 0 })
  await store.importEvents('other', movedEvents(us, [0, 0, 5]))
  expect(await store.importDeliveries('w', deliveries.slice(1))).toEqual(['written'])
  expect(counts(directory)).toEqual({ events: 3, deliveries: 1 })
  clock.advance({ days: 9 })
  while (await store.sweep(2));
  expect(counts(directory)).toEqual({ events: 0, deliveries: 0 })
})

it('moves no new event that fan-out would then take for one that came in', async () => {
  const clock = new FakeClock()
  const { store } = await temporaryStore(clock)
  await savedWebhook(store, newWebhook({ workspaceId: 'w' }))
  const ids = await createdIds(store, 'w', [newEvent(), newEvent()])
  const between = movedEvent((await store.getEvent('w', ids[0] ?? ''))?.createdAtUs ?? 0, {})
  // Behind the first of the two by its id, and so in the place of the second.
  const later = { ...between, eventId: `${between.eventId.slice(0, 19)}bfff-ffffffffffff` }
  await expect(store.importEvents('w', [later])).rejects.toThrow('fanned out')
  await fanOut(store, [])
  expect(await store.importEvents('w', [later])).toEqual(['written'])
  const { events } = await store.listEvents({ workspaceId: 'w', filter: {}, order: 'asc', limit: 10, maxBytes: 1e6 })
  expect(events.map(({ eventId }) => eventId)).toEqual([ids[0], later.eventId, ids[1]])
})
