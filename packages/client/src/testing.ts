import { newUuid } from './platform.ts'
import { base64Of, bytesOf, hexOf, signRequest } from './signing.ts'
import { plainSignature, standardSignature } from './webhook-signature.ts'
import type { WebhookEvent } from './webhooks.ts'

export interface SignTestWebhookOptions {
  /** The `webhook-id`; the event's, or a new one, without it. */
  id?: string | undefined
  /** Unix seconds; the present without it. Give an old one to see your receiver refuse it. */
  timestamp?: number | undefined
  /** Leaves the `webhook-*` headers out, for receivers with `allowPlain`. */
  plain?: boolean | undefined
}

/** What `fetch`, `new Request` and the test clients of web frameworks take. */
export interface SignedTestRequest {
  method: string
  headers: Record<string, string>
  body: string
}

/**
 * Makes a delivery as Triggers sends it, to test a webhook receiver with.
 *
 * @param event an event, or any body as text
 * @param secrets the webhook's secret; while it is being replaced the new one, then the old one
 * @example
 * const response = await app.request('/webhooks', await signTestWebhook({ event_type: 'order.placed', payload: {} }, secret))
 */
export async function signTestWebhook(
  event: Partial<WebhookEvent> | string,
  secrets: string | readonly string[],
  options: SignTestWebhookOptions = {},
): Promise<SignedTestRequest> {
  const body = typeof event === 'string' ? event : JSON.stringify(event)
  const eventId = (typeof event === 'string' ? undefined : event.event_id) ?? newUuid()
  const { id = `msg_${eventId.replaceAll('-', '')}`, timestamp = Math.floor(Date.now() / 1000), plain = false } = options
  const list = typeof secrets === 'string' ? [secrets] : secrets
  const oldest = list.at(-1)
  if (oldest === undefined) throw new TypeError('Give the webhook secret.')
  const bytes = bytesOf(body)
  const signatures = await Promise.all(
    list.map(async (secret) => `v1,${base64Of(await standardSignature(secret, id, String(timestamp), bytes))}`),
  )
  return {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...(!plain && { 'webhook-id': id, 'webhook-timestamp': String(timestamp), 'webhook-signature': signatures.join(' ') }),
      'x-webhook-timestamp': new Date(timestamp * 1000).toISOString(),
      'x-webhook-signature': hexOf(await plainSignature(oldest, bytes)),
    },
    body,
  }
}

/**
 * Makes a signed request to the API, to test with what stands between a client and the server, such as a proxy that must
 * not change paths, queries or bodies. The client itself signs whatever it sends.
 *
 * @example
 * const url = 'http://127.0.0.1:8080/v1/inbox?limit=10'
 * const response = await fetch(url, await signTestRequest({ url, apiKey, secret }))
 */
export async function signTestRequest(request: {
  url: string | URL
  /** The signing secret of the key. */
  secret: string
  apiKey?: string | undefined
  /** GET without it, and POST with a body. */
  method?: string | undefined
  body?: string | undefined
  /** Unix seconds; the present without it. */
  timestamp?: number | undefined
}): Promise<{ method: string; headers: Record<string, string>; body?: string }> {
  const { secret, apiKey, body, timestamp } = request
  const { method = body === undefined ? 'GET' : 'POST' } = request
  const { pathname, search } = new URL(request.url)
  return {
    method,
    headers: {
      ...(apiKey !== undefined && { 'x-api-key': apiKey }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...(await signRequest({ method, target: pathname + search, body, secret, timestamp })),
    },
    ...(body !== undefined && { body }),
  }
}
