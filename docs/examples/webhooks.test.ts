import { type SignedTestRequest, signTestWebhook } from '@triggers/client'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { freePort } from '../../packages/client/test/free-port.ts'
import { GO_BUILD_TIMEOUT_MS, LANGUAGES } from './testing/languages.ts'
import { type Running, start } from './testing/processes.ts'

const SECRET = 'whsec_BwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyAhIiMkJSY='
// As a producer wrote it: parsed and serialised again, it would be another text.
const EVENT = `{"event_id": "01932d5e-7c1a-7b44-9d0a-5f3e2b1c4d6e", "event_type": "order.placed", "payload": {"order": 1042, "total": 99.50, "name": "Zoë"}}`
const TIMEOUT_MS = 30_000

const commandOf = new Map(LANGUAGES.map(({ language, missing, command }) => [language, { missing, command }]))
const RECEIVERS = [
  { framework: 'Hono', language: 'TypeScript', name: 'verify-webhook-hono' },
  { framework: 'Express', language: 'TypeScript', name: 'verify-webhook-express' },
  { framework: 'Express', language: 'JavaScript', name: 'verify-webhook-express' },
  { framework: 'net/http', language: 'Go', name: 'verify-webhook' },
  { framework: 'http.server', language: 'Python', name: 'verify-webhook' },
]

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
    const port = await freePort()
    const program: Running = start(command(name), { PORT: String(port), TRIGGERS_WEBHOOK_SECRET: SECRET })
    await program.printed('Receiving webhooks on')
    const send = async (request: SignedTestRequest) => (await sendWithRetry(`http://127.0.0.1:${port}/webhooks`, request)).status
    await expectItKnowsForgeries(send, () => [...program.stdout().matchAll(/^order\.placed .*1042/gm)].length)
    expect(program.stdout()).not.toContain('1043')
    expect(program.stdout() + program.stderr()).not.toContain(SECRET)
  })
})

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
