import pino from 'pino'
import { describe, expect, it } from 'vitest'
import { buildApp } from '../app.ts'
import { SCOPES } from '../ports.ts'
import { sharedApp } from '../testing/test-app.ts'

const behindProxies = await sharedApp({ TRUSTED_PROXIES: '10.0.0.0/8, 2001:db8:ffff::/48' })
const direct = await sharedApp()

const ask = (app: typeof direct, allowedIps: string[], peerAddress: string, forwardedFor?: string) =>
  app.request('/v1/whoami', {
    key: app.key(SCOPES, 'acme', { allowedIps, rateLimitPerMinute: 10 }),
    peerAddress,
    ...(forwardedFor !== undefined && { headers: { 'x-forwarded-for': forwardedFor } }),
  })

describe('an allowlist', () => {
  it.each([
    [[], '203.0.113.9'],
    [['203.0.113.9'], '203.0.113.9'],
    [['203.0.113.0/24'], '203.0.113.9'],
    [['203.0.113.9'], '::ffff:203.0.113.9'],
    [['::ffff:203.0.113.9'], '203.0.113.9'],
    [['192.0.2.1', '2001:db8::/32'], '2001:db8::5'],
    [['2001:db8::5'], '2001:0db8:0:0:0:0:0:5'],
    [['0.0.0.0/0'], '203.0.113.9'],
  ])('%j allows %s', async (allowedIps, peer) => {
    expect((await ask(direct, allowedIps, peer)).status).toBe(200)
  })

  it.each([
    [['203.0.113.9'], '203.0.113.10'],
    [['203.0.113.0/24'], '203.0.114.1'],
    [['203.0.113.9'], '2001:db8::5'],
    [['2001:db8::/32'], '2001:db9::1'],
    [['0.0.0.0/0'], '2001:db8::1'],
    [['203.0.113.9'], ''],
    [['203.0.113.9'], 'unknown'],
  ])('%j refuses %j, and takes nothing from the rate', async (allowedIps, peer) => {
    const answer = await ask(direct, allowedIps, peer)
    expect([answer.status, answer.body.error.code, answer.headers.get('x-ratelimit-remaining')]).toEqual([403, 'FORBIDDEN', '10'])
  })

  it('comes before the signature, the rate limit and the scope', async () => {
    const key = direct.key([], 'acme', { allowedIps: ['203.0.113.9'], requireSignature: true, rateLimitPerMinute: 1 })
    for (let count = 0; count < 3; count++) expect((await direct.request('/v1/inbox', { key, peerAddress: '192.0.2.1' })).status).toBe(403)
  })
})

describe('X-Forwarded-For', () => {
  it('does not count from an address that is no trusted proxy', async () => {
    expect((await ask(direct, ['203.0.113.9'], '192.0.2.1', '203.0.113.9')).status).toBe(403)
    expect((await ask(behindProxies, ['203.0.113.9'], '192.0.2.1', '203.0.113.9')).status).toBe(403)
    expect((await ask(direct, ['192.0.2.1'], '192.0.2.1', '203.0.113.9')).status).toBe(200)
  })

  it.each([
    ['203.0.113.9', 200],
    ['203.0.113.9, 10.1.2.3', 200],
    ['198.51.100.1, 203.0.113.9, 10.1.2.3', 200],
    ['203.0.113.9:5711, 2001:db8:ffff::1', 200],
    // What stands in front of the first untrusted address was written by whoever is there.
    ['203.0.113.9, 198.51.100.1', 403],
    ['203.0.113.9, 198.51.100.1, 10.1.2.3', 403],
    ['203.0.113.9, nonsense, 10.1.2.3', 403],
    ['', 403],
  ])('%j behind a trusted proxy gives %i', async (forwardedFor, status) => {
    expect((await ask(behindProxies, ['203.0.113.9'], '10.0.0.1', forwardedFor)).status).toBe(status)
  })
})

describe('a blocked request', () => {
  it('is logged with the key id and the address, without the key', async () => {
    let logged = ''
    const log = pino(
      {},
      {
        write: (line) => {
          logged += line
        },
      },
    )
    const key = direct.key(SCOPES, 'acme', { allowedIps: ['203.0.113.9'] })
    const answer = await buildApp({ ...direct.deps, log }).request(
      'http://localhost/v1/whoami',
      { headers: { 'x-api-key': key } },
      { peerAddress: '192.0.2.1' },
    )
    expect(answer.status).toBe(403)
    expect(JSON.parse(logged)).toMatchObject({
      level: 40,
      ip: '192.0.2.1',
      keyId: expect.stringMatching(/^key_test_/),
      requestId: answer.headers.get('x-request-id'),
    })
    expect(logged).not.toContain(key)
  })
})
