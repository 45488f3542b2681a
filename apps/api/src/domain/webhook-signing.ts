import { createHmac, randomBytes } from 'node:crypto'

const PREFIX = 'whsec_'
const SECRET_BYTES = 32
const MIN_KEY_BYTES = 16
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

/** A new secret of a webhook, in the form of Standard Webhooks. */
export function newWebhookSecret(): string {
  return PREFIX + randomBytes(SECRET_BYTES).toString('base64')
}

/** The `webhook-id` of all deliveries of an event: receivers know by it what they had already. */
export function messageIdOf(eventId: string): string {
  return `msg_${eventId.replaceAll('-', '')}`
}

export interface WebhookMessage {
  /** Those that are valid now, the newest first; at least one. */
  secrets: readonly string[]
  /** The value of `webhook-id`: `msg_…`. */
  webhookId: string
  /** The value of `webhook-timestamp`: whole Unix seconds. */
  timestampS: number
  /** The very bytes that are sent. */
  body: Uint8Array
}

/**
 * Signs as Standard Webhooks does, by every secret, and as plain HMAC of the body, by the oldest: that header has place for one, and
 * receivers that know it alone learn of a new secret when the old one's time has ended.
 */
export function signWebhook({ secrets, webhookId, timestampS, body }: WebhookMessage): {
  webhookSignature: string
  xWebhookSignature: string
} {
  const oldest = secrets.at(-1)
  if (oldest === undefined) throw new Error('A webhook has no valid secret.')
  const head = `${webhookId}.${timestampS}.`
  return {
    webhookSignature: secrets
      .map((secret) => `v1,${createHmac('sha256', keyOf(secret)).update(head).update(body).digest('base64')}`)
      .join(' '),
    xWebhookSignature: createHmac('sha256', oldest).update(body).digest('hex'),
  }
}

/** A generated secret is base64 behind its prefix; any other is its own text, as users may choose theirs. */
function keyOf(secret: string): Buffer | string {
  const encoded = secret.startsWith(PREFIX) ? secret.slice(PREFIX.length) : ''
  if (!BASE64.test(encoded)) return secret
  const decoded = Buffer.from(encoded, 'base64')
  return decoded.length >= MIN_KEY_BYTES ? decoded : secret
}
