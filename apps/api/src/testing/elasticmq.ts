/** ElasticMQ, an SQS for tests: a process of its own, in memory, on a free port. Its jars come from Maven Central, once for this machine. */
import { type ChildProcessByStdio, spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll } from 'vitest'

const VERSION = '1.7.1'
const ARTIFACT = 'elasticmq-server_2.13'
const COPY = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies'
/**
 * Runs the program that its arguments name until that ends, or its own standard input does: a test process that is killed closes that, too.
 */
const UNTIL_STDIN_ENDS = `
  const [program, ...args] = process.argv.slice(1)
  const child = require('node:child_process').spawn(program, args, { stdio: ['ignore', 'inherit', 'inherit'] })
  child.once('error', (error) => { console.error(error.message); process.exit(1) }).once('exit', () => process.exit(1))
  process.stdin.once('end', () => child.kill('SIGKILL')).resume()
`
const FETCH_MS = 300_000
const START_MS = 60_000

export interface Elasticmq {
  url: string
  /** Ends it at once, with all its queues. */
  stop(): Promise<void>
  /** On the same port, empty. */
  start(): Promise<void>
}

/**
 * Where an SQS for tests is: the one that `SQS_ENDPOINT_URL` names, else an ElasticMQ that ends with this process.
 * @returns undefined where there is neither that nor a JDK; it has been said on standard error
 */
export async function sqsForTests(): Promise<string | undefined> {
  return process.env['SQS_ENDPOINT_URL'] ?? (await startElasticmq())?.url
}

/** One that the tests of a file may stop and start; undefined as above. For the top of the file, with which it ends. */
export async function startElasticmq(): Promise<Elasticmq | undefined> {
  const missing = missingPrograms()
  if (missing !== undefined) {
    process.stderr.write(`SKIPPED: tests of SQS, since ${missing}, and SQS_ENDPOINT_URL names no server.\n`)
    return undefined
  }
  const jars = await fetchJars()
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  let running: { child: ChildProcessByStdio<Writable, Readable, Readable>; exited: Promise<unknown> } | undefined

  async function start(): Promise<void> {
    const java = [program('java'), ...jvmOptions(port), '-cp', join(jars, '*'), 'org.elasticmq.server.Main']
    const child = spawn(process.execPath, ['-e', UNTIL_STDIN_ENDS, ...java], { stdio: ['pipe', 'pipe', 'pipe'] })
    running = { child, exited: new Promise((resolve) => child.once('exit', resolve)) }
    let output = ''
    const read = (text: Buffer) => {
      output = (output + text).slice(-5000)
    }
    child.stdout.on('data', read)
    child.stderr.on('data', read)
    const endMs = performance.now() + START_MS
    while (!(await answers(url))) {
      if (child.exitCode !== null || performance.now() > endMs) throw new Error(`ElasticMQ did not start: ${output}`)
      await sleep(50)
    }
  }

  async function stop(): Promise<void> {
    running?.child.stdin.end()
    await running?.exited
  }

  afterAll(stop)
  await start()
  return { url, start, stop }
}

/** Limits as SQS has them. One that is short of memory and of time for its own compiler starts sooner, and leaves more to the tests. */
function jvmOptions(port: number): string[] {
  const settings = {
    'node-address.protocol': 'http',
    'node-address.host': '127.0.0.1',
    'node-address.port': port,
    'rest-sqs.bind-hostname': '127.0.0.1',
    'rest-sqs.bind-port': port,
    'rest-sqs.sqs-limits': 'strict',
    'rest-stats.enabled': false,
  }
  const jvm = ['-Xmx256m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Djava.net.preferIPv4Stack=true']
  return [...jvm, ...Object.entries(settings).map(([name, value]) => `-D${name}=${value}`)]
}

async function answers(url: string): Promise<boolean> {
  try {
    await (await fetch(url, { signal: AbortSignal.timeout(1000) })).arrayBuffer()
    return true
  } catch {
    return false
  }
}

/** A program of the JDK: that of `JAVA_HOME`, or of the path. */
function program(name: string): string {
  const home = process.env['JAVA_HOME']
  const path = home === undefined || home === '' ? undefined : join(home, 'bin', name)
  return path !== undefined && existsSync(path) ? path : name
}

function cacheFolder(): string {
  const cache = process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache')
  return process.env['ELASTICMQ_CACHE'] || join(cache, 'triggers-tests', `elasticmq-${VERSION}`)
}

function missingPrograms(): string | undefined {
  const cannotRun = (command: string, ...args: string[]) => spawnSync(command, args, { stdio: 'ignore' }).status !== 0
  if (cannotRun(program('java'), '-version')) return 'there is no Java here'
  if (!existsSync(cacheFolder()) && cannotRun('mvn', '-v')) return 'ElasticMQ must be fetched, and there is no Maven here'
  return undefined
}

/** The folder of the jars, whole or not there. Of several test files that need them at once one fetches. */
async function fetchJars(): Promise<string> {
  const folder = cacheFolder()
  const lock = `${folder}.lock`
  mkdirSync(join(folder, '..'), { recursive: true })
  const endMs = performance.now() + FETCH_MS
  while (!existsSync(folder)) {
    if (performance.now() > endMs) throw new Error(`ElasticMQ was not fetched in time; if nobody fetches it, remove ${lock}.`)
    try {
      mkdirSync(lock)
    } catch {
      // Who held a lock this old has died.
      const stats = statSync(lock, { throwIfNoEntry: false })
      if (stats !== undefined && Date.now() - stats.mtimeMs > FETCH_MS) rmSync(lock, { recursive: true, force: true })
      await sleep(200)
      continue
    }
    try {
      if (!existsSync(folder)) await runMaven(folder)
    } finally {
      rmSync(lock, { recursive: true, force: true })
    }
  }
  return folder
}

async function runMaven(folder: string): Promise<void> {
  const work = mkdtempSync(join(tmpdir(), 'elasticmq-'))
  try {
    const dependency = `<groupId>org.elasticmq</groupId><artifactId>${ARTIFACT}</artifactId><version>${VERSION}</version>`
    writeFileSync(
      join(work, 'pom.xml'),
      `<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion><groupId>local</groupId><artifactId>fetch</artifactId>
      <version>1</version><packaging>pom</packaging><dependencies><dependency>${dependency}</dependency></dependencies></project>`,
    )
    const fetched = `${folder}.fetched`
    rmSync(fetched, { recursive: true, force: true })
    const maven = spawn('mvn', ['-q', '-B', COPY, `-DoutputDirectory=${fetched}`, '-DincludeScope=runtime'], {
      cwd: work,
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    const code = await new Promise((resolve, reject) => maven.once('error', reject).once('exit', resolve))
    if (code !== 0) throw new Error(`Maven could not fetch ElasticMQ (exit code ${code}).`)
    renameSync(fetched, folder)
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (typeof address !== 'object' || address === null) throw new Error('There is no free port.')
  return address.port
}
