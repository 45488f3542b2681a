import { createHash, createHmac } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { buildApp } from '../app.ts'
import { SCOPES } from '../ports.ts'
import { INPUT } from '../testing/events.ts'
import { sharedApp, testApp } from '../testing/test-app.ts'

const SECRET = 'sign_4f1c2a7be0d94c53a1b6'
const app = await sharedApp()
const now = () => String(Math.floor(app.clock.nowUs() / 1e6))

interface Signed {
  secret?: string
  timestamp?: string
  /** What is signed, where it is not what is sent. */
  signedBody?: string
  signedPath?: string
}

function sign(method: string, target: string, body: string, { secret = SECRET, timestamp = now(), ...signed }: Signed = {}) {
  const [path = '', query = ''] = (signed.signedPath ?? target).split('?')
  const hash = createHash('sha256')
    .update(signed.signedBody ?? body)
    .digest('hex')
  const signature = createHmac('sha256', secret).update([method, path, query, timestamp, hash].join('\n')).digest('base64')
  return { 'x-signature-version': 'v1', 'x-signature-timestamp': timestamp, 'x-signature': signature }
}

const restrictions = { signingSecrets: [{ secret: SECRET, expiresAtUs: null }] }
const optional = app.key(SCOPES, 'acme', restrictions)
const required = app.key(SCOPES, 'acme', { ...restrictions, requireSignature: true })
const body = JSON.stringify(INPUT)
const create = (key: string, headers: Record<string, string>) => app.request('/v1/events', { method: 'POST', key, body, headers })

describe('a signed request', () => {
  it.each([
    ['optional', optional],
    ['required', required],
  ])('is accepted where a signature is %s', async (_, key) => {
    expect((await create(key, sign('POST', '/v1/events', body))).status).toBe(201)
    const target = '/v1/inbox?limit=10&source=a+b%2Bc'
    expect((await app.request(target, { key, headers: sign('GET', target, '') })).status).toBe(200)
  })

  it.each([
    ['another body', { signedBody: `${body} ` }, 'signature_mismatch'],
    ['another path', { signedPath: '/v1/events/bulk' }, 'signature_mismatch'],
    ['another query', { signedPath: '/v1/events?x=1' }, 'signature_mismatch'],
    ['another secret', { secret: 'sign_other' }, 'signature_mismatch'],
    ['a time of 301 seconds ago', { timestamp: String(Number(now()) - 301) }, 'stale_timestamp'],
    ['a time in 301 seconds', { timestamp: String(Number(now()) + 301) }, 'future_timestamp'],
    ['NaN for a time', { timestamp: 'NaN' }, 'malformed_timestamp'],
  ])('is refused with %s, even where a signature is optional', async (_, signed, reason) => {
    const answer = await create(optional, sign('POST', '/v1/events', body, signed))
    expect([answer.status, answer.body.error.code]).toEqual([401, 'UNAUTHORIZED'])
    expect(answer.body.error.details.reason).toBe(reason)
    expect(answer.text).not.toContain(SECRET)
  })

  it.each([-300, 300])('is accepted %i seconds off', async (seconds) => {
    expect((await create(required, sign('POST', '/v1/events', body, { timestamp: String(Number(now()) + seconds) }))).status).toBe(201)
  })

  it.each(['x-signature-version', 'x-signature-timestamp', 'x-signature'])('is refused without %s', async (name) => {
    const headers = Object.fromEntries(Object.entries(sign('POST', '/v1/events', body)).filter(([header]) => header !== name))
    expect((await create(optional, headers)).status).toBe(401)
  })

  it('is refused where the key has no signing secret', async () => {
    expect((await create(app.key(), sign('POST', '/v1/events', body))).status).toBe(401)
  })

  it('may be signed with either secret of an overlap, and with the old one no longer after it', async () => {
    const own = await testApp()
    const endUs = own.clock.nowUs() + 60e6
    const signingSecrets = [
      { secret: 'sign_new', expiresAtUs: null },
      { secret: SECRET, expiresAtUs: endUs },
    ]
    const key = own.key(SCOPES, 'acme', { signingSecrets, requireSignature: true })
    const ask = (secret: string) =>
      own.request('/v1/whoami', {
        key,
        headers: sign('GET', '/v1/whoami', '', { secret, timestamp: String(Math.floor(own.clock.nowUs() / 1e6)) }),
      })
    expect([(await ask('sign_new')).status, (await ask(SECRET)).status]).toEqual([200, 200])
    own.clock.advance({ seconds: 60 })
    expect([(await ask('sign_new')).status, (await ask(SECRET)).status]).toEqual([200, 401])
  })

  it('is judged by the bytes as received, before they are parsed', async () => {
    const broken = '{"source": broken'
    expect(
      (await app.request('/v1/events', { method: 'POST', key: required, body: broken, headers: sign('POST', '/v1/events', broken) }))
        .status,
    ).toBe(400)
    expect((await app.request('/v1/events', { method: 'POST', key: required, body: broken })).status).toBe(401)
  })

  it('is stopped at the size limit while its body is read', async () => {
    const endless = new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(65_536)) })
    const request = new Request('http://localhost/v1/events', {
      method: 'POST',
      body: endless,
      headers: { 'x-api-key': required, ...sign('POST', '/v1/events', '') },
      duplex: 'half',
    } as RequestInit)
    expect((await buildApp(app.deps).fetch(request)).status).toBe(413)
  })

  it('comes before the rate limit and the scope', async () => {
    const key = app.key([], 'acme', { ...restrictions, requireSignature: true, rateLimitPerMinute: 1 })
    expect((await app.request('/v1/inbox', { key })).status).toBe(401)
    expect((await app.request('/v1/inbox', { key, headers: sign('GET', '/v1/inbox', '') })).status).toBe(403)
    expect((await app.request('/v1/inbox', { key, headers: sign('GET', '/v1/inbox', '') })).status).toBe(429)
  })
})

describe('an unsigned request', () => {
  it('is accepted where a signature is optional', async () => {
    expect((await create(optional, {})).status).toBe(201)
  })

  it('is refused where one is required, on unknown paths too', async () => {
    const answer = await create(required, {})
    expect([answer.status, answer.body.error.details.reason]).toEqual([401, 'signature_required'])
    expect((await app.request('/v1/nothing', { key: required })).status).toBe(401)
  })
})

describe('a signature that comes again', () => {
  const keyInput = JSON.stringify({ name: 'made', scopes: ['events:read'] })
  const makeKey = (key: string, headers: Record<string, string>) =>
    app.request('/v1/api-keys', { method: 'POST', key, body: keyInput, headers })

  it('is accepted for events', async () => {
    const headers = sign('POST', '/v1/events', body)
    expect([(await create(optional, headers)).status, (await create(optional, headers)).status]).toEqual([201, 201])
  })

  it('is refused for a write to the keys, fifty at once too', async () => {
    const headers = sign('POST', '/v1/api-keys', keyInput)
    const answers = await Promise.all(Array.from({ length: 50 }, () => makeKey(optional, headers)))
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1)
    const refused = answers.filter(({ status }) => status === 401)
    expect(refused).toHaveLength(49)
    expect(refused[0]?.body.error.details.reason).toBe('signature_repeated')
  })

  it('is refused by another server on the same store', async () => {
    const timestamp = String(Number(now()) - 1)
    const headers = sign('POST', '/v1/api-keys', keyInput, { timestamp })
    expect((await makeKey(optional, headers)).status).toBe(201)
    const other = buildApp({ ...app.deps })
    const init = { method: 'POST', body: keyInput, headers: { 'content-type': 'application/json', 'x-api-key': optional, ...headers } }
    expect((await other.request('http://localhost/v1/api-keys', init)).status).toBe(401)
  })

  it('is accepted for reads of the keys', async () => {
    const headers = sign('GET', '/v1/api-keys', '')
    for (let count = 0; count < 2; count++) expect((await app.request('/v1/api-keys', { key: optional, headers })).status).toBe(200)
  })
})
