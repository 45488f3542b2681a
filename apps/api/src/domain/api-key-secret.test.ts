import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isMistypedSecret, newApiKeySecret, newKeyId, newSigningSecret, withoutSecrets } from './api-key-secret.ts'

const NOW_US = Date.parse('2025-11-21T08:00:00.123Z') * 1000 + 456

describe('the secret of an API key', () => {
  it('is recognisable by its prefix and its form, and never the same', () => {
    const secrets = Array.from({ length: 200 }, newApiKeySecret)
    for (const secret of secrets) expect(secret).toMatch(/^trg_[0-9A-Za-z]{38}$/)
    expect(new Set(secrets).size).toBe(200)
  })

  it('uses every digit', () => {
    const digits = Array.from({ length: 200 }, () => newApiKeySecret().slice(4, 36)).join('')
    expect(new Set(digits).size).toBe(62)
  })

  // Computed by another program, so that a scanner of anybody's can check it too.
  it.each([
    'trg_000000000000000000000000000000002wjyrI',
    'trg_abcdefghijklmnopqrstuvwxyzABCDEF1mVgZW',
    'trg_123456789012345678901234567890zz3RPoLC',
    'trg_0000000000000000000000000000017200YwDE',
  ])('ends in the CRC-32 of its random digits, in base 62: %s', (secret) => expect(isMistypedSecret(secret)).toBe(false))

  it('is not mistyped as it was made', () => {
    for (let count = 0; count < 200; count++) expect(isMistypedSecret(newApiKeySecret())).toBe(false)
  })

  it('is mistyped with any digit changed', () => {
    fc.assert(
      fc.property(fc.integer({ min: 4, max: 41 }), fc.constantFrom(...'09AZaz'), (at, digit) => {
        const secret = newApiKeySecret()
        fc.pre(secret[at] !== digit)
        expect(isMistypedSecret(secret.slice(0, at) + digit + secret.slice(at + 1))).toBe(true)
      }),
    )
  })

  it('is mistyped with two neighbours swapped', () => {
    fc.assert(
      fc.property(fc.integer({ min: 4, max: 40 }), (at) => {
        const secret = newApiKeySecret()
        fc.pre(secret[at] !== secret[at + 1])
        expect(isMistypedSecret(secret.slice(0, at) + secret[at + 1] + secret[at] + secret.slice(at + 2))).toBe(true)
      }),
    )
  })

  it.each([
    '',
    'test-api-key-12345',
    'sk_live_00000000000000000000000000000000000000',
    'trg_short',
    `trg_${'0'.repeat(39)}`,
    `trg_${'-'.repeat(38)}`,
    ` trg_${'0'.repeat(38)}`,
  ])('of another form has no checksum to be wrong: "%s"', (secret) => expect(isMistypedSecret(secret)).toBe(false))
})

describe('the id of an API key', () => {
  it('has the digits of a UUID of version 7 that says when it was made', () => {
    const id = newKeyId(NOW_US)
    expect(id).toMatch(/^key_[0-9a-f]{12}7[0-9a-f]{3}[89ab][0-9a-f]{15}$/)
    expect(Number.parseInt(id.slice(4, 16), 16)).toBe(Math.floor(NOW_US / 1000))
  })

  it('sorts by time', () => {
    const ids = Array.from({ length: 2000 }, (_, us) => newKeyId(NOW_US + us))
    expect(ids.toSorted()).toEqual(ids)
  })

  it('is never the same at the same time', () => {
    expect(new Set(Array.from({ length: 1000 }, () => newKeyId(NOW_US))).size).toBe(1000)
  })
})

it('makes signing secrets that are recognisable, and never the same', () => {
  const secrets = Array.from({ length: 100 }, newSigningSecret)
  for (const secret of secrets) expect(secret).toMatch(/^sign_[A-Za-z0-9_-]{43}$/)
  expect(new Set(secrets).size).toBe(100)
})

describe('a text without secrets', () => {
  it('has none of ours, wherever they stood', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), fc.boolean(), (before, after, isSigning) => {
        const secret = isSigning ? newSigningSecret() : newApiKeySecret()
        const text = withoutSecrets(before + secret + after)
        expect(text).not.toContain(secret.slice(0, 20))
        expect(text).toContain(`${before}[secret]`)
      }),
    )
  })

  it('has none of several', () => {
    expect(withoutSecrets(`/v1/${newApiKeySecret()}/x?key=${newApiKeySecret()}&signing=${newSigningSecret()}`)).toBe(
      '/v1/[secret]/x?key=[secret]&signing=[secret]',
    )
  })

  it('has none that was cut off', () => {
    expect(withoutSecrets(`key=${newApiKeySecret().slice(0, 24)}`)).toBe('key=[secret]')
    expect(withoutSecrets(`${newSigningSecret().slice(0, 30)}…`)).toBe('[secret]…')
  })

  it.each(['/v1/api-keys/key_019aa5b2c3d47e5f8a9b0c1d2e3f4a5b', 'design_of_things', 'trg_ and sign_', ''])(
    'is as it was without any: %s',
    (text) => {
      expect(withoutSecrets(text)).toBe(text)
    },
  )
})
