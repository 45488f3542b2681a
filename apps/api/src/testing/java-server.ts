/** Servers in Java for tests: each a process of its own, on a free port of this machine. Their jars come from Maven Central, once for this machine. */
import { type ChildProcessByStdio, spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'

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

export interface JavaProgram {
  /** As people call it. */
  name: string
  /** The folder of its jars, in the cache: with the version, since it is fetched once. */
  folder: string
  /** The variable that names another folder for them. */
  folderVariable: string
  /** What Maven is to fetch: `<dependency>` elements, and where needed `<dependencyManagement>`. */
  pom: string
  /** The arguments of the JVM and the main class with its own, for a port and the folder of the jars. */
  run(port: number, jars: string): string[]
}

export interface JavaServer {
  url: string
  /** Ends it at once, with all that it holds. */
  stop(): Promise<void>
  /** On the same port, empty. */
  start(): Promise<void>
}

/**
 * Starts one that may be stopped and started again. It ends with this process at the latest.
 * @param what it is for, and the variable that names another server, for who reads that it is skipped
 * @returns undefined where there is no JDK, or no Maven to fetch it with; it has been said on standard error
 */
export async function startJavaServer(java: JavaProgram, what: { purpose: string; variable: string }): Promise<JavaServer | undefined> {
  const missing = missingPrograms(java)
  if (missing !== undefined) {
    process.stderr.write(`SKIPPED: ${what.purpose}, since ${missing}, and ${what.variable} names no server.\n`)
    return undefined
  }
  const jars = await fetchJars(java)
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  let running: { child: ChildProcessByStdio<Writable, Readable, Readable>; exited: Promise<unknown> } | undefined

  async function start(): Promise<void> {
    const child = spawn(process.execPath, ['-e', UNTIL_STDIN_ENDS, program('java'), ...java.run(port, jars)], {
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    running = { child, exited: new Promise((resolve) => child.once('exit', resolve)) }
    let output = ''
    const read = (text: Buffer) => {
      output = (output + text).slice(-5000)
    }
    child.stdout.on('data', read)
    child.stderr.on('data', read)
    // Of one that has ended by itself.
    child.stdin.on('error', () => {})
    const endMs = performance.now() + START_MS
    while (!(await answers(url))) {
      if (child.exitCode !== null || performance.now() > endMs) throw new Error(`${java.name} did not start: ${output}`)
      await sleep(50)
    }
  }

  async function stop(): Promise<void> {
    running?.child.stdin.end()
    await running?.exited
  }

  await start()
  return { url, start, stop }
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

function folderOf({ folder, folderVariable }: JavaProgram): string {
  const cache = process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache')
  return process.env[folderVariable] || join(cache, 'triggers-tests', folder)
}

/** Why it cannot be run here; undefined: it can. */
export function missingPrograms(java: JavaProgram): string | undefined {
  const cannotRun = (command: string, ...args: string[]) => spawnSync(command, args, { stdio: 'ignore' }).status !== 0
  if (cannotRun(program('java'), '-version')) return 'there is no Java here'
  if (!existsSync(folderOf(java)) && cannotRun('mvn', '-v')) return `${java.name} must be fetched, and there is no Maven here`
  return undefined
}

/** The folder of the jars, whole or not there. Of several test files that need them at once one fetches. */
async function fetchJars(java: JavaProgram): Promise<string> {
  const folder = folderOf(java)
  const lock = `${folder}.lock`
  mkdirSync(join(folder, '..'), { recursive: true })
  const endMs = performance.now() + FETCH_MS
  while (!existsSync(folder)) {
    if (performance.now() > endMs) throw new Error(`${java.name} was not fetched in time; if nobody fetches it, remove ${lock}.`)
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
      if (!existsSync(folder)) await runMaven(java, folder)
    } finally {
      rmSync(lock, { recursive: true, force: true })
    }
  }
  return folder
}

async function runMaven(java: JavaProgram, folder: string): Promise<void> {
  const work = mkdtempSync(join(tmpdir(), 'jars-'))
  try {
    writeFileSync(
      join(work, 'pom.xml'),
      `<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion><groupId>local</groupId><artifactId>fetch</artifactId>
      <version>1</version><packaging>pom</packaging>${java.pom}</project>`,
    )
    const fetched = `${folder}.fetched`
    rmSync(fetched, { recursive: true, force: true })
    const maven = spawn('mvn', ['-q', '-B', COPY, `-DoutputDirectory=${fetched}`, '-DincludeScope=runtime'], {
      cwd: work,
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    const code = await new Promise((resolve, reject) => maven.once('error', reject).once('exit', resolve))
    if (code !== 0) throw new Error(`Maven could not fetch ${java.name} (exit code ${code}).`)
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
