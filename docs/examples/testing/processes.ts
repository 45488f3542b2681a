/** Runs the API and the examples as processes of their own, which end with the test. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { startServer } from '../../../packages/client/test/server.ts'

export interface Api {
  url: string
  /** The environment that an example takes them from. */
  settings: Record<string, string>
  /** All events, oldest first. */
  events(): Promise<{ event_id: string; source: string; event_type: string; status: string; payload: Record<string, unknown> }[]>
  create(event: object): Promise<void>
}

export interface Running {
  /** All that it has printed so far. */
  stdout(): string
  stderr(): string
  /** Resolves when standard output has the text; rejects when the process ends before. */
  printed(text: string | RegExp): Promise<void>
  /** The exit code; null after a signal. */
  exited: Promise<number | null>
  kill(signal: NodeJS.Signals): void
}

export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'triggers-examples-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** @returns whether the program can be run */
export function isThere(program: string, ...words: string[]): boolean {
  return spawnSync(program, words, { stdio: 'ignore' }).status === 0
}

export function start(words: readonly string[], settings: Record<string, string>, folder?: string): Running {
  const [program = '', ...rest] = words
  const child: ChildProcess = spawn(program, rest, {
    // The settings of whoever runs the tests are not the examples'.
    env: { ...withoutOurSettings(process.env), no_proxy: '*', ...settings },
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(folder !== undefined && { cwd: folder }),
  })
  const output = { stdout: '', stderr: '' }
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (output.stdout += text))
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (output.stderr += text))
  // 'close': not before all of its output has been read.
  const exited = new Promise<number | null>((resolve, reject) => child.once('close', resolve).once('error', reject))
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await exited.catch(() => {})
  })
  const printed = (text: string | RegExp) =>
    new Promise<void>((resolve, reject) => {
      const look = () => {
        if (typeof text === 'string' ? output.stdout.includes(text) : text.test(output.stdout)) resolve()
      }
      child.stdout?.on('data', look)
      look()
      const fail = () => reject(new Error(`It ended without ${text}: ${output.stdout}${output.stderr}`))
      void exited.then(fail, reject)
    })
  return { stdout: () => output.stdout, stderr: () => output.stderr, printed, exited, kill: (signal) => child.kill(signal) }
}

/** Starts the API, with nothing in it. */
export async function startApi(): Promise<Api> {
  const { url, apiKey, stop } = await startServer()
  onTestFinished(stop)
  const headers = { 'x-api-key': apiKey, 'content-type': 'application/json' }
  return {
    url,
    settings: { TRIGGERS_URL: url, TRIGGERS_API_KEY: apiKey },
    events: async () => JSON.parse(await (await fetch(`${url}/v1/events?order=asc&limit=100`, { headers })).text()).events,
    create: async (event) => {
      const { status } = await fetch(`${url}/v1/events`, { method: 'POST', headers, body: JSON.stringify(event) })
      if (status !== 201) throw new Error(`The event was not created: ${status}`)
    },
  }
}

function withoutOurSettings(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('TRIGGERS_') && name !== 'PORT'))
}
