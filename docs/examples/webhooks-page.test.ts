import { execFile } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { freePort } from '../../packages/client/test/free-port.ts'
import { EXAMPLES, RECEIVER_LANGUAGES } from './testing/languages.ts'
import { isThere, start, startApi } from './testing/processes.ts'

const PAGE_PATH = join(EXAMPLES, '../WEBHOOKS.md')
const PAGE = readFileSync(PAGE_PATH, 'utf8')
const read = (path: string) => readFileSync(join(EXAMPLES, path), 'utf8')

/** The page's headings and code blocks; a `#` inside a block begins no heading. */
const titles: string[] = []
const blocks: { title: string; language: string; text: string }[] = []
for (const [, title, language, text] of PAGE.matchAll(/^#+ ([^\n]+)$|^```(\w*)\n(.*?)^```$/gms)) {
  if (title !== undefined) titles.push(title)
  else blocks.push({ title: titles.at(-1) ?? '', language: language ?? '', text: text ?? '' })
}
const blocksBelow = (title: string) => blocks.filter((block) => block.title === title).map(({ text }) => text)

const PROGRAMS = {
  TypeScript: 'typescript/verify-webhook-hono.ts',
  Python: 'python/verify_webhook.py',
  Go: 'go/verify-webhook/main.go',
  Java: 'java/VerifyWebhook.java',
  PHP: 'php/verify_webhook.php',
  'Once for each event': 'typescript/receive-once.ts',
}

describe('the page on webhooks', () => {
  it.each(Object.entries(PROGRAMS))('shows the program that the tests run: %s', (title, path) => {
    expect(blocksBelow(title)).toEqual([read(path)])
  })

  it('links to what is there', () => {
    const links = [...PAGE.matchAll(/\]\(([^)]+)\)/g)].map(([, link = '']) => link)
    const anchorOf = (title: string) =>
      `#${title
        .toLowerCase()
        .replaceAll(/[^\w -]/g, '')
        .replaceAll(' ', '-')}`
    expect(links.length).toBeGreaterThan(15)
    for (const link of links.filter((link) => !link.startsWith('https://'))) {
      const [path = '', anchor] = link.split('#')
      const text = path === '' ? PAGE : undefined
      const target = join(dirname(PAGE_PATH), path)
      expect(text !== undefined || existsSync(target), link).toBe(true)
      if (anchor === undefined) continue
      const headings = [...(text ?? readFileSync(target, 'utf8')).matchAll(/^#+ (.+)$/gm)].map(([, title = '']) => anchorOf(title))
      expect(headings, link).toContain(`#${anchor}`)
    }
  })

  it('names settings, calls and errors that there are', () => {
    const document = JSON.parse(read('../../apps/api/openapi.json'))
    const settings = new Set([...PAGE.matchAll(/`(WEBHOOK_(?!ID)[A-Z_]+|EVENT_TTL_DAYS|AUTH_MODE)\b/g)].map(([, name = '']) => name))
    expect(settings.size).toBe(6)
    const config = read('../../apps/api/src/config.ts')
    for (const name of settings) expect(config).toContain(`${name}: `)

    const paths = Object.keys(document.paths).map((path) => path.replaceAll(/\{\w+\}/g, '{}'))
    const named = [...PAGE.matchAll(/\$TRIGGERS_URL(\/[^"?]+)/g)].map(([, path = '']) => path.replaceAll(/\$\w+/g, '{}'))
    expect(named.length).toBeGreaterThan(12)
    for (const path of named) expect(paths).toContain(path)

    const [, list = ''] = /^`error` is one of (.+?)\. /ms.exec(PAGE) ?? []
    const errors = [...list.matchAll(/`(\w+)`/g)].map(([, name]) => name)
    expect(errors).toEqual(enumOf(document.components.schemas.DeliveryAttempt.properties.error))
    const reasons = [...PAGE.matchAll(/^\| `(manual|failing|gone)` \|/gm)].map(([, name]) => name)
    expect(reasons).toEqual(enumOf(document.components.schemas.Webhook.properties.disabled_reason))
  })

  it('is linked from the README and the page on the clients', () => {
    for (const [path, link] of [
      ['../../README.md', 'docs/WEBHOOKS.md'],
      ['../SDKS.md', 'WEBHOOKS.md'],
    ] as const) {
      expect(read(path)).toContain(`](${link})`)
    }
  })
})

/** A nullable field's values, however the document spells that. */
function enumOf(schema: { enum?: unknown[]; anyOf?: { enum?: unknown[] }[] }): unknown[] {
  return (schema.enum ?? schema.anyOf?.flatMap((one) => one.enum ?? []) ?? []).filter((value) => value !== null)
}

const missing = ['bash', 'curl', 'openssl'].filter((program) => !isThere(program, program === 'openssl' ? 'version' : '--version'))
if (missing.length > 0) console.warn(`SKIPPED: the commands of docs/WEBHOOKS.md need ${missing.join(' and ')}, not found here.`)

it.skipIf(missing.length > 0)('works as printed, command by command, with a receiver of the page', { timeout: 60_000 }, async () => {
  const [, makeSecret = '', subscribe = '', tryOut = '', create = '', putFilter = '', enable = '', replay = '', retry = '', ...rest] =
    blocks.filter(({ language }) => language === 'sh').map(({ text }) => text)
  const [count = '', getReplay = '', cancel = '', deliveries = '', ofEvent = '', trace = '', rotate = '', ...others] = rest
  expect(others).toEqual([])

  const api = await startApi()
  const known: Record<string, string> = { ...api.settings, SINCE: new Date(Date.now() - 3_600_000).toISOString() }
  const run = async (block: string) => {
    const words = ['-eu', '-o', 'pipefail', '-c', block]
    return (await promisify(execFile)('bash', words, { env: { ...process.env, no_proxy: '*', ...known } })).stdout.trimEnd()
  }
  const answerOf = async (block: string) => JSON.parse(await run(block))

  known['TRIGGERS_WEBHOOK_SECRET'] = await run(`${makeSecret}\necho "$TRIGGERS_WEBHOOK_SECRET"`)
  const port = await freePort()
  const command = RECEIVER_LANGUAGES.find(({ language }) => language === 'TypeScript')?.command('verify-webhook-hono') ?? []
  const receiver = start(command, { PORT: String(port), TRIGGERS_WEBHOOK_SECRET: known['TRIGGERS_WEBHOOK_SECRET'] })
  await receiver.printed('Receiving webhooks on')
  const received = () => [...receiver.stdout().matchAll(/order\.placed .*1042/g)].length
  const expectReceived = (times: number) => expect.poll(received, { timeout: 15_000 }).toBe(times)

  const made = await answerOf(subscribe.replace(':3000', `:${port}`))
  expect(made).toMatchObject({ url: `http://127.0.0.1:${port}/webhooks`, events: ['order.*'], is_active: true })
  known['WEBHOOK_ID'] = made.webhook_id
  expect(await answerOf(tryOut)).toMatchObject({ status: 'success', status_code: 204 })
  await receiver.printed('webhook.test')

  const { event_id: eventId } = await answerOf(create)
  known['EVENT_ID'] = eventId
  await expectReceived(1)
  for (const filter of blocksBelow('Filters').filter((text) => text.startsWith('{'))) {
    const headers = { 'x-api-key': known['TRIGGERS_API_KEY'] ?? '', 'content-type': 'application/json' }
    const answer = await fetch(`${api.url}/v1/webhooks/${made.webhook_id}`, { method: 'PUT', headers, body: `{"filter": ${filter}}` })
    expect([answer.status, JSON.parse(await answer.text()).filter]).toEqual([200, JSON.parse(filter)])
  }
  expect((await answerOf(putFilter)).filter.payload).toEqual([{ path: '$.total', op: 'range', value: { gte: 50 } }])

  await expect.poll(async () => (await answerOf(deliveries)).deliveries.length, { timeout: 15_000 }).toBe(1)
  const [delivery] = (await answerOf(ofEvent)).deliveries
  expect(delivery).toMatchObject({
    event_id: eventId,
    status: 'delivered',
    attempts: [{ attempt: 1, status_code: 204, retry_reason: null }],
  })
  known['DELIVERY_ID'] = delivery.delivery_id
  expect((await answerOf(trace)).webhooks).toMatchObject([{ webhook_id: made.webhook_id, matched: true, reason: 'matched' }])
  expect(await answerOf(retry)).toMatchObject({ delivery_id: delivery.delivery_id, status: 'pending' })
  await expectReceived(2)

  // The receiver has the old secret, and takes what is signed with both.
  expect((await answerOf(rotate)).secret).toMatch(/^whsec_/)
  await answerOf(create)
  await expectReceived(3)

  await run(enable.replace('true', 'false'))
  await answerOf(create)
  expect(await answerOf(enable)).toMatchObject({ is_active: true, disabled_reason: null })
  expect((await answerOf(count)).matched).toBe(3)
  const started = await answerOf(replay)
  expect(started).toMatchObject({ webhook_id: made.webhook_id, status: 'running' })
  known['REPLAY_ID'] = started.replay_id
  await expectReceived(4)
  await expect.poll(async () => (await answerOf(getReplay)).status, { timeout: 15_000 }).toBe('completed')
  expect(await answerOf(getReplay)).toMatchObject({ matched: 1, enqueued: 1, delivered: 1 })
  expect((await answerOf(cancel)).error.code).toBe('CONFLICT')
})
