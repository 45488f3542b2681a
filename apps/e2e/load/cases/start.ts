import { spawn, spawnSync } from 'node:child_process'
import { createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Bench } from '../context.ts'
import { killGroup, ROOT } from '../processes.ts'
import { API_KEY, sampleEvent } from '../samples.ts'
import { median } from '../stats.ts'

const LIMIT_MS = 60_000
const RETRY_MS = 10

/** From `pnpm start` on this checkout, which is installed, to the first 201. */
export async function start(bench: Bench): Promise<void> {
  const onPath = spawnSync('pnpm', ['--version'], { stdio: 'ignore' }).status === 0
  const command: [string, ...string[]] = onPath ? ['pnpm', 'start'] : ['npx', '-y', 'pnpm@12', 'start']
  const times: number[] = []
  for (let i = 0; i < bench.settings.starts; i++) times.push(await timeStart(bench, command))
  bench.add({
    case: 'start',
    name: `${command.join(' ')} to the first 201`,
    figures: { seconds: median(times), slowestSeconds: Math.max(...times), samples: times.length },
  })
}

async function timeStart(bench: Bench, [program, ...args]: [string, ...string[]]): Promise<number> {
  const port = await freePort()
  const beginMs = performance.now()
  // A group of its own, since the server is a grandchild of the package manager.
  const child = spawn(program, args, {
    cwd: ROOT,
    env: { ...process.env, PORT: String(port), DATA_DIR: bench.newFolder() },
    stdio: 'ignore',
    detached: true,
  })
  bench.processes.track(child)
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()).once('error', () => resolve()))
  while (!(await isCreated(port))) {
    if (child.exitCode !== null) throw new Error(`${program} ${args.join(' ')} ended with code ${child.exitCode}.`)
    if (performance.now() - beginMs > LIMIT_MS) throw new Error(`No 201 in ${LIMIT_MS / 1000} s.`)
    await sleep(RETRY_MS)
  }
  const seconds = (performance.now() - beginMs) / 1000
  if (child.pid !== undefined) killGroup(child.pid, 'SIGTERM')
  await ended
  return seconds
}

async function isCreated(port: number): Promise<boolean> {
  const headers = { 'content-type': 'application/json', 'x-api-key': API_KEY }
  const request = { method: 'POST', headers, body: JSON.stringify(sampleEvent(0)), signal: AbortSignal.timeout(5000) }
  return fetch(`http://127.0.0.1:${port}/v1/events`, request).then(
    ({ status }) => status === 201,
    () => false,
  )
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => (typeof address === 'object' && address !== null ? resolve(address.port) : reject(new Error('No free port.'))))
    })
  })
}
