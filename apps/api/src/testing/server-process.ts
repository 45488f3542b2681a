/** The program as an operator runs it: a process of its own, on a free port, with a data directory of its own. */
import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { DEVELOPMENT_KEY } from '../domain/key-ring.ts'
import { makeStore, storeEnvironment } from './server-store.ts'

const ENTRYPOINT = join(import.meta.dirname, '../entrypoints/server.mjs')

export interface Exit {
  code: number | null
  signal: NodeJS.Signals | null
}

export interface ServerProcess {
  pid: number
  port: number
  url: string
  /** All that it has printed so far. */
  stdout(): string
  stderr(): string
  exited: Promise<Exit>
  kill(signal: NodeJS.Signals): void
  /** Asks the server with the development key; `body` is sent as JSON. */
  request(path: string, options?: { method?: string; body?: unknown; signal?: AbortSignal }): Promise<Response>
}

type Environment = Record<string, string>

/** Starts the server and waits for its welcome; it is killed with the test, if it still runs then. */
export async function startServer(environment: Environment & { DATA_DIR: string }): Promise<ServerProcess> {
  await makeStore(environment)
  const { child, output, exited } = spawnServer(environment)
  const port = await new Promise<number>((resolve, reject) => {
    const look = () => {
      const welcome = /^Triggers runs at http:\/\/\S+:(\d+)\/v1\n.*\n.*\n {2}keys? .*\n/m.exec(output.stdout)
      if (welcome !== null) resolve(Number(welcome[1]))
    }
    child.stdout?.on('data', look)
    void exited.then(() => reject(new Error(`The server did not start: ${output.stdout}${output.stderr}`)))
  })
  if (child.pid === undefined) throw new Error('The server has no process id.')
  const url = `http://127.0.0.1:${port}`
  return {
    pid: child.pid,
    port,
    url,
    stdout: () => output.stdout,
    stderr: () => output.stderr,
    exited,
    kill: (signal) => child.kill(signal),
    request: (path, { method = 'GET', body, signal } = {}) =>
      fetch(url + path, {
        method,
        headers: { 'x-api-key': DEVELOPMENT_KEY, ...(body !== undefined && { 'content-type': 'application/json' }) },
        ...(body !== undefined && { body: JSON.stringify(body) }),
        ...(signal && { signal }),
      }),
  }
}

/** Runs a server that cannot start, to its end. */
export async function runToExit(environment: Environment): Promise<Exit & { stdout: string; stderr: string }> {
  const { output, exited } = spawnServer(environment)
  return { ...(await exited), ...output }
}

function spawnServer(environment: Environment) {
  const { PATH = '' } = process.env
  const child: ChildProcess = spawn(process.execPath, [ENTRYPOINT], {
    // Nothing of the surroundings' own settings; the loads of the tests are beyond the usual rate.
    env: {
      PATH,
      PORT: '0',
      LOG_LEVEL: 'warn',
      RATE_LIMIT_PER_MINUTE: '0',
      ...storeEnvironment(environment['DATA_DIR'] ?? ''),
      ...environment,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const output = { stdout: '', stderr: '' }
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    output.stdout += text
  })
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    output.stderr += text
  })
  // 'close': not before all of its output has been read.
  const exited = new Promise<Exit>((resolve) => child.once('close', (code, signal) => resolve({ code, signal })))
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await exited
  })
  return { child, output, exited }
}
