/** Real servers, and receivers of what they send: all that a test starts here ends with `close`. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Delivery, type DeliveryQuery, Triggers } from '@triggers/client'
import { storeEnvironment } from '../../api/src/testing/server-store.ts'
import { ROOT } from '../load/processes.ts'
import { API_KEY } from '../load/samples.ts'
import { type Receiver, type Respond, startReceiver } from './receiver.ts'

export interface Exit {
  code: number | null
  signal: NodeJS.Signals | null
}

export interface Server {
  pid: number
  url: string
  /** Asks this server, with the development key, and once only. */
  triggers: Triggers
  /** All that it has printed so far. */
  output(): string
  kill(signal: NodeJS.Signals): void
  exited: Promise<Exit>
}

export interface Lab {
  /** A folder that goes away with the lab. */
  folder(): string
  /** Resolves when the server listens. Its settings are those given, and no others of the surroundings. */
  startServer(environment: { DATA_DIR: string } & Record<string, string>): Promise<Server>
  startReceiver(respond?: Respond): Promise<Receiver>
  /** Whatever else is to be ended with it. */
  onClose(end: () => unknown): void
  close(): Promise<void>
}

export function createLab(): Lab {
  const ends: (() => unknown)[] = []
  const onClose = (end: () => unknown) => void ends.push(end)
  return {
    onClose,
    folder() {
      const folder = mkdtempSync(join(tmpdir(), 'triggers-webhooks-'))
      onClose(() => rmSync(folder, { recursive: true, force: true }))
      return folder
    },
    async startServer(environment) {
      const { PATH = '' } = process.env
      const child = spawn(process.execPath, [join(ROOT, 'apps/api/src/entrypoints/server.mjs')], {
        env: {
          ...{ PATH, PORT: '0', AUTH_MODE: 'local', LOG_LEVEL: 'warn', RATE_LIMIT_PER_MINUTE: '0' },
          ...storeEnvironment(environment.DATA_DIR),
          ...environment,
        },
        stdio: ['ignore', 'pipe', 'pipe'],
      })
      const exited = new Promise<Exit>((resolve) => child.once('close', (code, signal) => resolve({ code, signal })))
      onClose(() => {
        child.kill('SIGKILL')
        return exited
      })
      return await serverOf(child, exited)
    },
    async startReceiver(respond) {
      const receiver = await startReceiver(respond)
      onClose(() => receiver.close())
      return receiver
    },
    async close() {
      // The last first: servers before the folders that they write to.
      for (const end of ends.splice(0).reverse()) await end()
    },
  }
}

async function serverOf(child: ChildProcess, exited: Promise<Exit>): Promise<Server> {
  let output = ''
  const { promise: listening, resolve, reject } = Promise.withResolvers<string>()
  const read = (text: string) => {
    output += text
    const url = /^Triggers runs at (http:\/\/\S+)\/v1$/m.exec(output)?.[1]
    if (url !== undefined) resolve(url)
  }
  child.stdout?.setEncoding('utf8').on('data', read)
  child.stderr?.setEncoding('utf8').on('data', read)
  void exited.then(() => reject(new Error(`The server did not start: ${output}`)))
  const url = await listening
  if (child.pid === undefined) throw new Error('The server has no process id.')
  return {
    pid: child.pid,
    url,
    triggers: new Triggers({ apiKey: API_KEY, baseUrl: url, maxRetries: 0 }),
    output: () => output,
    kill: (signal) => void child.kill(signal),
    exited,
  }
}

/**
 * Waits until nothing is amiss any more.
 * @param amiss says what is still missing; undefined: nothing
 * @throws Error that says what was missing in the end
 */
export async function untilAllIsWell(withinMs: number, amiss: () => string | undefined | Promise<string | undefined>): Promise<void> {
  const endMs = performance.now() + withinMs
  for (;;) {
    const problem = await amiss()
    if (problem === undefined) return
    if (performance.now() > endMs) throw new Error(`After ${withinMs / 1000} s ${problem}`)
    await sleep(100)
  }
}

/** All deliveries of a webhook. */
export async function deliveriesOf({ triggers }: Server, webhookId: string, query: DeliveryQuery = {}): Promise<Delivery[]> {
  const deliveries: Delivery[] = []
  for await (const delivery of triggers.webhooks.deliveries(webhookId, { limit: 100, ...query }, { maxRetries: 2 }))
    deliveries.push(delivery)
  return deliveries
}

/** Waits until each of the webhook's deliveries, so many of them, has that status. */
export async function untilAllAre(status: Delivery['status'], server: Server, webhookId: string, count: number, withinMs = 60_000) {
  await untilAllIsWell(withinMs, async () => {
    const statuses = (await deliveriesOf(server, webhookId)).map((delivery) => delivery.status)
    const others = statuses.filter((one) => one !== status)
    if (others.length === 0 && statuses.length === count) return undefined
    return `there are ${statuses.length} deliveries in place of ${count}; not ${status} are: ${others.slice(0, 20).join(', ') || 'none'}`
  })
}
