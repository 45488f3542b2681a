/** What the clients cost: requests/s against the same calls made by hand, 32 at once, in one run. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Bench, Row } from '../load/context.ts'
import type { Running } from '../load/processes.ts'
import { cpuSecondsOf } from '../load/stats.ts'
import type { Slice, SliceReply } from './overhead-slice.ts'

interface Settings {
  rounds: number
  sliceMs: number
  warmUpMs: number
}
const FULL: Settings = { rounds: 25, sliceMs: 300, warmUpMs: 3000 }
const QUICK: Settings = { rounds: 12, sliceMs: 200, warmUpMs: 1000 }

/** Compared within a language. The first contender is ours. */
interface Language {
  case: string
  contenders: string[]
  start(contender: string): ChildProcess
}

interface Call {
  name: string
  call: Slice['call']
  server: Running
}

/** What the project set out to reach: our requests/s to those of the first other contender. */
export const AIMS = [
  { case: 'overhead, TypeScript', other: 'axios', aim: 0.85 },
  { case: 'overhead, Go', other: 'net/http', aim: 0.9 },
] as const

/**
 * Each contender is a process of its own; they take turns in short slices, so that all meet the same machine. `ratio` is ours to the
 * contender in requests/s, the median of the rounds; `cpuRatio` the contender's CPU per request to ours, which holds also where the
 * server or its disk is the limit.
 */
export async function overhead({ processes, settings, newFolder, add }: Bench): Promise<void> {
  const server = await processes.startServer(newFolder())
  const bare = await processes.startBareHandler()
  const calls: Call[] = [
    { name: 'health', call: 'health', server },
    { name: 'create', call: 'create', server },
    // By the bare handler that the other cases know: cheap enough for the client to be the limit.
    { name: 'create, stored nowhere', call: 'create', server: bare },
  ]
  for (const language of languages(newFolder())) {
    for (const call of calls) {
      const contenders = language.contenders.map((name) => startContender(name, language.start(name), processes.track))
      for (const row of await compare(contenders, call, settings.quick ? QUICK : FULL)) add({ case: language.case, ...row })
      for (const { end } of contenders) end()
    }
  }
}

function languages(folder: string): Language[] {
  const stdio: ['pipe', 'pipe', 'inherit'] = ['pipe', 'pipe', 'inherit']
  const typescript: Language = {
    case: 'overhead, TypeScript',
    contenders: ['client', 'axios', 'axios as it comes', 'undici'],
    start: (contender) =>
      spawn(process.execPath, [join(import.meta.dirname, 'overhead-contender.ts'), contender], { stdio, detached: true }),
  }
  const program = join(folder, 'overhead')
  const { status, error } = spawnSync('go', ['build', '-o', program, './overhead'], {
    cwd: join(import.meta.dirname, 'go'),
    stdio: 'inherit',
  })
  if (error !== undefined) {
    process.stderr.write(`SKIPPED: the overhead of the Go client. go cannot be run: ${error.message}\n`)
    return [typescript]
  }
  if (status !== 0) throw new Error('The Go program does not build.')
  const go: Language = {
    case: 'overhead, Go',
    contenders: ['client', 'net/http', 'net/http with a timeout'],
    // One core, as a Node process has: with more, both would take from the server.
    start: (contender) => spawn(program, [contender], { stdio, detached: true, env: { ...process.env, GOMAXPROCS: '1' } }),
  }
  return [typescript, go]
}

interface Measured {
  requests: number
  seconds: number
  cpuSeconds: number
  serverCpuSeconds: number
}

async function compare(contenders: readonly Contender[], { name, call, server }: Call, settings: Settings): Promise<Omit<Row, 'case'>[]> {
  const url = `http://127.0.0.1:${server.port}`
  const serverCpu = () => cpuSecondsOf(server.pid) ?? Number.NaN
  const turns = contenders.map((contender) => ({ contender, slices: [] as Measured[] }))
  for (const { contender } of turns) await contender.measure({ url, call, ms: settings.warmUpMs })
  for (let round = 0; round < settings.rounds; round++) {
    // Forwards and backwards: nobody is always the one who comes after another.
    for (const { contender, slices } of round % 2 === 0 ? turns : turns.toReversed()) {
      const before = serverCpu()
      const reply = await contender.measure({ url, call, ms: settings.sliceMs })
      slices.push({ ...reply, serverCpuSeconds: serverCpu() - before })
    }
  }
  const own = turns[0]?.slices ?? []
  return turns.map(({ contender, slices }, index) => ({
    name: `${name}: ${contender.name}`,
    figures: {
      requestsPerSecond: quantile(slices.map(rate), 0.5),
      clientCpuUs: cpuUs(slices),
      serverCpuPercent: (sum(slices, 'serverCpuSeconds') / sum(slices, 'seconds')) * 100,
      ...(index > 0 && ratiosOf(own, slices)),
    },
  }))
}

function ratiosOf(own: readonly Measured[], theirs: readonly Measured[]): Record<string, number> {
  const ratios = own.flatMap((slice, round) => {
    const other = theirs[round]
    return other === undefined ? [] : [rate(slice) / rate(other)]
  })
  return {
    ratio: quantile(ratios, 0.5),
    ratioLow: quantile(ratios, 0.25),
    ratioHigh: quantile(ratios, 0.75),
    cpuRatio: cpuUs(theirs) / cpuUs(own),
  }
}

interface Contender {
  name: string
  measure(slice: Slice): Promise<Exclude<SliceReply, { failure: string }>>
  end(): void
}

function startContender(name: string, child: ChildProcess, track: (child: ChildProcess) => void): Contender {
  track(child)
  const { stdin, stdout } = child
  if (stdin === null || stdout === null) throw new Error('A contender is spoken to through pipes.')
  const lines = createInterface({ input: stdout })[Symbol.asyncIterator]()
  return {
    name,
    measure: async (slice) => {
      stdin.write(`${JSON.stringify(slice)}\n`)
      const { value, done } = await lines.next()
      if (done) throw new Error(`${name} ended early.`)
      // Both programs answer a slice with a SliceReply.
      const reply = JSON.parse(value) as SliceReply
      if ('failure' in reply) throw new Error(`A call of ${name} failed: ${reply.failure}`)
      return reply
    },
    end: () => stdin.end(),
  }
}

function rate({ requests, seconds }: Measured): number {
  return requests / seconds
}

function sum(slices: readonly Measured[], key: keyof Measured): number {
  return slices.reduce((total, slice) => total + slice[key], 0)
}

function cpuUs(slices: readonly Measured[]): number {
  return (sum(slices, 'cpuSeconds') / sum(slices, 'requests')) * 1e6
}

function quantile(values: readonly number[], quantile: number): number {
  return values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) * quantile)] ?? Number.NaN
}
