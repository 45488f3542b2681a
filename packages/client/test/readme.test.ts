import { execFile, execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freePort } from './free-port.ts'
import { TSC } from './publishing/consumers.ts'
import { PACKAGE, packPackage, REPOSITORY, temporaryFolder, unpack } from './publishing/packed.ts'
import { startServer, type TestServer } from './server.ts'

const README = readFileSync(join(PACKAGE, 'README.md'), 'utf8')
const TIMEOUT_MS = 120_000

interface Block {
  title: string
  language: string
  text: string
}

/** The page's code blocks, each with the heading that it stands below. */
function readBlocks(): Block[] {
  let title = ''
  const blocks: Block[] = []
  for (const [, heading, language = '', text = ''] of README.matchAll(/^#+ ([^\n]+)$|^```(\w+)\n(.*?)^```$/gms)) {
    if (heading !== undefined) title = heading
    else blocks.push({ title, language, text })
  }
  return blocks
}

const blocks = readBlocks()
const tarball = packPackage()

describe('the first minute', { timeout: TIMEOUT_MS }, () => {
  let server: TestServer
  beforeAll(async () => {
    server = await startServer()
  })
  afterAll(() => server?.stop())

  it('works as printed, from the packed tarball', async () => {
    const folder = temporaryFolder()
    const walk = blocks.filter(({ title }) => title === 'The first minute')
    expect(walk.map(({ language }) => language)).toEqual(['sh', 'js', 'sh'])
    const [install, program, run] = walk.map(({ text }) => text)
    const [, file = ''] = /Save this as `([^`]+)`:\n/.exec(README) ?? []
    expect(install).toContain('npm install @triggers/client\n')
    // The registry does not have it before it is released.
    const script = `${install?.replace('@triggers/client', tarball)}\ncat > ${file} <<'END'\n${program}END\n${run}`
    const { stdout } = await promisify(execFile)('bash', ['-eu', '-o', 'pipefail', '-c', script], {
      cwd: folder,
      env: {
        ...process.env,
        TRIGGERS_URL: server.url,
        TRIGGERS_API_KEY: '',
        npm_config_audit: 'false',
        npm_config_update_notifier: 'false',
      },
    })
    const lines = stdout.trimEnd().split('\n').slice(-2)
    expect(lines).toEqual([expect.stringMatching(/^created [0-9a-f-]{36}$/), 'order.placed { order: 1042 }'])
    const inbox = await fetch(`${server.url}/v1/inbox`, { headers: { 'x-api-key': server.apiKey } })
    expect(JSON.parse(await inbox.text()).events).toEqual([])
  })
})

describe('the webhook', { timeout: TIMEOUT_MS }, () => {
  let server: TestServer
  beforeAll(async () => {
    server = await startServer()
  })
  afterAll(() => server?.stop())

  it('is received as printed', async () => {
    const folder = temporaryFolder()
    const [program] = blocks.filter(({ title }) => title === 'Webhooks')
    expect(README).toContain('Save this as `webhook.mjs`')
    const port = String(await freePort())
    expect(program?.text.match(/\b4001\b/g)).toHaveLength(2)
    mkdirSync(join(folder, 'node_modules/@triggers'), { recursive: true })
    symlinkSync(PACKAGE, join(folder, 'node_modules/@triggers/client'))
    writeFileSync(join(folder, 'webhook.mjs'), program?.text.replaceAll('4001', port) ?? '')
    const env = { ...process.env, TRIGGERS_URL: server.url, TRIGGERS_API_KEY: '' }
    const { stdout } = await promisify(execFile)(process.execPath, ['webhook.mjs'], { cwd: folder, env, timeout: 30_000 })
    expect(stdout).toBe('received { order: 1042 }\nmatched\n')
  })
})

describe('the page', () => {
  it('shows code that compiles with the packed types', { timeout: TIMEOUT_MS }, () => {
    const folder = temporaryFolder()
    const modules = join(folder, 'node_modules')
    const link = (name: string, target: string) => {
      mkdirSync(dirname(join(modules, name)), { recursive: true })
      symlinkSync(target, join(modules, name))
    }
    link('@triggers/client', unpack(tarball))
    link('@types/node', join(PACKAGE, 'node_modules/@types/node'))
    for (const name of ['express', '@types/express']) link(name, join(REPOSITORY, 'docs/examples/node_modules', name))
    const typed = blocks.filter(({ language }) => language === 'ts' || language === 'js')
    expect(typed.length).toBeGreaterThan(8)
    for (const [index, { text }] of typed.entries()) writeFileSync(join(folder, `block-${index}.ts`), `${text}\nexport {}\n`)
    // What a block does not make itself, one before it has made.
    writeFileSync(join(folder, 'globals.d.ts'), "declare const triggers: import('@triggers/client').Triggers\n")
    const compilerOptions = {
      target: 'es2024',
      lib: ['es2024'],
      module: 'nodenext',
      strict: true,
      noUncheckedIndexedAccess: true,
      exactOptionalPropertyTypes: true,
      types: ['node'],
      skipLibCheck: true,
      noEmit: true,
    }
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions }))
    writeFileSync(join(folder, 'package.json'), '{"type": "module"}')
    const { stdout } = runToEnd(process.execPath, [TSC, '-p', folder])
    expect(stdout).toBe('')
  })

  it('names every option and every error', () => {
    const source = (name: string) => readFileSync(join(PACKAGE, 'src', name), 'utf8')
    const options = [
      ...['options.ts', 'consume.ts', 'webhook-handler.ts', 'resources/replays.ts']
        .map(source)
        .join('')
        .matchAll(/^ {2}(\w+)\?: /gm),
    ].map(([, name]) => name)
    const errors = ['errors.ts', 'batches.ts', 'webhooks.ts'].flatMap((name) =>
      [...source(name).matchAll(/^export class (\w+Error)\b/gm)].map(([, error]) => error),
    )
    expect(options.length).toBeGreaterThan(12)
    expect(errors.length).toBeGreaterThan(15)
    expect([...options, ...errors].filter((name) => !README.includes(`\`${name}\``))).toEqual([])
  })

  it('names every call', async () => {
    const { Triggers } = await import('../src/index.ts')
    const triggers = new Triggers({ apiKey: 'a' })
    const rows = Object.fromEntries(
      [...README.matchAll(/^\| `(triggers(?:\.\w+)?)` \| (.+) \|$/gm)].map(([, name = '', calls = '']) => [
        name,
        calls.match(/\w+/g)?.sort(),
      ]),
    )
    const callsOf = (resource: object) =>
      Object.getOwnPropertyNames(Object.getPrototypeOf(resource))
        .filter((name) => name !== 'constructor' && name !== 'toJSON')
        .sort()
    const { events, inbox, webhooks, deliveries, replays, apiKeys, auditLog } = triggers
    expect(rows).toEqual({
      triggers: callsOf(triggers),
      'triggers.events': callsOf(events),
      'triggers.inbox': callsOf(inbox),
      'triggers.webhooks': callsOf(webhooks),
      'triggers.deliveries': callsOf(deliveries),
      'triggers.replays': callsOf(replays),
      'triggers.apiKeys': callsOf(apiKeys),
      'triggers.auditLog': callsOf(auditLog),
    })
  })

  it('links to headings and files that there are', () => {
    const headings = [...README.matchAll(/^#+ (.+)$/gm)].map(([, title = '']) => `#${title.toLowerCase().replaceAll(/\W+/g, '-')}`)
    const links = [...README.matchAll(/\]\(([^)]+)\)/g)].map(([, link = '']) => link)
    expect(links.length).toBeGreaterThan(5)
    const repository = 'https://github.com/triggers-api/triggers'
    for (const link of links) {
      if (link.startsWith('#')) expect(headings).toContain(link)
      // The page also stands in the registry, where no other link would lead anywhere.
      else expect(link.startsWith(repository), link).toBe(true)
      const [, path] = /^\/(?:tree|blob)\/main\/(.+)$/.exec(link.slice(repository.length)) ?? []
      if (path !== undefined) expect(existsSync(join(REPOSITORY, path)), path).toBe(true)
    }
  })
})

function runToEnd(program: string, words: string[]): { stdout: string } {
  try {
    return { stdout: execFileSync(program, words, { encoding: 'utf8' }) }
  } catch (error) {
    // What execFileSync throws has the program's output.
    return error as { stdout: string }
  }
}
