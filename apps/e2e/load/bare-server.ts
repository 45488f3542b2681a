/** The machine's HTTP limit: a bare Hono handler that parses and validates the same body, answers the same, stores nothing. */
import { randomUUID } from 'node:crypto'
import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { z } from 'zod'

const name = z.string().trim().min(1).max(100)
const EventInput = z.strictObject({
  source: name,
  event_type: name,
  payload: z.record(z.string(), z.unknown()),
  metadata: z
    .object({
      priority: z.enum(['low', 'normal', 'high']).optional(),
      correlation_id: z.string().max(256).optional(),
      idempotency_key: z.string().max(256).optional(),
    })
    .catchall(z.union([z.string().max(256), z.number(), z.boolean()]))
    .optional(),
})

const app = new Hono().post('/v1/events', async (c) => {
  const input = EventInput.safeParse(await c.req.json())
  if (!input.success) return c.json({ error: input.error.issues }, 400)
  return c.json(
    { event_id: randomUUID(), created_at: new Date().toISOString(), status: 'pending', message: 'Event stored.', request_id: randomUUID() },
    201,
  )
})

serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }, ({ port }) =>
  process.stdout.write(`bare handler at http://127.0.0.1:${port}/\n`),
)
