import { execFile, execFileSync } from 'node:child_process'
import { cpSync, existsSync, globSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { dirname, extname, join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { installedNodes, makeProject, readManifest, TSC, VITE } from './publishing/consumers.ts'
import { PACKAGE, REPOSITORY, temporaryFolder, withPnpm } from './publishing/packed.ts'
import { startRegistry } from './publishing/registry.ts'
import { startServer, type TestServer } from './server.ts'

const TIMEOUT_MS = 120_000
const CHANGESET = join(REPOSITORY, 'node_modules/@changesets/cli/bin.js')
const WORKFLOW = readFileSync(join(REPOSITORY, '.github/workflows/release.yml'), 'utf8')

const registry = await startRegistry()
const environment = registry?.environment ?? {}

/** A copy of what a release reads, as a repository of its own: changesets writes versions and tags. */
function copyForRelease(): string {
  const copy = temporaryFolder()
  const manifests = globSync('{apps,packages,sdks,docs}/*/package.json', { cwd: REPOSITORY })
  for (const path of ['package.json', 'pnpm-workspace.yaml', '.changeset', ...manifests]) {
    mkdirSync(dirname(join(copy, path)), { recursive: true })
    cpSync(join(REPOSITORY, path), join(copy, path), { recursive: true })
  }
  for (const path of ['dist', 'README.md', 'CHANGELOG.md', 'LICENSE']) {
    cpSync(join(PACKAGE, path), join(copy, 'packages/client', path), { recursive: true })
  }
  const git = (...words: string[]) => execFileSync('git', ['-c', 'user.name=a', '-c', 'user.email=a@example.com', ...words], { cwd: copy })
  git('init', '--quiet', '--initial-branch=main')
  git('add', '.')
  git('commit', '--quiet', '--message=a')
  return copy
}

const AUTHOR = {
  GIT_AUTHOR_NAME: 'Release',
  GIT_AUTHOR_EMAIL: 'release@example.com',
  GIT_COMMITTER_NAME: 'Release',
  GIT_COMMITTER_EMAIL: 'release@example.com',
}

describe.skipIf(registry === undefined)('a release', { timeout: TIMEOUT_MS }, () => {
  let server: TestServer
  let copy: string
  const changeset = async (words: string[], settings: Record<string, string> = {}) => {
    const [program, ...first] = withPnpm()
    const { stdout } = await promisify(execFile)(program, [...first, process.execPath, CHANGESET, ...words], {
      cwd: copy,
      // A tag has an author, and a new machine none to offer.
      env: { ...environment, ...AUTHOR, ...settings },
    })
    return stdout
  }
  const settings = () => ({ TRIGGERS_URL: server.url, TRIGGERS_API_KEY: server.apiKey })

  beforeAll(async () => {
    server = await startServer()
    copy = copyForRelease()
    const pending = readdirSync(join(copy, '.changeset')).filter((name) => name.endsWith('.md') && name !== 'README.md')
    if (pending.length > 0) await changeset(['version'])
  }, TIMEOUT_MS)
  afterAll(() => server?.stop())

  it('has the client alone to publish', async () => {
    await changeset(['publish-plan', '--output', 'plan.json'])
    const { plan } = JSON.parse(readFileSync(join(copy, 'plan.json'), 'utf8'))
    const { version } = readManifest(join(copy, 'packages/client'))
    expect(plan.flat()).toEqual([{ kind: 'publish', name: '@triggers/client', version, access: 'public', tag: 'latest' }])
  })

  it('says where it was built, and is refused where nobody can vouch for that', async () => {
    const [, name = '', value = ''] = /^ +(\w+_PROVENANCE): "(true)"$/m.exec(WORKFLOW) ?? []
    await expect(changeset(['publish', '--no-git-tag'], { [name]: value })).rejects.toMatchObject({
      stdout: expect.stringMatching(/provenance generation is not supported/),
    })
    expect(registry?.published()).toEqual([])
  })

  it('is packed, then published as it was packed', async () => {
    await changeset(['pack', '--out-dir', 'packed'])
    expect(readdirSync(join(copy, 'packed/packages'))).toHaveLength(1)
    await changeset(['publish', '--from-pack-dir', 'packed'])
    expect(registry?.published()).toEqual(['@triggers/client'])
    const tags = execFileSync('git', ['tag'], { cwd: copy, encoding: 'utf8' }).trim().split('\n')
    expect(tags).toEqual([`@triggers/client@${readManifest(join(copy, 'packages/client')).version}`])
  })

  describe('that a user installs', () => {
    const PROGRAM = `
const triggers = new Triggers()
const { event_id } = await triggers.events.create({ source: 'shop', event_type: 'order.placed', payload: { order: 1042 } })
const { payload } = await triggers.events.get(event_id)
console.log(JSON.stringify(payload))
`
    const PRINTED = '{"order":1042}\n'
    const SIGNING = `
const delivery = await signTestWebhook({ event_type: 'order.placed' }, 'a secret of the test')
const { event_type } = await verifyWebhook(delivery.body, delivery.headers, 'a secret of the test')
if (event_type !== 'order.placed') throw new Error('verifyWebhook')
`

    it('runs as an ES module on each Node of this machine', async () => {
      const text = `import { signTestWebhook, Triggers, verifyWebhook } from '@triggers/client'\n${SIGNING}${PROGRAM}`
      const project = await makeProject(environment, { 'package.json': '{"type": "module"}', 'index.js': text })
      for (const [version, node] of installedNodes()) {
        expect([version, await project.run(node, ['index.js'], settings())]).toEqual([version, PRINTED])
      }
      const { dependencies } = readManifest(join(project.folder, 'node_modules/@triggers/client'))
      expect(Object.keys(dependencies ?? {})).toEqual(['axios'])
    })

    it('runs as a CommonJS module on each Node of this machine', async () => {
      const body = `;(async () => {${SIGNING}${PROGRAM}})()`
      const text = `const { signTestWebhook, Triggers, verifyWebhook } = require('@triggers/client')\n${body}`
      const project = await makeProject(environment, { 'package.json': '{}', 'index.js': text })
      for (const [version, node] of installedNodes()) {
        expect([version, await project.run(node, ['index.js'], settings())]).toEqual([version, PRINTED])
      }
    })

    it('compiles with tsc --strict as both kinds of module, its own types checked, and runs', async () => {
      const typed = (text: string) => text.replace('events.create(', 'events.create<Order>(').replace('events.get(', 'events.get<Order>(')
      const text = `
import { ApiError, signTestWebhook, Triggers, verifyWebhook, type EventInput } from '@triggers/client'
interface Order { order: number }
export const event: EventInput<Order> = { source: 'shop', event_type: 'order.placed', payload: { order: 1042 } }
// @ts-expect-error: the payload is another one
export const wrong: EventInput<Order> = { source: 'shop', event_type: 'order.placed', payload: { order: '1042' } }
export const isApiError = (error: unknown): error is ApiError => error instanceof ApiError
async function main(): Promise<void> {${SIGNING}${typed(PROGRAM)}
const order: number = payload.order
void order
}
void main()
`
      const compilerOptions = {
        target: 'es2022',
        lib: ['es2022', 'dom', 'dom.iterable'],
        module: 'nodenext',
        strict: true,
        exactOptionalPropertyTypes: true,
        noUncheckedIndexedAccess: true,
        noPropertyAccessFromIndexSignature: true,
        // Its declarations are checked with the project's.
        skipLibCheck: false,
        types: [],
        outDir: 'out',
      }
      const project = await makeProject(environment, {
        'package.json': '{"type": "module"}',
        'tsconfig.json': JSON.stringify({ compilerOptions, include: ['*.mts', '*.cts'] }),
        'esm.mts': text,
        'cjs.cts': text,
      })
      expect(await project.run(process.execPath, [TSC, '-p', '.']).catch(({ stdout }: { stdout: string }) => stdout)).toBe('')
      expect(readFileSync(join(project.folder, 'out/cjs.cjs'), 'utf8')).toContain('require("@triggers/client")')
      for (const file of ['out/esm.mjs', 'out/cjs.cjs']) expect(await project.run(process.execPath, [file], settings())).toBe(PRINTED)
      const bundler = ['--noEmit', '--module', 'esnext', '--moduleResolution', 'bundler', '-p', '.']
      expect(await project.run(process.execPath, [TSC, ...bundler]).catch(({ stdout }: { stdout: string }) => stdout)).toBe('')
    })

    describe('into a project of Vite', () => {
      let built: string

      beforeAll(async () => {
        const text = `
import { Triggers } from '@triggers/client'
const { VITE_TRIGGERS_URL: baseUrl, VITE_TRIGGERS_API_KEY: apiKey } = import.meta.env
${PROGRAM.replace('new Triggers()', 'new Triggers({ baseUrl, apiKey })')}
if (typeof document !== 'undefined') document.body.textContent = JSON.stringify(payload)
`
        const project = await makeProject(environment, {
          'package.json': '{"type": "module"}',
          'vite.config.js': 'export default { build: { target: "es2022", modulePreload: { polyfill: false } } }',
          'index.html': '<!doctype html><title>a</title><body><script type="module" src="/main.js"></script></body>',
          'main.js': text,
        })
        const { TRIGGERS_URL, TRIGGERS_API_KEY } = settings()
        await project.run(process.execPath, [VITE, 'build', '--logLevel', 'error'], {
          VITE_TRIGGERS_URL: TRIGGERS_URL,
          VITE_TRIGGERS_API_KEY: TRIGGERS_API_KEY,
        })
        built = join(project.folder, 'dist')
      }, TIMEOUT_MS)

      it('makes a bundle that runs', async () => {
        const [bundle = ''] = globSync('assets/*.js', { cwd: built })
        const { stdout } = await promisify(execFile)(process.execPath, [
          '--input-type=module',
          '--eval',
          `await import(${JSON.stringify(join(built, bundle))})`,
        ])
        expect(stdout).toBe(PRINTED)
      })

      const chromium = findChromium()
      if (chromium === undefined) console.warn('SKIPPED: running the client in a browser needs Chromium, not found here (CHROMIUM_PATH).')
      it.skipIf(chromium === undefined)('runs in a browser', async () => {
        const url = await serve(built)
        const { stdout } = await promisify(execFile)(chromium ?? '', [
          ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-background-networking', '--virtual-time-budget=10000'],
          ...[`--user-data-dir=${temporaryFolder()}`, '--dump-dom', url],
        ])
        expect(stdout).toContain('<body>{"order":1042}</body>')
      })
    })
  })
})

function findChromium(): string | undefined {
  const { CHROMIUM_PATH, PATH = '' } = process.env
  if (CHROMIUM_PATH) return CHROMIUM_PATH
  const names = ['chromium', 'chromium-browser', 'google-chrome']
  return PATH.split(':')
    .flatMap((folder) => names.map((name) => join(folder, name)))
    .find((path) => existsSync(path))
}

const CONTENT_TYPES: Record<string, string> = { '.html': 'text/html', '.js': 'text/javascript' }

/** Serves a folder until the test is over. */
async function serve(folder: string): Promise<string> {
  const pages = createServer(({ url = '/' }, answer) => {
    const path = join(folder, url === '/' ? 'index.html' : url)
    if (!existsSync(path)) return void answer.writeHead(404).end()
    answer.writeHead(200, { 'content-type': CONTENT_TYPES[extname(path)] ?? 'text/plain' }).end(readFileSync(path))
  })
  await new Promise<void>((resolve) => pages.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    pages.closeAllConnections()
    pages.close()
  })
  const address = pages.address()
  if (typeof address !== 'object' || address === null) throw new Error('There is no port.')
  return `http://127.0.0.1:${address.port}/`
}
