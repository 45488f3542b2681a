import fc from 'fast-check'
import { Webhook } from 'standardwebhooks'
import { describe, expect, it } from 'vitest'
import vectors from '../../../../docs/vectors/webhook-signing.json' with { type: 'json' }
import { messageIdOf, newWebhookSecret, signWebhook } from './webhook-signing.ts'

describe('the vectors', () => {
  it.each(vectors.cases)('$name', (one) => {
    const message = {
      secrets: [one.secret],
      webhookId: one.webhook_id,
      timestampS: Number(one.webhook_timestamp),
      body: Buffer.from(one.body_base64, 'base64'),
    }
    expect(signWebhook(message)).toEqual({ webhookSignature: one.webhook_signature, xWebhookSignature: one.x_webhook_signature })
  })

  it('rotation', () => {
    const { new_secret, old_secret, webhook_id, webhook_timestamp, body_base64, webhook_signature, x_webhook_signature } = vectors.rotation
    const message = {
      secrets: [new_secret, old_secret],
      webhookId: webhook_id,
      timestampS: Number(webhook_timestamp),
      body: Buffer.from(body_base64, 'base64'),
    }
    expect(signWebhook(message)).toEqual({ webhookSignature: webhook_signature, xWebhookSignature: x_webhook_signature })
  })
})

describe('the official library of Standard Webhooks', () => {
  const timestampS = Math.floor(Date.now() / 1000)
  const body = fc.string({ unit: 'binary' }).map((text) => JSON.stringify({ text }))

  it('takes deliveries under a generated secret', () => {
    fc.assert(
      fc.property(fc.uuid(), body, (id, text) => {
        const secret = newWebhookSecret()
        const webhookId = messageIdOf(id)
        const { webhookSignature } = signWebhook({ secrets: [secret], webhookId, timestampS, body: Buffer.from(text) })
        const headers = { 'webhook-id': webhookId, 'webhook-timestamp': String(timestampS), 'webhook-signature': webhookSignature }
        expect(new Webhook(secret).verify(text, headers)).toEqual(JSON.parse(text))
        expect(() => new Webhook(secret).verify(`${text} `, headers)).toThrow('No matching signature')
        expect(() => new Webhook(secret).verify(text, { ...headers, 'webhook-id': 'msg_1' })).toThrow('No matching signature')
      }),
    )
  })

  it('takes them under the new and the old secret while both are valid', () => {
    const [next, former, other] = [newWebhookSecret(), newWebhookSecret(), newWebhookSecret()]
    const signed = signWebhook({ secrets: [next, former], webhookId: 'msg_1', timestampS, body: Buffer.from('{}') })
    const headers = { 'webhook-id': 'msg_1', 'webhook-timestamp': String(timestampS), 'webhook-signature': signed.webhookSignature }
    expect(new Webhook(next).verify('{}', headers)).toEqual({})
    expect(new Webhook(former).verify('{}', headers)).toEqual({})
    expect(() => new Webhook(other).verify('{}', headers)).toThrow('No matching signature')
  })

  it('takes them under a secret that the user chose', () => {
    const secret = 'my-webhook-secret-0001'
    const { webhookSignature } = signWebhook({ secrets: [secret], webhookId: 'msg_1', timestampS, body: Buffer.from('{}') })
    const headers = { 'webhook-id': 'msg_1', 'webhook-timestamp': String(timestampS), 'webhook-signature': webhookSignature }
    expect(new Webhook(secret, { format: 'raw' }).verify('{}', headers)).toEqual({})
  })
})

it('makes secrets of 32 random bytes as padded base64 behind whsec_', () => {
  const secrets = Array.from({ length: 20 }, newWebhookSecret)
  for (const secret of secrets) {
    expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/)
    expect(Buffer.from(secret.slice(6), 'base64')).toHaveLength(32)
  }
  expect(new Set(secrets).size).toBe(20)
})

it('never signs without a secret', () => {
  expect(() => signWebhook({ secrets: [], webhookId: 'msg_1', timestampS: 1, body: Buffer.from('{}') })).toThrow('no valid secret')
})

it('names a message by its event', () => {
  expect(messageIdOf('01932d5e-7c1a-7b44-9d0a-5f3e2b1c4d6e')).toBe('msg_01932d5e7c1a7b449d0a5f3e2b1c4d6e')
})
