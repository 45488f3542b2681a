import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it, vi } from 'vitest'
import { signRequest } from '../src/signing.ts'

interface Vector {
  name: string
  method: string
  path: string
  query: string
  timestamp: string
  body_base64: string
  secret: string
  signature: string
}
interface NegativeVector {
  name: string
  method: string
  target: string
  body_base64: string
  headers: Record<string, string>
  secret: string | null
  reason: string
}
const vectors = <Case>(file: string): Case[] =>
  JSON.parse(readFileSync(new URL(`../../../docs/vectors/${file}`, import.meta.url), 'utf8')).cases

const targetOf = ({ path, query }: Vector) => (query === '' ? path : `${path}?${query}`)

describe('signing a request', () => {
  it.each(vectors<Vector>('request-signing.json'))('gives the signature of the vector: $name', async (vector) => {
    const { method, secret, timestamp, signature } = vector
    const body = Buffer.from(vector.body_base64, 'base64')
    expect(await signRequest({ method, target: targetOf(vector), body, secret, timestamp: Number(timestamp) })).toEqual({
      'X-Signature-Version': 'v1',
      'X-Signature-Timestamp': timestamp,
      'X-Signature': signature,
    })
  })

  it.each(vectors<Vector>('request-signing.json'))('signs a body given as text like its bytes: $name', async (vector) => {
    const { method, secret, timestamp, signature } = vector
    const body = Buffer.from(vector.body_base64, 'base64').toString()
    const headers = await signRequest({ method, target: targetOf(vector), body, secret, timestamp: Number(timestamp) })
    expect(headers['X-Signature']).toBe(signature)
  })

  const mismatches = vectors<NegativeVector>('request-signing-negative.json').filter(({ reason }) => reason === 'signature_mismatch')

  it('knows signatures that must be refused', () => {
    expect(mismatches.length).toBeGreaterThan(10)
  })

  it.each(mismatches)('does not sign so: $name', async ({ method, target, body_base64, headers, secret }) => {
    const timestamp = Number(headers['X-Signature-Timestamp'])
    const body = Buffer.from(body_base64, 'base64')
    expect(await signRequest({ method, target, body, secret: secret ?? '-', timestamp })).not.toEqual(headers)
  })

  it('signs no body like an empty one, and an empty query like none', async () => {
    const common = { method: 'GET', secret: 'sign_1', timestamp: 1 }
    const none = await signRequest({ ...common, target: '/v1/inbox' })
    expect(await signRequest({ ...common, target: '/v1/inbox?', body: '' })).toEqual(none)
  })

  it('signs the method in upper case', async () => {
    const common = { target: '/v1/inbox', secret: 'sign_1', timestamp: 1 }
    expect(await signRequest({ ...common, method: 'delete' })).toEqual(await signRequest({ ...common, method: 'DELETE' }))
  })

  it('stamps the present in whole seconds', async () => {
    vi.useFakeTimers({ now: 1_763_712_000_999, toFake: ['Date'] })
    try {
      const headers = await signRequest({ method: 'GET', target: '/v1/inbox', secret: 'sign_1' })
      expect(headers['X-Signature-Timestamp']).toBe('1763712000')
    } finally {
      vi.useRealTimers()
    }
  })

  it('signs the part of a buffer that is given, and shared memory', async () => {
    const common = { method: 'POST', target: '/v1/events', secret: 'sign_1', timestamp: 1 }
    const shared = new Uint8Array(new SharedArrayBuffer(2))
    shared.set(Buffer.from('{}'))
    const expected = await signRequest({ ...common, body: '{}' })
    expect(await signRequest({ ...common, body: Buffer.from('--{}--').subarray(2, 4) })).toEqual(expected)
    expect(await signRequest({ ...common, body: shared })).toEqual(expected)
  })

  it('gives another signature when anything signed is another', async () => {
    const part = fc.string({ unit: 'grapheme-ascii', minLength: 1, maxLength: 12 }).map((text) => encodeURIComponent(text))
    const request = fc.record({
      method: fc.constantFrom('GET', 'POST', 'DELETE'),
      path: part,
      query: part,
      body: fc.uint8Array({ maxLength: 40 }),
      timestamp: fc.integer({ min: 1, max: 2_000_000_000 }),
      secret: part,
    })
    const sign = ({ path, query, ...rest }: typeof request extends fc.Arbitrary<infer T> ? T : never) =>
      signRequest({ ...rest, target: `/${path}?${query}` }).then((headers) => headers['X-Signature'])
    await fc.assert(
      fc.asyncProperty(
        request,
        request,
        fc.constantFrom('method', 'path', 'query', 'body', 'timestamp', 'secret'),
        async (one, other, field) => {
          fc.pre(String(one[field]) !== String(other[field]))
          expect(await sign({ ...one, [field]: other[field] })).not.toBe(await sign(one))
        },
      ),
    )
  })
})
