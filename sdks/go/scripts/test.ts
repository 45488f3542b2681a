/**
 * The Go module's checks: gofmt, go vet, staticcheck, and its tests with the race detector. Leaves a report as vitest's JSON reporter
 * would, which the repository's test command counts. Where there is no Go, it says so loudly, and one test counts as skipped.
 */
import { spawn, spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'

const folder = join(import.meta.dirname, '..')
const REPORT = join(folder, 'node_modules/.cache/test-report.json')
const STATICCHECK = 'honnef.co/go/tools/cmd/staticcheck@v0.8.2'
const TEST_TIMEOUT = '10m'

type Status = 'passed' | 'failed' | 'skipped'
interface FileResult {
  name: string
  status: 'passed' | 'failed'
  assertionResults: { fullName: string; status: Status }[]
}

const results: FileResult[] = []

function add(name: string, status: Status): void {
  results.push({ name, status: status === 'failed' ? 'failed' : 'passed', assertionResults: [{ fullName: name, status }] })
}

function skip(name: string, reason: string): void {
  process.stderr.write(`\n!!! SKIPPED: ${name}: ${reason}\n\n`)
  add(name, 'skipped')
}

/** The Go program, or undefined where there is none. */
function findGo(): string | undefined {
  return ['go', '/usr/local/go/bin/go'].find((candidate) => spawnSync(candidate, ['version'], { stdio: 'ignore' }).status === 0)
}

/** Runs a check that fails by its exit code, or by printing something where `silent`. */
function check(name: string, program: string, args: string[], silent = false): void {
  const { status, stdout } = spawnSync(program, args, { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })
  process.stdout.write(stdout ?? '')
  const passed = status === 0 && !(silent && stdout !== '')
  process.stdout.write(`${passed ? 'ok  ' : 'FAIL'} ${name}\n`)
  add(name, passed ? 'passed' : 'failed')
}

/** The race detector needs a C compiler. */
function hasRaceDetector(go: string): boolean {
  const { stdout } = spawnSync(go, ['env', 'CGO_ENABLED', 'CC'], { encoding: 'utf8' })
  // The compiler may come with arguments, which the shell takes apart.
  const [enabled, compiler = ''] = stdout.split('\n')
  return enabled === '1' && spawnSync(`${compiler} --version`, { stdio: 'ignore', shell: true }).status === 0
}

interface GoEvent {
  Action: string
  Package?: string
  Test?: string
  Output?: string
}

/** Runs the tests, and adds one result per package. A test that only groups others counts by these. */
async function test(go: string, args: string[]): Promise<void> {
  const statuses = new Map<string, Map<string, Status>>()
  const packages = new Map<string, Status>()
  const outputs = new Map<string, string[]>()
  const child = spawn(go, ['test', '-json', `-timeout=${TEST_TIMEOUT}`, ...args, './...'], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = new Promise<number>((resolve) => {
    child.on('error', () => resolve(1))
    child.on('close', (code) => resolve(code ?? 1))
  })
  for await (const line of createInterface({ input: child.stdout })) {
    const event = parse(line)
    if (event === undefined) {
      process.stdout.write(`${line}\n`)
      continue
    }
    const { Action: action, Package: name = '', Test: title } = event
    const key = `${name}\n${title ?? ''}`
    if (event.Output !== undefined) {
      // What belongs to no test, such as what the compiler says, is for the reader at once.
      if (title === undefined) process.stdout.write(event.Output)
      else outputs.set(key, [...(outputs.get(key) ?? []), event.Output])
    }
    const status = action === 'pass' ? 'passed' : action === 'fail' ? 'failed' : action === 'skip' ? 'skipped' : undefined
    if (status === undefined) continue
    if (title === undefined) {
      packages.set(name, status)
      continue
    }
    statuses.set(name, (statuses.get(name) ?? new Map()).set(title, status))
    if (status !== 'passed') process.stdout.write((outputs.get(key) ?? []).join(''))
    outputs.delete(key)
  }
  const code = await exited
  for (const [name, status] of packages) {
    const tests = statuses.get(name) ?? new Map<string, Status>()
    results.push({ name, status: status === 'failed' ? 'failed' : 'passed', assertionResults: counted(tests) })
  }
  if (code !== 0 && ![...packages.values()].includes('failed')) add('go test', 'failed')
}

/** @returns the line's event, or undefined where it is something else */
function parse(line: string): GoEvent | undefined {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}

/** @returns what counts: tests without tests of their own, and those that failed by themselves */
function counted(tests: ReadonlyMap<string, Status>): FileResult['assertionResults'] {
  const names = [...tests.keys()]
  return [...tests].flatMap(([name, status]) => {
    const own = names.filter((other) => other.startsWith(`${name}/`))
    const counts = own.length === 0 || (status === 'failed' && own.every((other) => tests.get(other) !== 'failed'))
    return counts ? [{ fullName: name, status }] : []
  })
}

const go = findGo()
if (go === undefined) {
  skip('the Go module', 'there is no Go; install it from https://go.dev/dl')
} else {
  check('gofmt', go, ['run', 'cmd/gofmt', '-l', '.'], true)
  check('go vet', go, ['vet', './...'])
  if (spawnSync(go, ['run', STATICCHECK, '-version'], { cwd: folder, stdio: 'ignore' }).status === 0) {
    check('staticcheck', go, ['run', STATICCHECK, './...'])
  } else {
    skip('staticcheck', `${STATICCHECK} cannot be built here`)
  }
  const races = hasRaceDetector(go)
  if (!races) skip('the race detector', 'it needs cgo and a C compiler; the tests run without it')
  await test(go, races ? ['-race'] : [])
}

mkdirSync(dirname(REPORT), { recursive: true })
writeFileSync(REPORT, JSON.stringify({ testResults: results }))
if (results.some(({ status }) => status === 'failed')) process.exitCode = 1
