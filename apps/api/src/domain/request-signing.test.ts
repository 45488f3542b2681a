import { createHash, createHmac } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import positive from '../../../../docs/vectors/request-signing.json' with { type: 'json' }
import negative from '../../../../docs/vectors/request-signing-negative.json' with { type: 'json' }
import { hasSignatureHeaders, type SignedRequest, verifyRequestSignature } from './request-signing.ts'

const [vector] = positive.cases
if (vector === undefined) throw new Error('There are no vectors.')
const SECRET = vector.secret

const targetOf = ({ path, query }: { path: string; query: string }): string => (query === '' ? path : `${path}?${query}`)

/** The first vector's request, sent at its time. */
const signed: SignedRequest = {
  method: vector.method,
  target: targetOf(vector),
  body: Buffer.from(vector.body_base64, 'base64'),
  version: 'v1',
  timestamp: vector.timestamp,
  signature: vector.signature,
  secrets: [SECRET],
  nowUs: Number(vector.timestamp) * 1e6,
}

const reasonOf = (changes: Partial<SignedRequest>): string | undefined => verifyRequestSignature({ ...signed, ...changes })?.reason

describe('the vectors', () => {
  it.each(positive.cases)('accept: $name', (one) => {
    const body = Buffer.from(one.body_base64, 'base64')
    const request = { method: one.method, target: targetOf(one), body, timestamp: one.timestamp, signature: one.signature }
    expect(reasonOf({ ...request, secrets: [one.secret], nowUs: Number(one.timestamp) * 1e6 })).toBeUndefined()
  })

  it.each(negative.cases)('refuse: $name ($reason)', (one) => {
    const headers: Record<string, string | undefined> = one.headers
    const failure = verifyRequestSignature({
      method: one.method,
      target: one.target,
      body: Buffer.from(one.body_base64, 'base64'),
      version: headers['X-Signature-Version'],
      timestamp: headers['X-Signature-Timestamp'],
      signature: headers['X-Signature'],
      secrets: one.secret === null ? [] : [one.secret],
      nowUs: one.now * 1e6,
    })
    expect(failure?.reason).toBe(one.reason)
    expect(failure?.message).toMatch(/\.$/)
    expect(failure?.suggestion).toMatch(/\.$/)
  })

  it('have a case for each reason', () => {
    expect([...new Set(negative.cases.map((one) => one.reason))].sort()).toEqual([
      'future_timestamp',
      'malformed_signature',
      'malformed_timestamp',
      'missing_signature_header',
      'no_signing_secret',
      'signature_mismatch',
      'signature_required',
      'stale_timestamp',
      'unsupported_signature_version',
    ])
  })
})

describe('a signed request', () => {
  it('is accepted for five minutes before and after its timestamp, to the microsecond', () => {
    const { nowUs } = signed
    expect(reasonOf({ nowUs: nowUs + 300e6 })).toBeUndefined()
    expect(reasonOf({ nowUs: nowUs + 300e6 + 1 })).toBe('stale_timestamp')
    expect(reasonOf({ nowUs: nowUs - 300e6 })).toBeUndefined()
    expect(reasonOf({ nowUs: nowUs - 300e6 - 1 })).toBe('future_timestamp')
  })

  it('is accepted under any of the secrets, while others are none of the signer', () => {
    expect(reasonOf({ secrets: ['sign_new', SECRET] })).toBeUndefined()
    expect(reasonOf({ secrets: [SECRET, 'sign_old'] })).toBeUndefined()
    expect(reasonOf({ secrets: ['sign_new', 'sign_old'] })).toBe('signature_mismatch')
  })

  it('signs an empty query like none', () => {
    expect(reasonOf({ target: `${signed.target}?` })).toBeUndefined()
    expect(reasonOf({ target: `${signed.target}??` })).toBe('signature_mismatch')
  })

  it('splits its target at the first question mark', () => {
    const [body, time] = ['', vector.timestamp]
    const text = `GET\n/v1/inbox\nsource=a?b\n${time}\n${createHash('sha256').update(body).digest('hex')}`
    const signature = createHmac('sha256', SECRET).update(text).digest('base64')
    const request = { method: 'GET', body: Buffer.from(body), signature }
    expect(reasonOf({ ...request, target: '/v1/inbox?source=a?b' })).toBeUndefined()
    expect(reasonOf({ ...request, target: '/v1/inbox?source=a%3Fb' })).toBe('signature_mismatch')
  })

  it('is refused when any byte of the body is turned', () => {
    fc.assert(
      fc.property(fc.nat(signed.body.length * 8 - 1), (bit) => {
        const body = Uint8Array.from(signed.body)
        body[bit >> 3] = (body[bit >> 3] ?? 0) ^ (1 << (bit & 7))
        expect(reasonOf({ body })).toBe('signature_mismatch')
      }),
    )
  })

  it('is refused under any other method, target, timestamp or signature', () => {
    const other = (than: string, text: fc.Arbitrary<string>): fc.Arbitrary<string> => text.filter((one) => one !== than)
    const nearby = fc.integer({ min: -300, max: 300 }).map((by) => String(Number(vector.timestamp) + by))
    const bytes = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((one) => Buffer.from(one).toString('base64'))
    const isMismatch = (changes: Partial<SignedRequest>): boolean => reasonOf(changes) === 'signature_mismatch'
    fc.assert(fc.property(other(signed.method, fc.string()), (method) => isMismatch({ method })))
    fc.assert(fc.property(other(signed.target, fc.string()), (target) => target === `${signed.target}?` || isMismatch({ target })))
    fc.assert(fc.property(other(vector.timestamp, nearby), (timestamp) => isMismatch({ timestamp })))
    fc.assert(fc.property(other(vector.signature, bytes), (signature) => isMismatch({ signature })))
  })

  it('is refused whatever else stands in the headers', () => {
    const text = fc.oneof(fc.string(), fc.base64String(), fc.string({ unit: 'binary' }))
    const headers = fc.record({ version: text, timestamp: text, signature: text })
    fc.assert(fc.property(headers, (changes) => reasonOf(changes) !== undefined))
    fc.assert(fc.property(text, (timestamp) => timestamp === vector.timestamp || reasonOf({ timestamp }) !== undefined))
    fc.assert(fc.property(text, (signature) => signature === vector.signature || reasonOf({ signature }) !== undefined))
  })

  it('names the headers that are missing, and those alone', () => {
    const missing = (changes: Partial<SignedRequest>) => verifyRequestSignature({ ...signed, ...changes })?.message
    expect(missing({ version: undefined })).toBe('Missing: X-Signature-Version.')
    expect(missing({ timestamp: undefined, signature: '' })).toBe('Missing: X-Signature-Timestamp.')
    expect(missing({ timestamp: undefined, signature: undefined })).toBe('Missing: X-Signature-Timestamp, X-Signature.')
  })

  it('says how far the clocks are apart', () => {
    expect(verifyRequestSignature({ ...signed, nowUs: signed.nowUs + 400e6 })?.message).toContain('400 seconds behind')
    expect(verifyRequestSignature({ ...signed, nowUs: signed.nowUs - 300.5e6 })?.message).toContain('301 seconds ahead')
  })
})

it('takes any of the three headers, an empty one too, for the claim to be signed', () => {
  expect(hasSignatureHeaders({})).toBe(false)
  expect(hasSignatureHeaders({ version: undefined, timestamp: undefined, signature: undefined })).toBe(false)
  for (const field of ['version', 'timestamp', 'signature']) expect(hasSignatureHeaders({ [field]: '' })).toBe(true)
})
