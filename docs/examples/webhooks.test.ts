import { type SignedTestRequest, signTestWebhook } from '@triggers/client'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { freePort } from '../../packages/client/test/free-port.ts'
import { GO_BUILD_TIMEOUT_MS, RECEIVER_LANGUAGES } from './testing/languages.ts'
import { type Running, start, temporaryFolder } from './testing/processes.ts'

const SECRET = 'whsec_BwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyAhIiMkJSY='
// As a producer wrote it: parsed and serialised again, it would be another text.
const EVENT = `{"event_id": "01932d5e-7c1a-7b44-9d0a-5f3e2b1c4d6e", "event_type": "order.placed", "payload": {"order": 1042, "total": 99.50, "name": "Zoë"}}`
const TIMEOUT_MS = 30_000

const commandOf = new Map(RECEIVER_LANGUAGES.map(({ language, missing, command }) => [language, { missing, command }]))
const RECEIVERS = [
  { framework: 'Hono', language: 'TypeScript', name: 'verify-webhook-hono' },
  { framework: 'Express', language: 'TypeScript', name: 'verify-webhook-express' },
  { framework: 'Express', language: 'JavaScript', name: 'verify-webhook-express' },
  { framework: 'net/http', language: 'Go', name: 'verify-webhook' },
  { framework: 'http.server', language: 'Python', name: 'verify-webhook' },
  { framework: 'HttpServer', language: 'Java', name: 'verify-webhook' },
  { framework: 'php -S', language: 'PHP', name: 'verify-webhook' },
]
/** Programs that verify by hand must know all forms of secrets, as the clients do. */
const BY_HAND = RECEIVERS.filter(({ language }) => ['Python', 'Java', 'PHP'].includes(language))
const SECRETS = ['my-webhook-secret-0001', 'whsec_not*base64*at*all', 'whsec_c2hvcnQ=', 'whsec_BwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyAhIiMkJSY']

/** Deliveries that must be refused: each differs from a genuine one in one thing. */
async function forgeries(): Promise<Record<string, SignedTestRequest>> {
  const genuine = await signTestWebhook(EVENT, SECRET)
  const { 'webhook-signature': _, ...unsigned } = genuine.headers
  return {
    'a wrong secret': await signTestWebhook(EVENT, 'whsec_KCkqKywtLi8wMTIzNDU2Nzg5Ojs8PT4/QEFCQ0RFRkc='),
    'a changed body': { ...genuine, body: genuine.body.replace('1042', '1043') },
    'an old time': await signTestWebhook(EVENT, SECRET, { timestamp: Math.floor(Date.now() / 1000) - 301 }),
    'another time than the signed one': {
      ...genuine,
      headers: { ...genuine.headers, 'webhook-timestamp': String(Math.floor(Date.now() / 1000) + 1) },
    },
    'no signature': { ...genuine, headers: unsigned },
  }
}

/** What must hold for every receiver; `send` gives the status, `handled` how many events reached the program's own code. */
async function expectItKnowsForgeries(send: (request: SignedTestRequest) => Promise<number>, handled: () => number): Promise<void> {
  for (const [what, forged] of Object.entries(await forgeries())) {
    expect([400, 401], what).toContain(await send(forged))
    expect(handled(), what).toBe(0)
  }
  expect(await send(await signTestWebhook(EVENT, SECRET))).toBe(204)
  // What it prints comes by another way than its answer, and perhaps later.
  await vi.waitFor(() => expect(handled()).toBe(1), { timeout: 5000 })
}

describe.each(RECEIVERS)('$framework in $language', ({ language, name }) => {
  const { missing, command } = commandOf.get(language) ?? { missing: language, command: () => [] }

  it.skipIf(missing !== '')('takes genuine webhooks alone', { timeout: language === 'Go' ? GO_BUILD_TIMEOUT_MS : TIMEOUT_MS }, async () => {
    const { program, send } = await startReceiver(command(name))
    await expectItKnowsForgeries(send, () => [...program.stdout().matchAll(/^.*\border\.placed\b.*\b1042\b/gm)].length)
    expect(program.stdout()).not.toContain('1043')
    expect(program.stdout() + program.stderr()).not.toContain(SECRET)
  })
})

describe.each(BY_HAND)('$framework in $language', ({ language, name }) => {
  const { missing, command } = commandOf.get(language) ?? { missing: language, command: () => [] }

  it.skipIf(missing !== '').each(SECRETS)('knows the key of the secret %s', { timeout: TIMEOUT_MS }, async (secret) => {
    const { send } = await startReceiver(command(name), secret)
    expect(await send(await signTestWebhook(EVENT, SECRET))).toBe(400)
    expect(await send(await signTestWebhook(EVENT, secret))).toBe(204)
  })

  it.skipIf(missing !== '')('takes either signature while the secret is replaced', { timeout: TIMEOUT_MS }, async () => {
    const { send } = await startReceiver(command(name))
    const other = 'another-secret-0001'
    for (const both of [
      [SECRET, other],
      [other, SECRET],
    ]) {
      expect(await send(await signTestWebhook(EVENT, both))).toBe(204)
    }
    expect(await send(await signTestWebhook(EVENT, other))).toBe(400)
  })
})

describe('Hono in TypeScript, once for each event', () => {
  it('handles what is delivered twice once, also after it was stopped', { timeout: TIMEOUT_MS }, async () => {
    const settings = { RECEIVED_DB: `${temporaryFolder()}/received.db` }
    const words = commandOf.get('TypeScript')?.command('receive-once') ?? []
    const genuine = await signTestWebhook(EVENT, SECRET)
    const first = await startReceiver(words, SECRET, settings)
    await expectItKnowsForgeries(first.send, () => first.program.stdout().split('order.placed').length - 1)
    for (let time = 0; time < 3; time++) expect(await first.send(genuine)).toBe(204)
    first.program.kill('SIGKILL')
    await first.program.exited
    const second = await startReceiver(words, SECRET, settings)
    expect(await second.send(genuine)).toBe(204)
    expect(await second.send(await signTestWebhook(EVENT.replace('1042', '7'), SECRET, { id: 'msg_other' }))).toBe(204)
    await second.program.printed('order: 7')
    const printed = first.program.stdout() + second.program.stdout()
    expect([...printed.matchAll(/order: (\d+)/g)].map(([, order]) => order)).toEqual(['1042', '1042', '7'])
  })
})

/** Starts the program of that command on a free port, and waits until it listens. */
async function startReceiver(words: readonly string[], secret = SECRET, settings: Record<string, string> = {}) {
  const port = await freePort()
  const program: Running = start(words, { PORT: String(port), TRIGGERS_WEBHOOK_SECRET: secret, ...settings })
  await program.printed(/Receiving webhooks on|Development Server .* started/)
  const send = async (request: SignedTestRequest) => (await sendWithRetry(`http://127.0.0.1:${port}/webhooks`, request)).status
  return { program, send }
}

/** A program may say that it listens a moment before it does. */
async function sendWithRetry(url: string, request: SignedTestRequest, triesLeft = 20): Promise<Response> {
  try {
    return await fetch(url, request)
  } catch (error) {
    if (triesLeft === 0) throw error
    await new Promise((resolve) => setTimeout(resolve, 50))
    return sendWithRetry(url, request, triesLeft - 1)
  }
}

describe('Next.js in TypeScript', () => {
  afterEach(() => {
    vi.unstubAllEnvs()
    vi.restoreAllMocks()
  })

  it('takes genuine webhooks alone', async () => {
    vi.stubEnv('TRIGGERS_WEBHOOK_SECRET', SECRET)
    const log = vi.spyOn(console, 'log').mockImplementation(() => {})
    vi.spyOn(console, 'warn').mockImplementation(() => {})
    const { POST } = await import('./typescript/nextjs/app/api/webhooks/route.ts')
    const send = async (request: SignedTestRequest) => (await POST(new Request('http://localhost/api/webhooks', request))).status
    await expectItKnowsForgeries(send, () => log.mock.calls.length)
    expect(log.mock.calls).toEqual([['order.placed', { order: 1042, total: 99.5, name: 'Zoë' }]])
  })
})
