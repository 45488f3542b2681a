import { describe, expect, it } from 'vitest'
import { atOnce, keyRingOnStore, principalOf } from '../testing/key-ring.ts'

const SECOND = 1_000_000

describe('the end of a key', () => {
  it('comes when it expires, to the microsecond, without asking the store', async () => {
    const { ring, open, save, watched, clock } = await keyRingOnStore()
    await save('secret', { expiresAtUs: clock.nowUs() + 2 * SECOND })
    await ring.authenticate('secret')
    clock.advance({ us: 2 * SECOND - 1 })
    expect(atOnce(ring.authenticate('secret')).outcome).toBe('known')
    clock.advance({ us: 1 })
    expect(atOnce(ring.authenticate('secret'))).toEqual({ outcome: 'expired' })
    expect(watched.reads).toBe(1)
    expect(await open().authenticate('secret')).toEqual({ outcome: 'expired' })
  })

  it('comes for a secret that was rotated away at its second, while its successor works on', async () => {
    const { ring, open, save, version, watched, clock } = await keyRingOnStore()
    const record = await save('old')
    const endsAtUs = clock.nowUs() + 2 * SECOND
    const old = version('old', { rotatedAtUs: clock.nowUs(), expiresAtUs: endsAtUs })
    await save('new', { ...record, versions: [version('new', { version: 2 }), old] })
    for (const secret of ['old', 'new']) expect(principalOf(await ring.authenticate(secret)).keyId).toBe(record.keyId)
    clock.advance({ us: 2 * SECOND - 1 })
    expect(atOnce(ring.authenticate('old')).outcome).toBe('known')
    clock.advance({ us: 1 })
    expect(atOnce(ring.authenticate('old'))).toEqual({ outcome: 'expired' })
    expect(atOnce(ring.authenticate('new')).outcome).toBe('known')
    expect(watched.reads).toBe(2)
    expect(await open().authenticate('old')).toEqual({ outcome: 'expired' })
    expect((await open().authenticate('new')).outcome).toBe('known')
  })

  it('comes with the key, not with a secret that would last longer', async () => {
    const { ring, save, version, clock } = await keyRingOnStore()
    const nowUs = clock.nowUs()
    await save('secret', { expiresAtUs: nowUs + SECOND, versions: [version('secret', { expiresAtUs: nowUs + 3 * SECOND })] })
    await ring.authenticate('secret')
    clock.advance({ seconds: 1 })
    expect(atOnce(ring.authenticate('secret'))).toEqual({ outcome: 'expired' })
  })

  it('comes at once in the process that revoked it', async () => {
    const { ring, save, clock } = await keyRingOnStore()
    const record = await save('secret')
    await ring.authenticate('secret')
    await save('secret', { ...record, revokedAtUs: clock.nowUs() })
    ring.forget(record.keyId)
    expect(await ring.authenticate('secret')).toEqual({ outcome: 'revoked' })
    expect(atOnce(ring.authenticate('secret'))).toEqual({ outcome: 'revoked' })
  })

  it('comes within 4 seconds when another process revoked it', async () => {
    const { ring, save, clock } = await keyRingOnStore()
    const record = await save('secret')
    await ring.authenticate('secret')
    await save('secret', { ...record, revokedAtUs: clock.nowUs() })
    clock.advance({ seconds: 4 })
    expect(await ring.authenticate('secret')).toEqual({ outcome: 'revoked' })
  })

  it('is revoked rather than expired, and needs no signing secret', async () => {
    const { ring, save, clock } = await keyRingOnStore()
    const nowUs = clock.nowUs()
    await save('secret', { revokedAtUs: nowUs, expiresAtUs: nowUs + SECOND, signingSecrets: [{ sealed: 'damaged', expiresAtUs: null }] })
    clock.advance({ seconds: 1 })
    expect(await ring.authenticate('secret')).toEqual({ outcome: 'revoked' })
  })
})

describe('forgetting a key', () => {
  it('concerns all of its secrets, and no other key', async () => {
    const { ring, save, version, watched } = await keyRingOnStore()
    const { keyId } = await save('new', { versions: [version('new', { version: 2 }), version('old')] })
    await save('other')
    for (const secret of ['new', 'old', 'other']) await ring.authenticate(secret)
    ring.forget(keyId)
    atOnce(ring.authenticate('other'))
    expect(watched.reads).toBe(3)
    for (const secret of ['new', 'old']) await ring.authenticate(secret)
    expect(watched.reads).toBe(5)
  })

  it('makes a look-up that was under way worthless: nobody joins it, and it is not kept', async () => {
    const { ring, save, watched, clock } = await keyRingOnStore()
    const record = await save('secret')
    const [answered, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    watched.beforeAnswer = () => {
      answered.resolve()
      return gate.promise
    }
    const before = ring.authenticate('secret')
    await answered.promise
    watched.beforeAnswer = async () => {}
    await save('secret', { ...record, revokedAtUs: clock.nowUs() })
    ring.forget(record.keyId)
    expect((await ring.authenticate('secret')).outcome).toBe('revoked')
    gate.resolve()
    expect((await before).outcome).toBe('known')
    expect(atOnce(ring.authenticate('secret')).outcome).toBe('revoked')
    expect(watched.reads).toBe(2)
  })
})
