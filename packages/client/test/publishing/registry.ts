/** A registry of npm packages on this machine: what is published to it goes nowhere else. */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import { freePort } from '../free-port.ts'
import { PACKAGE, temporaryFolder } from './packed.ts'

const VERSION = '6.10.4'
const INSTALL_TIMEOUT_MS = 240_000
const START_TIMEOUT_MS = 30_000

export interface Registry {
  url: string
  /** The environment for npm and pnpm: this registry, and neither the settings nor the CI of whoever runs the tests. */
  environment: NodeJS.ProcessEnv
  /** The names of the packages that were published to it. */
  published(): string[]
}

/** Starts it until the file's tests are over. @returns undefined where the registry's program cannot be fetched, after saying so */
export async function startRegistry(): Promise<Registry | undefined> {
  const program = fetchVerdaccio()
  if (program === undefined) {
    console.warn(`SKIPPED: publishing and installing need verdaccio ${VERSION}, which npm could not install here.`)
    return undefined
  }
  const folder = temporaryFolder()
  const port = await freePort()
  const url = `http://127.0.0.1:${port}/`
  writeFileSync(join(folder, 'config.yaml'), configuration(publicRegistry()))
  // npm wants to be signed in to publish; this registry lets everybody.
  writeFileSync(
    join(folder, 'npmrc'),
    `registry=${url}\n//127.0.0.1:${port}/:_authToken=anybody\nnoproxy=127.0.0.1\naudit=false\nfund=false\n`,
  )
  const child = spawn(process.execPath, [program, '--config', join(folder, 'config.yaml'), '--listen', `127.0.0.1:${port}`], {
    cwd: folder,
    env: { ...process.env, NODE_EXTRA_CA_CERTS: process.env['NODE_EXTRA_CA_CERTS'] ?? npmSetting('cafile') },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  afterAll(() => void child.kill('SIGKILL'))
  await untilItAnswers(child, `${url}-/ping`)
  return {
    url,
    environment: {
      ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(p?npm_|ci$|github_|actions_|changesets_)/i.test(name))),
      NPM_CONFIG_USERCONFIG: join(folder, 'npmrc'),
      NPM_CONFIG_UPDATE_NOTIFIER: 'false',
      NO_PROXY: '127.0.0.1',
    },
    published: () => {
      const database = join(folder, 'storage/.verdaccio-db.json')
      return existsSync(database) ? JSON.parse(readFileSync(database, 'utf8')).list : []
    },
  }
}

/** Installs verdaccio, once, into a cache. @returns its program, or undefined where that fails */
function fetchVerdaccio(): string | undefined {
  const folder = join(PACKAGE, `node_modules/.cache/verdaccio-${VERSION}`)
  const program = join(folder, 'node_modules/verdaccio/bin/verdaccio')
  if (existsSync(program)) return program
  // Not where it is looked for until it is complete.
  const unfinished = `${folder}-${process.pid}`
  mkdirSync(unfinished, { recursive: true })
  // Its own node-fetch does not run on current Nodes.
  const manifest = { private: true, dependencies: { verdaccio: VERSION }, overrides: { 'node-fetch': '2.7.0' } }
  writeFileSync(join(unfinished, 'package.json'), JSON.stringify(manifest))
  process.stdout.write(`Fetching verdaccio ${VERSION}, once …\n`)
  const words = ['install', '--prefix', unfinished, '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error']
  const { status } = spawnSync('npm', words, { stdio: ['ignore', 'ignore', 'inherit'], timeout: INSTALL_TIMEOUT_MS })
  if (status === 0) renameSync(unfinished, folder)
  else rmSync(unfinished, { recursive: true, force: true })
  return existsSync(program) ? program : undefined
}

/** Where npm gets packages here: the client's only dependency comes from there. */
function publicRegistry(): string {
  const url = npmSetting('registry')
  if (url === undefined) throw new Error('npm has no registry.')
  return url
}

/** What npm is set to here; undefined where that is nothing. */
function npmSetting(name: string): string | undefined {
  const text = execFileSync('npm', ['config', 'get', name], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
  return ['', 'null', 'undefined'].includes(text) ? undefined : text
}

function configuration(uplink: string): string {
  return `
storage: ./storage
uplinks:
  public:
    url: ${uplink}
packages:
  '@triggers/*':
    access: $all
    publish: $all
  '**':
    access: $all
    proxy: public
web:
  enable: false
log: { type: stdout, format: pretty, level: warn }
`
}

async function untilItAnswers(child: ChildProcess, url: string): Promise<void> {
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream?.setEncoding('utf8').on('data', (text: string) => (output += text))
  const deadline = Date.now() + START_TIMEOUT_MS
  while (Date.now() < deadline && child.exitCode === null) {
    const isUp = await fetch(url).then(
      ({ ok }) => ok,
      () => false,
    )
    if (isUp) return
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error(`verdaccio does not answer: ${output}`)
}
