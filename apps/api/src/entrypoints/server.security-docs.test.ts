import { execFile, spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { createServer, type IncomingHttpHeaders, request } from 'node:http'
import { dirname, join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { promisify } from 'node:util'
import { describe, expect, it, onTestFinished } from 'vitest'
import { commands } from '../admin/commands.ts'
import { endpoints } from '../routes/index.ts'
import { ask, askOk, firstKey, keyedEnvironment } from '../testing/keyed-server.ts'
import { startServer } from '../testing/server-process.ts'

const PAGE_PATH = join(import.meta.dirname, '../../../../docs/SECURITY.md')
const EXAMPLES = join(dirname(PAGE_PATH), 'examples/signing')
const PAGE = readFileSync(PAGE_PATH, 'utf8')
/** The first run of Go on a machine compiles its standard library. */
const GO_TIMEOUT_MS = 180_000

const isThere = (program: string, ...args: string[]) => spawnSync(program, args, { stdio: 'ignore' }).status === 0
const go = ['go', '/usr/local/go/bin/go'].find((candidate) => isThere(candidate, 'version'))

/** How to run each program, and what that needs. */
const PROGRAMS = [
  { file: 'sign.sh', title: 'curl', words: ['sh'], needs: { curl: isThere('curl', '--version'), openssl: isThere('openssl', 'version') } },
  { file: 'sign.ts', title: 'TypeScript', words: [process.execPath], needs: {} },
  { file: 'sign.go', title: 'Go', words: [go ?? '', 'run'], needs: { Go: go !== undefined } },
  { file: 'sign.py', title: 'Python', words: ['python3'], needs: { 'Python 3': isThere('python3', '--version') } },
]

interface Sent {
  method: string
  target: string
  headers: IncomingHttpHeaders
  body: Buffer
}

/** Sends just these bytes: fetch would make a URL of the target. */
async function send(port: number, { method, target, headers, body }: Sent): Promise<{ status: number; body: Buffer }> {
  const sent = request({ host: '127.0.0.1', port, method, path: target, headers })
  sent.end(body)
  const answer = await new Promise<import('node:http').IncomingMessage>((resolve, reject) => {
    sent.once('response', resolve).once('error', reject)
  })
  return { status: answer.statusCode ?? 0, body: await buffer(answer) }
}

/** Stands in front of the server, passes everything on, and keeps it with the answer's status. */
async function startRecorder(port: number) {
  const recorded: (Sent & { status: number })[] = []
  const recorder = createServer(async (incoming, outgoing) => {
    const { method = '', url: target = '', headers } = incoming
    const sent = { method, target, headers, body: await buffer(incoming) }
    const { status, body } = await send(port, sent)
    recorded.push({ ...sent, status })
    outgoing.writeHead(status, { 'content-type': 'application/json' }).end(body)
  })
  await new Promise<void>((resolve) => recorder.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    recorder.closeAllConnections()
    recorder.close()
  })
  const address = recorder.address()
  if (typeof address !== 'object' || address === null) throw new Error('The recorder has no port.')
  return { url: `http://127.0.0.1:${address.port}`, recorded }
}

async function startWithSigningKey() {
  const environment = keyedEnvironment()
  const first = await firstKey(environment)
  const server = await startServer(environment)
  const made = await askOk(server, first, '/v1/api-keys', {
    method: 'POST',
    body: { name: 'signing', scopes: ['events:write', 'events:read'], require_signature: true },
  })
  return { server, first, made }
}

/** The page's headings and code blocks; a `#` inside a block begins no heading. */
function readPage() {
  const titles: string[] = []
  const blocks: { title: string; text: string }[] = []
  for (const [, title, text] of PAGE.matchAll(/^#+ ([^\n]+)$|^```\w*\n(.*?)^```$/gms)) {
    if (title !== undefined) titles.push(title)
    else blocks.push({ title: titles.at(-1) ?? '', text: text ?? '' })
  }
  return { titles, blocksBelow: (title: string) => blocks.filter((block) => block.title === title).map(({ text }) => text) }
}

const { titles, blocksBelow } = readPage()

describe.each(PROGRAMS)('$file', ({ file, title, words: [program = '', ...words], needs }) => {
  const missing = Object.entries(needs).flatMap(([name, found]) => (found ? [] : [name]))
  if (missing.length > 0) console.warn(`SKIPPED: running ${file} needs ${missing.join(' and ')}, not found here.`)

  it('is shown as it is', () => {
    expect(blocksBelow(title)).toEqual([readFileSync(join(EXAMPLES, file), 'utf8')])
  })

  it.skipIf(missing.length > 0)(
    'signs what a key takes that requires signatures, and nothing else',
    { timeout: GO_TIMEOUT_MS },
    async () => {
      const { server, made } = await startWithSigningKey()
      const { url, recorded } = await startRecorder(server.port)
      const env = {
        ...process.env,
        no_proxy: '*',
        TRIGGERS_URL: url,
        TRIGGERS_API_KEY: made.api_key,
        TRIGGERS_SIGNING_SECRET: made.signing_secret,
      }
      const run = (env: NodeJS.ProcessEnv) => promisify(execFile)(program, [...words, join(EXAMPLES, file)], { env })
      const { stdout } = await run(env)
      expect(recorded.map(({ method, status }) => [method, status])).toEqual([
        ['POST', 201],
        ['GET', 200],
      ])
      const [created, listed] = stdout
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line))
      expect(listed.events).toMatchObject([{ event_id: created.event_id, source: 'my shop', payload: { order: 1042, name: 'Zoë' } }])

      const [post, get] = recorded
      if (post === undefined || get === undefined) throw new Error('There must be two requests.')
      expect(get.target).toContain('?source=my%20shop&')
      const other = Buffer.from(post.body.toString().replace('1042', '1043'))
      expect(other.equals(post.body)).toBe(false)
      for (const changed of [
        { ...post, body: other },
        { ...get, target: get.target.replace('limit=10', 'limit=11') },
        { ...get, target: get.target.replace('%20', '+') },
        { ...get, target: `${get.target}&` },
      ]) {
        const { status, body } = await send(server.port, changed)
        expect([status, JSON.parse(body.toString()).error.details.reason]).toEqual([401, 'signature_mismatch'])
      }
      // It was the change that was refused.
      expect([(await send(server.port, get)).status, (await send(server.port, post)).status]).toEqual([200, 201])

      const failed = await run({ ...env, TRIGGERS_SIGNING_SECRET: 'sign_wrong' }).then(
        () => 'It did not fail.',
        ({ stdout, stderr }: { stdout: string; stderr: string }) => stdout + stderr,
      )
      expect(failed).toContain('401')
      for (const secret of [made.api_key, 'sign_wrong']) expect(failed).not.toContain(secret)
    },
  )
})

const shell = ['bash', 'curl', 'openssl'].filter((program) => !isThere(program, program === 'openssl' ? 'version' : '--version'))
if (shell.length > 0) console.warn(`SKIPPED: the commands of docs/SECURITY.md need ${shell.join(' and ')}, not found here.`)

it.skipIf(shell.length > 0)('works as printed: the master key, and the rotations', async () => {
  const run = async (block: string, settings: Record<string, string> = {}) => {
    const { stdout } = await promisify(execFile)('bash', ['-eu', '-o', 'pipefail', '-c', block], {
      env: { ...process.env, no_proxy: '*', ...settings },
    })
    return stdout.trimEnd()
  }
  const [makeKey = 'exit 1', ...more] = blocksBelow('The master key')
  expect(more).toEqual([])
  const environment = { ...keyedEnvironment(), ENCRYPTION_KEY: await run(makeKey) }
  const first = await firstKey(environment)
  const server = await startServer(environment)
  const made = await askOk(server, first, '/v1/api-keys', { method: 'POST', body: { name: 'a', scopes: ['events:read'] } })
  const settings = { TRIGGERS_URL: server.url, TRIGGERS_API_KEY: first.key, KEY_ID: made.key_id }
  const [rotate = 'exit 1', replace = 'exit 1', ...others] = blocksBelow('Rotation')
  expect(others).toEqual([])
  const rotated = JSON.parse(await run(rotate, settings))
  const secrets = [made.api_key, rotated.api_key]
  for (const key of secrets) expect((await ask(server, { key }, '/v1/whoami')).status).toBe(200)
  expect(JSON.parse(await run(replace, settings)).previous_expires_at).toBe(null)
  expect(JSON.parse(await run(replace, settings)).previous_expires_at).toMatch(/Z$/)
})

describe('the page', () => {
  it('links to what is there', () => {
    const links = [...PAGE.matchAll(/\]\(([^)]+)\)/g)].map(([, link = '']) => link)
    const headings = titles.map((title) => `#${title.toLowerCase().replaceAll(/\W+/g, '-')}`)
    expect(links.length).toBeGreaterThan(5)
    for (const link of links)
      expect(link.startsWith('#') ? headings.includes(link) : existsSync(join(dirname(PAGE_PATH), link)), link).toBe(true)
  })

  it('names settings, calls and commands that there are', () => {
    const config = readFileSync(join(import.meta.dirname, '../config.ts'), 'utf8')
    const settings = [...PAGE.matchAll(/\b(?!TRIGGERS_)[A-Z]+(?:_[A-Z]+)+\b/g)].map(([name]) => name).filter((name) => name !== 'KEY_ID')
    for (const name of settings) expect(config).toContain(`${name}: `)
    const paths = [...PAGE.matchAll(/\/v1(\/[a-z-]+)+/g)].map(([path]) => path)
    for (const path of paths.filter((path) => path !== '/v1/webhooks')) {
      expect(
        endpoints.some(({ route }) => route.path.startsWith(path)),
        path,
      ).toBe(true)
    }
    const named = [...PAGE.matchAll(/pnpm admin ([a-z-]+)/g)].map(([, name]) => name)
    for (const name of named) expect(commands.map((command) => command.name)).toContain(name)
    expect([settings.length, paths.length, named.length].every((count) => count > 3)).toBe(true)
  })
})
