/** Creates a signed event, then lists its source's events with a signed query. Needs Node 22.18 or newer: node sign.ts */
import { createHash, createHmac } from 'node:crypto'

async function send(method: string, target: string, body?: string): Promise<string> {
  const url = new URL(target, setting('TRIGGERS_URL'))
  const timestamp = String(Math.floor(Date.now() / 1000))
  const bodyHash = createHash('sha256')
    .update(body ?? '')
    .digest('hex')
  // What fetch sends is what the URL says, percent signs and all.
  const signed = [method, url.pathname, url.search.slice(1), timestamp, bodyHash].join('\n')
  const response = await fetch(url, {
    method,
    headers: {
      'X-API-Key': setting('TRIGGERS_API_KEY'),
      'Content-Type': 'application/json',
      'X-Signature-Version': 'v1',
      'X-Signature-Timestamp': timestamp,
      'X-Signature': createHmac('sha256', setting('TRIGGERS_SIGNING_SECRET')).update(signed).digest('base64'),
    },
    ...(body !== undefined && { body }),
  })
  const answer = await response.text()
  if (!response.ok) throw new Error(`${response.status} ${answer}`)
  return answer
}

function setting(name: string): string {
  const value = process.env[name]
  if (value === undefined) throw new Error(`Set ${name}.`)
  return value
}

const event = { source: 'my shop', event_type: 'order.placed', payload: { order: 1042, name: 'Zoë' } }
console.log(await send('POST', '/v1/events', JSON.stringify(event)))
console.log(await send('GET', '/v1/events?source=my%20shop&limit=10'))
