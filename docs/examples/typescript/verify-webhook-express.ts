/** Receives webhooks with Express, and checks who sent them. */
import { SignatureVerificationError, verifyWebhook } from '@triggers/client'
import express from 'express'

// Give the new and the old secret while one replaces the other.
const secrets = (process.env['TRIGGERS_WEBHOOK_SECRET'] ?? '').split(' ')
if (secrets[0] === '') throw new Error('Set TRIGGERS_WEBHOOK_SECRET to the secret of the webhook.')
const port = Number(process.env['PORT'] ?? 3000)

const app = express()

// The bytes as they came, so no express.json() on this route: JSON that was parsed and written again has another signature.
app.post('/webhooks', express.raw({ type: 'application/json', limit: '1mb' }), async (request, response) => {
  try {
    const event = await verifyWebhook(request.body, request.headers, secrets)
    console.log(event.event_type, event.payload)
    response.sendStatus(204)
  } catch (error) {
    if (!(error instanceof SignatureVerificationError)) throw error
    console.warn(error.message)
    response.status(400).send('Not a genuine webhook')
  }
})

app.listen(port, '127.0.0.1', () => console.log(`Receiving webhooks on port ${port}`))
