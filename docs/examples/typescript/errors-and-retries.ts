/** Creates an event in spite of failures, once only, and tells refusals apart. */
import {
  ApiError,
  ConnectionError,
  IdempotencyKeyReusedError,
  NotFoundError,
  TimeoutError,
  Triggers,
  ValidationError,
} from '@triggers/client'

const triggers = new Triggers({
  // Connection failures, 408, 429 and 5xx are tried again, after what Retry-After says, else after a random, growing time.
  maxRetries: 5,
  timeoutMs: 10_000,
  totalTimeoutMs: 60_000,
  logger: { onRetry: ({ error, delayMs }) => console.log(`${error.message} Again in ${Math.round(delayMs)} ms.`) },
})

// The key makes it safe to create again after a crash of this program. Without one, each call makes its own, for its retries.
const event = { source: 'shop', event_type: 'order.placed', payload: { order: 1042 } }
const created = await triggers.events.create(event, { idempotencyKey: 'order-1042' })
console.log('created', created.event_id)
const again = await triggers.events.create(event, { idempotencyKey: 'order-1042' })
console.log('the same event:', again.event_id === created.event_id)

await explain(triggers.events.create({ ...event, payload: { order: 1043 } }, { idempotencyKey: 'order-1042' }))
await explain(triggers.events.create({ ...event, event_type: '' }))
await explain(triggers.events.get(crypto.randomUUID()))
await explain(new Triggers({ baseUrl: 'http://127.0.0.1:1', maxRetries: 1 }).whoami())

async function explain(call: Promise<unknown>): Promise<void> {
  try {
    await call
  } catch (error) {
    if (error instanceof IdempotencyKeyReusedError) console.log('The key belongs to an event of other content.')
    else if (error instanceof ValidationError) console.log('The request is wrong:', error.details['errors'])
    else if (error instanceof NotFoundError) console.log('There is no such event.')
    else if (error instanceof ApiError) console.log(`${error.status} ${error.code}: ${error.message} (request ${error.requestId})`)
    else if (error instanceof ConnectionError || error instanceof TimeoutError) console.log('No answer:', error.message)
    else throw error
  }
}
