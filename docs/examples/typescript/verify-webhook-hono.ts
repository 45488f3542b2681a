/** Receives webhooks with Hono, and checks who sent them. */
import { serve } from '@hono/node-server'
import { SignatureVerificationError, verifyWebhook } from '@triggers/client'
import { Hono } from 'hono'

// Give the new and the old secret while one replaces the other.
const secrets = (process.env['TRIGGERS_WEBHOOK_SECRET'] ?? '').split(' ')
if (secrets[0] === '') throw new Error('Set TRIGGERS_WEBHOOK_SECRET to the secret of the webhook.')

const app = new Hono()

app.post('/webhooks', async (c) => {
  // The text as it came: JSON that was parsed and written again has another signature.
  const event = await verifyWebhook(await c.req.text(), c.req.raw.headers, secrets)
  console.log(event.event_type, event.payload)
  return c.body(null, 204)
})

app.onError((error, c) => {
  console.error(error)
  // After a 500 the delivery comes again.
  return error instanceof SignatureVerificationError ? c.text('Not a genuine webhook', 400) : c.text('Failed', 500)
})

serve({ fetch: app.fetch, hostname: '127.0.0.1', port: Number(process.env['PORT'] ?? 3000) }, ({ port }) => {
  console.log(`Receiving webhooks on port ${port}`)
})
