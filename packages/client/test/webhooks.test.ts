import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { SignatureVerificationError, TriggersError } from '../src/errors.ts'
import { signTestWebhook } from '../src/testing.ts'
import {
  MalformedBodyError,
  MalformedSignatureHeaderError,
  MissingSignatureHeaderError,
  NoMatchingSignatureError,
  RawBodyRequiredError,
  StaleTimestampError,
  type VerifyWebhookOptions,
  verifyWebhook,
} from '../src/webhooks.ts'

interface Vector {
  name: string
  secret: string
  webhook_id: string
  webhook_timestamp: string
  body_base64: string
  webhook_signature: string
  x_webhook_signature: string
}
const file: { cases: Vector[]; rotation: Omit<Vector, 'secret' | 'name'> & { new_secret: string; old_secret: string } } = JSON.parse(
  readFileSync(new URL('../../../docs/vectors/webhook-signing.json', import.meta.url), 'utf8'),
)
const [first] = file.cases
if (first === undefined) throw new Error('no vectors')

type Delivery = Omit<Vector, 'secret' | 'name'>

const bodyOf = ({ body_base64 }: Delivery) => Buffer.from(body_base64, 'base64')
const standardHeaders = (delivery: Delivery) => ({
  'webhook-id': delivery.webhook_id,
  'webhook-timestamp': delivery.webhook_timestamp,
  'webhook-signature': delivery.webhook_signature,
})
const plainHeaders = (delivery: Delivery) => ({ 'X-Webhook-Signature': delivery.x_webhook_signature })
const at = (delivery: Delivery, seconds = 0): VerifyWebhookOptions => ({ now: () => (Number(delivery.webhook_timestamp) + seconds) * 1000 })

const verifyFirst = (changes: { headers?: object; body?: unknown; secrets?: unknown; options?: VerifyWebhookOptions } = {}) =>
  verifyWebhook(
    ('body' in changes ? changes.body : bodyOf(first)) as Uint8Array,
    { ...standardHeaders(first), ...changes.headers },
    ('secrets' in changes ? changes.secrets : first.secret) as string,
    changes.options ?? at(first),
  )

describe('a delivery with the standard headers', () => {
  it.each(file.cases)('is taken: $name', async (vector) => {
    const expected = JSON.parse(bodyOf(vector).toString())
    expect(await verifyWebhook(bodyOf(vector), standardHeaders(vector), vector.secret, at(vector))).toEqual(expected)
    expect(await verifyWebhook(bodyOf(vector).toString(), standardHeaders(vector), vector.secret, at(vector))).toEqual(expected)
  })

  it('is taken as text, bytes, part of a buffer, and ArrayBuffer', async () => {
    const bytes = bodyOf(first)
    const padded = Buffer.concat([Buffer.from('--'), bytes, Buffer.from('--')])
    for (const body of [bytes.toString(), bytes, padded.subarray(2, -2), new Uint8Array(bytes).buffer]) {
      expect(await verifyFirst({ body })).toMatchObject({ event_type: 'user.created' })
    }
  })

  it('is taken with any form of headers', async () => {
    const headers = standardHeaders(first)
    const upper = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toUpperCase(), value]))
    const lists = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [value]]))
    for (const form of [new Headers(headers), upper, lists, { ...headers, 'set-cookie': ['a', 'b'], 'x-none': undefined }]) {
      expect(await verifyWebhook(bodyOf(first), form, first.secret, at(first))).toMatchObject({ event_type: 'user.created' })
    }
  })

  it.each(['new_secret', 'old_secret'] as const)('is taken during a rotation by who has the %s alone', async (which) => {
    const { rotation } = file
    expect(await verifyWebhook(bodyOf(rotation), standardHeaders(rotation), rotation[which], at(rotation))).toBeTypeOf('object')
  })

  it('is taken when any of several secrets made it', async () => {
    expect(await verifyFirst({ secrets: ['whsec_other', first.secret] })).toBeTypeOf('object')
    expect(await verifyFirst({ secrets: [first.secret, 'whsec_other'] })).toBeTypeOf('object')
  })

  it('is taken beside signatures of other versions and forms', async () => {
    const signature = `v1a,${'A'.repeat(86)}== v2,x v1,short v1 v1,a,b  ${first.webhook_signature}`
    expect(await verifyFirst({ headers: { 'webhook-signature': signature } })).toBeTypeOf('object')
  })

  it.each([-300, -299, 0, 299, 300])('is taken when the clock is off by %i seconds', async (seconds) => {
    expect(await verifyFirst({ options: at(first, seconds) })).toBeTypeOf('object')
  })

  it.each([
    [-301, 'ahead of'],
    [301, 'behind'],
  ])('is refused when the clock is off by %i seconds', async (seconds, side) => {
    const refused = verifyFirst({ options: at(first, seconds) })
    await expect(refused).rejects.toThrow(StaleTimestampError)
    await expect(refused).rejects.toThrow(`301 seconds ${side} this clock; 300 are allowed`)
  })

  it('keeps to a tolerance of its caller', async () => {
    const options = (seconds: number) => ({ ...at(first, seconds), toleranceSeconds: 10 })
    expect(await verifyFirst({ options: options(10) })).toBeTypeOf('object')
    await expect(verifyFirst({ options: options(11) })).rejects.toThrow(StaleTimestampError)
    await expect(verifyFirst({ options: options(-11) })).rejects.toThrow(StaleTimestampError)
  })

  it('is refused by a clock that gives no number', async () => {
    await expect(verifyFirst({ options: { now: () => Number.NaN } })).rejects.toThrow(StaleTimestampError)
  })

  it('goes by the real clock without another', async () => {
    await expect(verifyFirst({ options: {} })).rejects.toThrow(StaleTimestampError)
    const fresh = await signTestWebhook({ event_type: 'a' }, first.secret)
    expect(await verifyWebhook(fresh.body, fresh.headers, first.secret)).toEqual({ event_type: 'a' })
  })
})

describe('the event', () => {
  it('is what the body wraps in the standard payload format', async () => {
    const event = { event_id: '01932d5e-7c1a-7b44-9d0a-5f3e2b1c4d6e', event_type: 'a', payload: { order: 7 } }
    const body = JSON.stringify({ type: 'a', timestamp: '2025-11-21T08:00:00.123456Z', data: event })
    const signed = await signTestWebhook(body, first.secret)
    const { payload } = await verifyWebhook<{ order: number }>(signed.body, signed.headers, first.secret)
    expect(payload.order).toBe(7)
  })

  it('may itself have fields of those names', async () => {
    const event = { event_id: '1', type: 'a', data: { x: 1 } }
    const signed = await signTestWebhook(JSON.stringify(event), first.secret)
    expect(await verifyWebhook(signed.body, signed.headers, first.secret)).toEqual(event)
  })
})

describe('a refusal', () => {
  it.each([
    ['a parsed object', { event_id: '1' }, 'this is a parsed object'],
    ['a parsed list', [], 'this is a parsed object'],
    ['undefined', undefined, 'this is undefined'],
    ['null', null, 'this is null'],
    ['a number', 7, 'this is number'],
  ])('says to give the raw body instead of %s', async (_, body, words) => {
    const refused = verifyFirst({ body })
    await expect(refused).rejects.toThrow(RawBodyRequiredError)
    await expect(refused).rejects.toThrow(/Give the raw body/)
    await expect(refused).rejects.toThrow(words)
  })

  it.each(['webhook-id', 'webhook-timestamp', 'webhook-signature'])('names a missing %s', async (name) => {
    for (const value of [undefined, '']) {
      const refused = verifyFirst({ headers: { [name]: value } })
      await expect(refused).rejects.toThrow(MissingSignatureHeaderError)
      await expect(refused).rejects.toThrow(`Missing: ${name}.`)
    }
  })

  it('names all the missing headers', async () => {
    const refused = verifyWebhook('{}', {}, first.secret)
    await expect(refused).rejects.toThrow('Missing: webhook-id, webhook-timestamp, webhook-signature. Is this a delivery of Triggers')
  })

  it.each(['', ' ', '1763712000.5', '-1763712000', '+1763712000', '1e9', '0x1', '1763712000000', ' 1763712000', '1763712000 ', '٠١٢'])(
    'of the timestamp "%s"',
    async (timestamp) => {
      const expected = timestamp === '' ? MissingSignatureHeaderError : MalformedSignatureHeaderError
      await expect(verifyFirst({ headers: { 'webhook-timestamp': timestamp } })).rejects.toThrow(expected)
    },
  )

  const [, encoded = ''] = first.webhook_signature.split(',')
  it.each([
    ['no version', encoded],
    ['version 2', `v2,${encoded}`],
    ['version 1a', `v1a,${encoded}`],
    ['an upper-case version', `V1,${encoded}`],
    ['hex', `v1,${Buffer.from(encoded, 'base64').toString('hex')}`],
    ['base64url', `v1,${Buffer.from(Array(32).fill(255)).toString('base64url')}=`],
    ['no padding', `v1,${encoded.slice(0, -1)}`],
    ['set unused bits', `v1,${encoded.slice(0, -2)}F=`],
    ['half of it', `v1,${encoded.slice(0, 22)}==`],
    ['another separator', `v1=${encoded}`],
    ['a comma behind it', `${first.webhook_signature},`],
    ['a comma between two', `${first.webhook_signature},${first.webhook_signature}`],
    ['nothing behind the version', 'v1,'],
  ])('of a signature with %s', async (_, signature) => {
    await expect(verifyFirst({ headers: { 'webhook-signature': signature } })).rejects.toThrow(MalformedSignatureHeaderError)
  })

  it('of a header that came twice', async () => {
    const { 'webhook-id': id } = standardHeaders(first)
    await expect(verifyFirst({ headers: { 'webhook-id': [id, id] } })).rejects.toThrow(MalformedSignatureHeaderError)
    await expect(verifyFirst({ headers: { 'Webhook-Id': id } })).rejects.toThrow('webhook-id came more than once')
  })

  it('of a wrong secret says what the cause may be', async () => {
    const refused = verifyFirst({ secrets: 'whsec_BwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyAhIiMkJSc=' })
    await expect(refused).rejects.toThrow(NoMatchingSignatureError)
    await expect(refused).rejects.toThrow(/wrong secret, or the body was changed, or parsed and serialised again/)
  })

  it('of a body that was parsed and serialised again', async () => {
    const vector = file.cases.find(({ name }) => name === 'non-ASCII body')
    if (vector === undefined) throw new Error('no such vector')
    const body = JSON.stringify(JSON.parse(bodyOf(vector).toString()))
    await expect(verifyWebhook(body, standardHeaders(vector), vector.secret, at(vector))).rejects.toThrow(NoMatchingSignatureError)
  })

  it('is a SignatureVerificationError with its own name, and holds neither secret nor signature', async () => {
    const refusals = [
      verifyFirst({ body: {} }),
      verifyFirst({ headers: { 'webhook-id': undefined } }),
      verifyFirst({ headers: { 'webhook-signature': 'v1,x' } }),
      verifyFirst({ options: at(first, 999) }),
      verifyFirst({ headers: { 'webhook-id': 'msg_other' } }),
    ]
    const errors = await Promise.all(refusals.map((refusal) => refusal.catch((error: Error) => error)))
    expect(errors.map((error) => (error instanceof Error ? error.name : undefined))).toEqual([
      'RawBodyRequiredError',
      'MissingSignatureHeaderError',
      'MalformedSignatureHeaderError',
      'StaleTimestampError',
      'NoMatchingSignatureError',
    ])
    for (const error of errors) {
      expect(error).toBeInstanceOf(SignatureVerificationError)
      expect(error).toBeInstanceOf(TriggersError)
      expect(String(error)).not.toContain(first.secret.slice(6))
      expect(String(error)).not.toContain(encoded)
    }
  })

  it('of a signed body that is not JSON', async () => {
    const signed = await signTestWebhook('not JSON', first.secret)
    await expect(verifyWebhook(signed.body, signed.headers, first.secret)).rejects.toThrow(MalformedBodyError)
    await expect(verifyWebhook(signed.body, signed.headers, first.secret)).rejects.toThrow('the body is not a JSON object')
  })

  it.each([
    ['no secret', undefined],
    ['an empty secret', ''],
    ['no secrets', []],
    ['an empty one among the secrets', [first.secret, '']],
    ['an undefined one among the secrets', [first.secret, undefined]],
  ])('of %s is a TypeError, as the receiver is set up wrongly', async (_, secrets) => {
    await expect(verifyFirst({ secrets })).rejects.toThrow(TypeError)
  })

  it.each([Number.NaN, -1])('of the tolerance %d is a TypeError', async (toleranceSeconds) => {
    await expect(verifyFirst({ options: { ...at(first), toleranceSeconds } })).rejects.toThrow(TypeError)
  })
})

describe('the plain signature', () => {
  const plain = (delivery: Delivery, secrets: string | string[], options: VerifyWebhookOptions = { allowPlain: true }) =>
    verifyWebhook(bodyOf(delivery), plainHeaders(delivery), secrets, options)

  it.each(file.cases)('is taken with allowPlain: $name', async (vector) => {
    expect(await plain(vector, vector.secret)).toEqual(JSON.parse(bodyOf(vector).toString()))
  })

  it('is the old secret’s during a rotation', async () => {
    const { rotation } = file
    expect(await plain(rotation, [rotation.new_secret, rotation.old_secret])).toBeTypeOf('object')
    await expect(plain(rotation, rotation.new_secret)).rejects.toThrow(NoMatchingSignatureError)
  })

  it('is refused without allowPlain, which the error names', async () => {
    const refused = plain(first, first.secret, {})
    await expect(refused).rejects.toThrow(MissingSignatureHeaderError)
    await expect(refused).rejects.toThrow(/counts only with allowPlain and has no replay protection/)
  })

  it.each([
    ['webhook-id', 'msg_1'],
    ['webhook-timestamp', '1'],
    ['webhook-signature', 'v1,x'],
    ['webhook-signature', ''],
    ['Webhook-Other', 'x'],
  ])('never counts beside a %s', async (name, value) => {
    const headers = { ...plainHeaders(first), [name]: value }
    await expect(verifyWebhook(bodyOf(first), headers, first.secret, { allowPlain: true })).rejects.toThrow(SignatureVerificationError)
  })

  it('does not save a delivery whose standard signature is stale', async () => {
    const headers = { ...plainHeaders(first), ...standardHeaders(first) }
    const options = { ...at(first, 301), allowPlain: true }
    await expect(verifyWebhook(bodyOf(first), headers, first.secret, options)).rejects.toThrow(StaleTimestampError)
  })

  it.each([
    ['in upper case', first.x_webhook_signature.toUpperCase()],
    ['in base64', Buffer.from(first.x_webhook_signature, 'hex').toString('base64')],
    ['cut', first.x_webhook_signature.slice(0, 62)],
    ['with a prefix', `sha256=${first.x_webhook_signature}`],
    ['empty', ''],
  ])('is refused %s', async (_, signature) => {
    const headers = { 'x-webhook-signature': signature }
    const refused = verifyWebhook(bodyOf(first), headers, first.secret, { allowPlain: true })
    await expect(refused).rejects.toThrow(MalformedSignatureHeaderError)
  })
})

describe('tampering', () => {
  const delivery = fc.record({
    event: fc.dictionary(fc.string(), fc.jsonValue()),
    secret: fc.oneof(
      fc.string({ minLength: 16, maxLength: 60 }),
      fc.uint8Array({ minLength: 1, maxLength: 40 }).map((key) => `whsec_${Buffer.from(key).toString('base64')}`),
    ),
  })
  /** Replaces the byte at a place by another. */
  const changed = (bytes: Uint8Array, place: number, difference: number) => {
    const copy = Uint8Array.from(bytes)
    const index = place % copy.length
    copy[index] = (copy[index] ?? 0) ^ difference
    return copy
  }
  const difference = fc.integer({ min: 1, max: 255 })

  it('with any byte of the body is refused, and without it is taken', async () => {
    await fc.assert(
      fc.asyncProperty(delivery, fc.nat(), difference, async ({ event, secret }, place, bits) => {
        const { body, headers } = await signTestWebhook(JSON.stringify(event), secret)
        expect(await verifyWebhook(body, headers, secret)).toEqual(JSON.parse(body))
        const tampered = changed(Buffer.from(body), place, bits)
        await expect(verifyWebhook(tampered, headers, secret)).rejects.toThrow(NoMatchingSignatureError)
      }),
      { numRuns: 300 },
    )
  })

  it.each(['webhook-id', 'webhook-timestamp', 'webhook-signature'])('with any character of %s is refused', async (name) => {
    await fc.assert(
      fc.asyncProperty(delivery, fc.nat(), difference, async ({ event, secret }, place, bits) => {
        const timestamp = 1_763_712_000
        const { body, headers } = await signTestWebhook(JSON.stringify(event), secret, { timestamp })
        const value = Buffer.from(changed(Buffer.from(headers[name] ?? '', 'latin1'), place, bits)).toString('latin1')
        const options = { now: () => timestamp * 1000, toleranceSeconds: Number.POSITIVE_INFINITY }
        await expect(verifyWebhook(body, { ...headers, [name]: value }, secret, options)).rejects.toThrow(SignatureVerificationError)
      }),
      { numRuns: 300 },
    )
  })

  it('with the plain signature or its body is refused', async () => {
    await fc.assert(
      fc.asyncProperty(delivery, fc.nat(), difference, fc.boolean(), async ({ event, secret }, place, bits, inBody) => {
        const { body, headers } = await signTestWebhook(JSON.stringify(event), secret, { plain: true })
        const signature = headers['x-webhook-signature'] ?? ''
        const value = inBody ? signature : Buffer.from(changed(Buffer.from(signature), place, bits)).toString('latin1')
        const sent = inBody ? changed(Buffer.from(body), place, bits) : body
        await expect(verifyWebhook(sent, { 'x-webhook-signature': value }, secret, { allowPlain: true })).rejects.toThrow(
          SignatureVerificationError,
        )
      }),
      { numRuns: 300 },
    )
  })
})

describe('a delivery made for a test', () => {
  it.each(file.cases)('has the headers that Triggers sends: $name', async (vector) => {
    const options = { id: vector.webhook_id, timestamp: Number(vector.webhook_timestamp) }
    const { method, headers } = await signTestWebhook(bodyOf(vector).toString(), vector.secret, options)
    expect([method, headers]).toEqual([
      'POST',
      {
        'content-type': 'application/json',
        ...standardHeaders(vector),
        'x-webhook-signature': vector.x_webhook_signature,
        'x-webhook-timestamp': new Date(Number(vector.webhook_timestamp) * 1000).toISOString(),
      },
    ])
  })

  it('has both signatures during a rotation', async () => {
    const { rotation } = file
    const options = { id: rotation.webhook_id, timestamp: Number(rotation.webhook_timestamp) }
    const { headers } = await signTestWebhook(bodyOf(rotation).toString(), [rotation.new_secret, rotation.old_secret], options)
    expect(headers).toMatchObject({ ...standardHeaders(rotation), 'x-webhook-signature': rotation.x_webhook_signature })
  })

  it('has the id that the event gives it', async () => {
    const event_id = '01932d5e-7c1a-7b44-9d0a-5f3e2b1c4d6e'
    const { headers } = await signTestWebhook({ event_id }, first.secret)
    expect(headers['webhook-id']).toBe('msg_01932d5e7c1a7b449d0a5f3e2b1c4d6e')
  })

  it('is what a Request is made of', async () => {
    const request = new Request('http://localhost/webhooks', await signTestWebhook({ event_type: 'order.placed' }, first.secret))
    expect(await verifyWebhook(await request.text(), request.headers, first.secret)).toEqual({ event_type: 'order.placed' })
  })
})
