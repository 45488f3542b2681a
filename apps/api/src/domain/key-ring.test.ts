import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { SCOPES, StoreUnavailableError } from '../ports.ts'
import { atOnce, keyRingOnStore, principalOf } from '../testing/key-ring.ts'
import { newApiKeySecret, newKeyId } from './api-key-secret.ts'
import { DEVELOPMENT_KEY, DEVELOPMENT_KEY_ID } from './key-ring.ts'

const SECOND = 1_000_000

describe('a stored key', () => {
  it('is known by its secret, with all that binds it', async () => {
    const { ring, save, vault, clock } = await keyRingOnStore()
    const keyId = newKeyId(clock.nowUs())
    const endsAtUs = clock.nowUs() + 60 * SECOND
    await save('secret', {
      keyId,
      name: 'Shop',
      scopes: ['events:write'],
      rateLimitPerMinute: 7,
      allowedIps: ['10.0.0.0/8'],
      requireSignature: true,
      signingSecrets: [
        { sealed: await vault.seal('newer', keyId), expiresAtUs: null },
        { sealed: await vault.seal('older', keyId), expiresAtUs: endsAtUs },
        { sealed: await vault.seal('ended', keyId), expiresAtUs: clock.nowUs() },
      ],
      expiresAtUs: endsAtUs + 1,
    })
    expect(principalOf(await ring.authenticate('secret'))).toEqual({
      workspaceId: 'acme',
      keyId,
      name: 'Shop',
      scopes: ['events:write'],
      rateLimitPerMinute: 7,
      allowedIps: ['10.0.0.0/8'],
      requireSignature: true,
      signingSecrets: [
        { secret: 'newer', expiresAtUs: null },
        { secret: 'older', expiresAtUs: endsAtUs },
      ],
      expiresAtUs: endsAtUs + 1,
      isDevelopment: false,
    })
  })

  it.each([
    [null, 1000],
    [0, 0],
    [5000, 5000],
  ])('with the rate limit %s has %i', async (rateLimitPerMinute, effective) => {
    const { ring, save } = await keyRingOnStore()
    await save('secret', { rateLimitPerMinute })
    expect(principalOf(await ring.authenticate('secret')).rateLimitPerMinute).toBe(effective)
  })

  it('is answered at once after the first time, with the same object, which nobody can change', async () => {
    const { ring, save, vault, watched, clock } = await keyRingOnStore()
    const keyId = newKeyId(clock.nowUs())
    await save('secret', { keyId, signingSecrets: [{ sealed: await vault.seal('signing', keyId), expiresAtUs: null }] })
    const first = await ring.authenticate('secret')
    expect(atOnce(ring.authenticate('secret'))).toBe(first)
    expect(watched.reads).toBe(1)
    const principal = principalOf(first)
    const { scopes, allowedIps, signingSecrets } = principal
    for (const part of [first, principal, scopes, allowedIps, signingSecrets, signingSecrets[0]]) expect(Object.isFrozen(part)).toBe(true)
  })

  it('is asked for again after 4 seconds, counted from before the store was asked', async () => {
    const { ring, save, watched, clock } = await keyRingOnStore()
    await save('secret')
    const gate = Promise.withResolvers<void>()
    watched.beforeAnswer = () => gate.promise
    const first = ring.authenticate('secret')
    clock.advance({ seconds: 3 })
    gate.resolve()
    await first
    clock.advance({ us: SECOND - 1 })
    atOnce(ring.authenticate('secret'))
    expect(watched.reads).toBe(1)
    clock.advance({ us: 1 })
    expect((await ring.authenticate('secret')).outcome).toBe('known')
    expect(watched.reads).toBe(2)
  })

  it('is asked for again when the clock was set back', async () => {
    const { ring, save, watched, clock } = await keyRingOnStore()
    await save('secret')
    await ring.authenticate('secret')
    clock.advance({ seconds: -60 })
    await ring.authenticate('secret')
    expect(watched.reads).toBe(2)
  })

  it.each(['test', 'ä ö ü €', 'sk_live_00000000000000000000000000000000000000', 'x'.repeat(512)])(
    'may have a secret of any form, since it may be imported: %s',
    async (secret) => {
      const { ring, save } = await keyRingOnStore()
      await save(secret)
      expect((await ring.authenticate(secret)).outcome).toBe('known')
    },
  )

  it('is not known by anything else', async () => {
    const { ring, save, vault } = await keyRingOnStore()
    const secret = newApiKeySecret()
    const { keyId } = await save(secret)
    await ring.authenticate(secret)
    const others = [vault.hash(secret), keyId, `${secret} `, ` ${secret}`, secret.slice(0, -1), secret.toLowerCase(), '__proto__', '\0']
    for (const other of others) expect((await ring.authenticate(other)).outcome, other).toBe('unknown')
  })
})

describe('a secret that no key has', () => {
  it('is unknown, and asked for each time', async () => {
    const { ring, save, watched } = await keyRingOnStore()
    const secret = newApiKeySecret()
    expect(await ring.authenticate(secret)).toEqual({ outcome: 'unknown' })
    await save(secret)
    expect((await ring.authenticate(secret)).outcome).toBe('known')
    expect(watched.reads).toBe(2)
  })

  it.each([
    ['is empty', ''],
    ['is longer than any', 'x'.repeat(513)],
    ['has a wrong checksum', `trg_${'0'.repeat(38)}`],
    ['is the development key', DEVELOPMENT_KEY],
  ])('costs no look at the store when it %s', async (_, secret) => {
    const { ring, watched } = await keyRingOnStore()
    expect(atOnce(ring.authenticate(secret))).toEqual({ outcome: 'unknown' })
    expect(watched.reads).toBe(0)
  })
})

describe('requests that come together', () => {
  it('share one look at the store', async () => {
    const { ring, save, watched } = await keyRingOnStore()
    await save('secret')
    await save('other')
    const answers = await Promise.all([...Array.from({ length: 20 }, () => ring.authenticate('secret')), ring.authenticate('other')])
    expect(watched.reads).toBe(2)
    expect(new Set(answers).size).toBe(2)
    for (const answer of answers) expect(answer.outcome).toBe('known')
  })

  it('share its failure, which is not kept', async () => {
    const { ring, save, watched } = await keyRingOnStore()
    await save('secret')
    watched.isAway = true
    const failed = await Promise.allSettled([ring.authenticate('secret'), ring.authenticate('secret')])
    expect(failed.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    expect(watched.reads).toBe(1)
    watched.isAway = false
    expect((await ring.authenticate('secret')).outcome).toBe('known')
  })

  it('are judged each at its own time', async () => {
    const { ring, save, watched, clock } = await keyRingOnStore()
    await save('secret', { expiresAtUs: clock.nowUs() + SECOND })
    const gate = Promise.withResolvers<void>()
    watched.beforeAnswer = () => gate.promise
    const answer = ring.authenticate('secret')
    clock.advance({ seconds: 1 })
    gate.resolve()
    expect(await answer).toEqual({ outcome: 'expired' })
  })
})

describe('while the store is away', () => {
  it('no key is unknown, and none is let in: it fails, and says nothing of the secret', async () => {
    const { ring, watched } = await keyRingOnStore()
    watched.isAway = true
    const secret = newApiKeySecret()
    const failure: unknown = await Promise.resolve(ring.authenticate(secret)).catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(StoreUnavailableError)
    expect(inspect(failure)).not.toContain(secret.slice(4, 20))
  })

  it('a key that was used lately works on, for 4 seconds', async () => {
    const { ring, save, watched, clock } = await keyRingOnStore()
    await save('secret')
    await ring.authenticate('secret')
    watched.isAway = true
    clock.advance({ us: 4 * SECOND - 1 })
    expect((await ring.authenticate('secret')).outcome).toBe('known')
    clock.advance({ us: 1 })
    await expect(ring.authenticate('secret')).rejects.toThrow(StoreUnavailableError)
  })
})

it('lets nobody in whose signing secret cannot be opened', async () => {
  const { ring, save, vault } = await keyRingOnStore()
  const sealed = await vault.seal('signing', 'key_of_somebody_else')
  const { keyId } = await save('secret', { signingSecrets: [{ sealed, expiresAtUs: null }] })
  await expect(ring.authenticate('secret')).rejects.toThrow(`A sealed secret of ${keyId}`)
})

it('keeps so many secrets at most, and those that were used last', async () => {
  const { ring, save, watched } = await keyRingOnStore({ maxEntries: 2 })
  for (const secret of ['a', 'b', 'c']) await save(secret)
  await ring.authenticate('a')
  await ring.authenticate('b')
  atOnce(ring.authenticate('a'))
  await ring.authenticate('c')
  atOnce(ring.authenticate('a'))
  atOnce(ring.authenticate('c'))
  expect(watched.reads).toBe(3)
  await ring.authenticate('b')
  expect(watched.reads).toBe(4)
  atOnce(ring.authenticate('c'))
  await ring.authenticate('a')
  expect(watched.reads).toBe(5)
})

it('is not filled by guessing', async () => {
  const { ring, save, watched } = await keyRingOnStore({ maxEntries: 2 })
  await save('secret')
  await ring.authenticate('secret')
  for (let guess = 0; guess < 10; guess++) await ring.authenticate(`guess-${guess}`)
  expect(watched.reads).toBe(11)
  atOnce(ring.authenticate('secret'))
})

describe('the development key', () => {
  it('has every scope of the workspace default, where it is accepted, and is not asked for', async () => {
    const { ring, watched } = await keyRingOnStore({ acceptDevelopmentKey: true })
    const answer = atOnce(ring.authenticate(DEVELOPMENT_KEY))
    expect(principalOf(answer)).toEqual({
      workspaceId: 'default',
      keyId: DEVELOPMENT_KEY_ID,
      name: 'Development key',
      scopes: SCOPES,
      rateLimitPerMinute: 1000,
      allowedIps: [],
      requireSignature: false,
      signingSecrets: [],
      expiresAtUs: null,
      isDevelopment: true,
    })
    expect(Object.isFrozen(principalOf(answer))).toBe(true)
    expect(atOnce(ring.authenticate(DEVELOPMENT_KEY))).toBe(answer)
    expect(watched.reads).toBe(0)
    expect(ring.takeUses()).toEqual([])
  })

  it('is unknown elsewhere, even if a key with that secret is stored', async () => {
    const { ring, save } = await keyRingOnStore()
    await save(DEVELOPMENT_KEY)
    expect(await ring.authenticate(DEVELOPMENT_KEY)).toEqual({ outcome: 'unknown' })
  })
})

describe('the uses of keys', () => {
  it('are the last of each key, and given once', async () => {
    const { ring, save, version, clock } = await keyRingOnStore()
    const first = await save('new', { versions: [version('new', { version: 2 }), version('old')] })
    const second = await save('other')
    await ring.authenticate('new')
    await ring.authenticate('other')
    const otherUsedAtUs = clock.nowUs()
    clock.advance({ seconds: 1 })
    await ring.authenticate('old')
    clock.advance({ seconds: 1 })
    ring.authenticate('new')
    expect(ring.takeUses()).toEqual([
      { keyId: first.keyId, usedAtUs: clock.nowUs() },
      { keyId: second.keyId, usedAtUs: otherUsedAtUs },
    ])
    expect(ring.takeUses()).toEqual([])
  })

  it('are only those that were let in', async () => {
    const { ring, save, watched, clock } = await keyRingOnStore()
    await save('revoked', { revokedAtUs: clock.nowUs() })
    await save('expired', { expiresAtUs: clock.nowUs() })
    for (const secret of ['revoked', 'expired', 'unknown', '', `trg_${'0'.repeat(38)}`]) {
      await ring.authenticate(secret)
      await ring.authenticate(secret)
    }
    watched.isAway = true
    await expect(ring.authenticate('secret')).rejects.toThrow()
    expect(ring.takeUses()).toEqual([])
  })

  it('that were given back are there again, but for those that are outdated', async () => {
    const { ring, save, clock } = await keyRingOnStore()
    const { keyId } = await save('secret')
    await ring.authenticate('secret')
    const taken = ring.takeUses()
    ring.returnUses(taken)
    expect(ring.takeUses()).toEqual(taken)
    clock.advance({ seconds: 1 })
    ring.authenticate('secret')
    ring.returnUses([...taken, { keyId: 'key_other', usedAtUs: 1 }])
    expect(ring.takeUses()).toEqual([
      { keyId, usedAtUs: clock.nowUs() },
      { keyId: 'key_other', usedAtUs: 1 },
    ])
  })
})
