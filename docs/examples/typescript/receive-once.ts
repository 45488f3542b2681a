/** Receives webhooks with Hono, answers at once, and handles each event once, though deliveries may come twice. */
import { DatabaseSync } from 'node:sqlite'
import { serve } from '@hono/node-server'
import { SignatureVerificationError, verifyWebhook } from '@triggers/client'
import { Hono } from 'hono'

const secrets = (process.env['TRIGGERS_WEBHOOK_SECRET'] ?? '').split(' ')
if (secrets[0] === '') throw new Error('Set TRIGGERS_WEBHOOK_SECRET to the secret of the webhook.')

const db = new DatabaseSync(process.env['RECEIVED_DB'] ?? 'received.db')
db.exec('CREATE TABLE IF NOT EXISTS received (webhook_id TEXT PRIMARY KEY, event TEXT NOT NULL, handled INTEGER NOT NULL DEFAULT 0)')
const store = db.prepare('INSERT INTO received (webhook_id, event) VALUES (?, ?) ON CONFLICT DO NOTHING')
const waiting = db.prepare('SELECT webhook_id, event FROM received WHERE handled = 0 ORDER BY rowid')
const done = db.prepare('UPDATE received SET handled = 1 WHERE webhook_id = ?')

const app = new Hono()

app.post('/webhooks', async (c) => {
  const body = await c.req.text()
  await verifyWebhook(body, c.req.raw.headers, secrets)
  // The same for each retry and replay: what is there already is not stored again.
  store.run(c.req.header('webhook-id') ?? '', body)
  setImmediate(handleWaiting)
  return c.body(null, 204)
})

app.onError((error, c) => {
  console.error(error)
  // After a 500 the delivery comes again.
  return error instanceof SignatureVerificationError ? c.text('Not a genuine webhook', 400) : c.text('Failed', 500)
})

/** What takes its time. Do it in one transaction with `done` where you can: then nothing is done twice even after a crash between the two. */
function handleWaiting(): void {
  for (const row of waiting.all()) {
    const event = JSON.parse(String(row['event']))
    console.log(event.event_type, event.payload)
    done.run(String(row['webhook_id']))
  }
}

// What a stop or a crash has left.
handleWaiting()
serve({ fetch: app.fetch, hostname: '127.0.0.1', port: Number(process.env['PORT'] ?? 3000) }, ({ port }) => {
  console.log(`Receiving webhooks on port ${port}`)
})
