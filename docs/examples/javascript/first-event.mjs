// Creates an event, then reads it. The client takes TRIGGERS_URL and TRIGGERS_API_KEY from the environment.
import { Triggers } from '@triggers/client'

const triggers = new Triggers()

const { event_id } = await triggers.events.create({
  source: 'shop',
  event_type: 'order.placed',
  payload: { order: 1042, total: 99.5 },
})
console.log('created', event_id)

const event = await triggers.events.get(event_id)
console.log(event.event_id, event.status, event.payload.order)
