/** Receives webhooks with Hono, and checks who sent them. */
import { serve } from '@hono/node-server'
import { SignatureVerificationError, verifyWebhook } from '@triggers/client'
import { Hono } from 'hono'

// Give the new and the old secret while one replaces the other.
const secrets = (process.env['TRIGGERS_WEBHOOK_SECRET'] ?? '').split(' ')

const app = new Hono()

app.post('/webhooks', async (c) => {
  // The text as it came: JSON that was parsed and written again has another signature.
  const event = await verifyWebhook(await c.req.text(), c.req.raw.headers, secrets)
  console.log(event.event_type, event.payload)
  return c.body(null, 204)
})

app.onError((error, c) => {
  if (!(error instanceof SignatureVerificationError)) throw error
  console.warn(error.message)
  return c.text('Not a genuine webhook', 400)
})

serve({ fetch: app.fetch, hostname: '127.0.0.1', port: Number(process.env['PORT'] ?? 3000) }, ({ port }) => {
  console.log(`Receiving webhooks on port ${port}`)
})
