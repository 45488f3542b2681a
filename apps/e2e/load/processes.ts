/** The processes that the bench starts, and ends: those and no others. */
import { type ChildProcess, fork, spawn, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import type { DynamodbCounts } from '../../api/src/testing/dynamodb-counts.ts'
import type { DynamodbReply, DynamodbResult, DynamodbTask, DynamodbUrls } from './dynamodb-process.ts'
import { DRAIN_MS, type LoadPlan, type LoadReply, type LoadResult } from './load.ts'
import type { StoreReply, StoreTask } from './store-process.ts'
import type { WebhookReply, WebhookResult, WebhookTask } from './webhook-process.ts'

export const ROOT = join(import.meta.dirname, '../../..')
const START_MS = 15_000
const STOP_MS = 20_000
/** The longest task of the webhooks' process. */
const WEBHOOKS_MS = 180_000
/** Their jars may have to be fetched. */
const DYNAMODB_START_MS = 600_000

export interface Running {
  pid: number
  port: number
  stop(): Promise<void>
}

export interface Processes {
  /** The Triggers server on a free port, storing in `dataDirectory`, or as `more` of the environment says; the development key has no rate limit. */
  startServer(dataDirectory: string, more?: Record<string, string>): Promise<Running>
  /** Runs one of the operator's commands on the data; resolves with what it prints as JSON. */
  admin(dataDirectory: string, ...words: string[]): Promise<unknown>
  startBareHandler(): Promise<Running>
  /** One load at a time, in the same generator process. */
  load(plan: LoadPlan): Promise<LoadResult>
  /** Works on a store's file, or on the disk alone, in a process of its own. */
  store<T extends StoreTask>(task: T, timeoutMs: number): Promise<StoreReply<T>>
  /** Receivers of webhooks, and a producer, in a process of their own for as long as `use` takes. */
  webhooks(use: (ask: (task: WebhookTask) => Promise<WebhookResult>) => Promise<void>): Promise<void>
  /** DynamoDB Local and ElasticMQ for as long as `use` takes; false, and nothing used, where they cannot be had. */
  dynamodb(use: (urls: DynamodbUrls, takeCounts: () => Promise<DynamodbCounts>) => Promise<void>): Promise<boolean>
  /** Takes note of a process that the caller has started, as the leader of a group of its own. */
  track(child: ChildProcess): void
  stopAll(): Promise<void>
  /** At once, from an exit handler. */
  killAll(): void
}

/**
 * A server's clients are on other machines and take no turn from it. The generator shares the machine, and would interrupt the server at each
 * answer, thousands of times a second; Linux lets a process of its class for batch jobs wait for the server's turn to end (sched(7)). Where there is
 * no such class, it interrupts. In an open loop it must be punctual instead.
 */
function schedule({ pid }: ChildProcess, { ratePerSecond }: LoadPlan): void {
  spawnSync('chrt', [ratePerSecond === undefined ? '--batch' : '--other', '--pid', '0', String(pid)])
}

export function createProcesses(): Processes {
  const children = new Map<ChildProcess, { group: boolean }>()
  let generator: ChildProcess | undefined

  const track = (child: ChildProcess, group = false) => {
    // It could not be started: its 'error' event tells the caller.
    if (child.pid === undefined) return
    children.set(child, { group })
    child.once('exit', () => children.delete(child))
  }
  const signal = (child: ChildProcess, name: 'SIGTERM' | 'SIGKILL') => {
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
    if (!children.get(child)?.group) child.kill(name)
    else killGroup(child.pid, name)
  }
  const stop = async (child: ChildProcess) => {
    if (!children.has(child)) return
    const exited = new Promise((resolve) => child.once('exit', resolve))
    signal(child, 'SIGTERM')
    const late = setTimeout(() => signal(child, 'SIGKILL'), STOP_MS)
    await exited
    clearTimeout(late)
  }

  const startHttp = async (script: string, environment: NodeJS.ProcessEnv): Promise<Running> => {
    const child = spawn(process.execPath, [script], {
      cwd: ROOT,
      env: { ...process.env, ...environment },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    track(child)
    // Both programs print their URL when they listen; what follows is read and dropped.
    const lines = createInterface({ input: child.stdout })
    const port = await within<number>(START_MS, `${script} did not start`, child, (resolve) => {
      lines.on('line', (line) => {
        const found = /http:\/\/127\.0\.0\.1:(\d+)/.exec(line)?.[1]
        if (found !== undefined) resolve(Number(found))
      })
    })
    if (child.pid === undefined) throw new Error(`${script} has no process id.`)
    return { pid: child.pid, port, stop: () => stop(child) }
  }
  const forked = (script: string) => {
    const child = fork(join(import.meta.dirname, script))
    track(child)
    return child
  }
  const ask = <Reply>(child: ChildProcess, message: object, timeoutMs: number) =>
    within<Reply>(timeoutMs, 'A process of the bench did not answer', child, (resolve) => {
      // Each script of the bench sends one message for one message, of the type that its caller names.
      child.once('message', (reply) => resolve(reply as Reply))
      child.send(message)
    })

  return {
    track: (child) => track(child, true),
    startServer: (dataDirectory, more) =>
      startHttp('apps/api/src/entrypoints/server.mjs', {
        PORT: '0',
        HOST: '127.0.0.1',
        AUTH_MODE: 'local',
        RATE_LIMIT_PER_MINUTE: '0',
        DATA_DIR: dataDirectory,
        ...more,
      }),
    admin: async (dataDirectory, ...words) => {
      const child = spawn(process.execPath, ['apps/api/src/entrypoints/admin.ts', ...words, '--json'], {
        cwd: ROOT,
        env: { ...process.env, AUTH_MODE: 'local', DATA_DIR: dataDirectory },
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      track(child)
      return JSON.parse(await text(child.stdout))
    },
    startBareHandler: () => startHttp('apps/e2e/load/bare-server.ts', {}),
    load: async (plan) => {
      if (generator === undefined || !children.has(generator)) generator = forked('generator.ts')
      schedule(generator, plan)
      const reply = await ask<LoadReply>(generator, plan, plan.warmUpMs + plan.durationMs + 2 * DRAIN_MS)
      if ('failure' in reply) throw new Error(`The load failed: ${reply.failure}`)
      return reply.result
    },
    store: async <T extends StoreTask>(task: T, timeoutMs: number) => {
      const child = forked('store-process.ts')
      try {
        return await ask<StoreReply<T>>(child, task, timeoutMs)
      } finally {
        await stop(child)
      }
    },
    webhooks: async (use) => {
      const child = forked('webhook-process.ts')
      try {
        await use(async (task) => {
          const reply = await ask<WebhookReply>(child, task, WEBHOOKS_MS)
          if ('failure' in reply) throw new Error(`The webhooks failed: ${reply.failure}`)
          return reply.result
        })
      } finally {
        await stop(child)
      }
    },
    dynamodb: async (use) => {
      const child = forked('dynamodb-process.ts')
      const asked = async (task: DynamodbTask): Promise<DynamodbResult> => {
        const reply = await ask<DynamodbReply>(child, task, DYNAMODB_START_MS)
        if ('failure' in reply) throw new Error(`DynamoDB Local failed: ${reply.failure}`)
        return reply.result
      }
      try {
        const started = await asked({ type: 'start' })
        if (!('urls' in started) || started.urls === null) return false
        await use(started.urls, async () => {
          const taken = await asked({ type: 'take' })
          if (!('counts' in taken)) throw new Error('The proxy has no counts.')
          return taken.counts
        })
        return true
      } finally {
        await stop(child)
      }
    },
    stopAll: async () => {
      await Promise.all([...children.keys()].map(stop))
    },
    killAll: () => {
      for (const child of children.keys()) signal(child, 'SIGKILL')
    },
  }
}

export function killGroup(leader: number, signal: 'SIGTERM' | 'SIGKILL'): void {
  try {
    process.kill(-leader, signal)
  } catch (error) {
    // It has ended in the meantime.
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error
  }
}

/** @throws Error when the time is over, or the process ends, before `begin` has resolved */
async function within<T>(ms: number, what: string, child: ChildProcess, begin: (resolve: (value: T) => void) => void): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>()
  const onExit = (code: number | null) => reject(new Error(`${what}: it ended with code ${code}.`))
  const timer = setTimeout(() => reject(new Error(`${what} within ${ms} ms.`)), ms)
  child.once('exit', onExit)
  child.once('error', reject)
  try {
    begin(resolve)
    return await promise
  } finally {
    clearTimeout(timer)
    child.off('exit', onExit)
    child.off('error', reject)
  }
}
