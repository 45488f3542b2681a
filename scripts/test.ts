/**
 * Every check there is, in order: lint, workflows, types and tests of all packages. It goes on after a failure, and ends with what
 * failed, named once more, and one line that counts the tests: `N passed, N failed`. A check that fails without a test of its own
 * counts as one failed.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, globSync, readFileSync, rmSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import { lintWorkflows } from './lint-workflows.ts'
import { UNHANDLED_ERRORS, type UnhandledError } from './unhandled-errors.ts'

const root = join(import.meta.dirname, '..')
/** Where each package's `test` script leaves vitest's JSON report. */
const REPORT = 'node_modules/.cache/test-report.json'
const packages = globSync('{apps,packages,sdks,docs}/*/package.json', { cwd: root }).map(dirname)

/** How many lines of a failed test's message are said again at the end; its package's own report has all of it. */
const MESSAGE_LINES = 12

const counts = { passed: 0, failed: 0, skipped: 0 }
const failures: string[] = []
let complete = false
process.on('exit', (code) => {
  if (!complete) counts.failed++
  // Last, as logs are cut at their beginning.
  for (const failure of failures) process.stdout.write(`\nFAILED: ${failure}\n`)
  const skipped = counts.skipped > 0 ? `, ${counts.skipped} skipped` : ''
  process.stdout.write(`\n${counts.passed} passed, ${counts.failed} failed${skipped}\n`)
  if (code === 0 && (counts.failed > 0 || counts.passed === 0)) process.exitCode = 1
})

function step(title: string): void {
  process.stdout.write(`\n── ${title}\n`)
}

/** @returns the exit code; a program that a signal ended, or that cannot be started, has failed */
function run(program: string, args: string[]): number {
  const { status, error } = spawnSync(program, args, {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, TURBO_TELEMETRY_DISABLED: '1' },
    shell: process.platform === 'win32',
  })
  if (error !== undefined) process.stderr.write(`${program} cannot run: ${error.message}\n`)
  return status ?? 1
}

function fail(what: string): void {
  counts.failed++
  failures.push(what)
}

/** What a report says, or undefined where the package has left none. */
function read<Report>(path: string): Report | undefined {
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : undefined
}

/** Vitest's JSON report, as far as it is read here. */
interface Report {
  testResults: FileReport[]
}

interface FileReport {
  name: string
  status: string
  message: string
  assertionResults: { status: string; fullName: string; failureMessages: string[] }[]
}

/** A failed test, or file, and the beginning of what it says. */
function describe(file: string, test: string, messages: readonly string[]): string {
  const lines = stripVTControlCharacters(messages.join('\n')).split('\n').slice(0, MESSAGE_LINES)
  return [`${relative(root, file)}: ${test}`, ...lines].join('\n    ')
}

/**
 * Adds a package's tests to the counts. A file that failed as a whole, say on an import, counts as one failed, and so does what went wrong
 * outside every test.
 * @returns whether anything failed
 */
function count(folder: string): boolean {
  const before = counts.failed
  for (const file of read<Report>(join(root, folder, REPORT))?.testResults ?? []) countFile(file)
  for (const { type, file, test, message } of read<UnhandledError[]>(join(root, folder, UNHANDLED_ERRORS)) ?? []) {
    fail(describe(file, `${type} at ${test || 'no test'}`, [message]))
  }
  return counts.failed > before
}

function countFile(file: FileReport): void {
  const before = counts.failed
  for (const { status, fullName, failureMessages } of file.assertionResults) {
    if (status === 'passed') counts.passed++
    else if (status === 'failed') fail(describe(file.name, fullName, failureMessages))
    else counts.skipped++
  }
  if (file.status === 'failed' && counts.failed === before) fail(describe(file.name, 'the file as a whole', [file.message]))
}

interface Summary {
  tasks: { taskId: string; task: string; directory: string; execution?: { exitCode: number | null } }[]
}

/** What turbo wrote about the run, or undefined when it never got that far. */
function readSummary(): Summary | undefined {
  const [path] = globSync('.turbo/runs/*.json', { cwd: root })
  return path === undefined ? undefined : JSON.parse(readFileSync(join(root, path), 'utf8'))
}

step('biome check .')
if (run('biome', ['check', '.']) !== 0) fail('biome check')

step('actionlint')
const workflows = lintWorkflows(root)
if (workflows.outcome === 'failed') fail('actionlint')
if (workflows.outcome === 'skipped') {
  counts.skipped++
  process.stdout.write(`SKIPPED: ${workflows.reason}.\n`)
}

// One after the other: each package's tests use all cores already, and a crowd of them would run into their time limits.
const turbo = ['run', 'typecheck', 'typecheck:scripts', 'test', '--force', '--continue', '--summarize', '--concurrency=1']
step(`turbo ${turbo.join(' ')}`)
rmSync(join(root, '.turbo/runs'), { recursive: true, force: true })
for (const folder of packages) for (const report of [REPORT, UNHANDLED_ERRORS]) rmSync(join(root, folder, report), { force: true })
const exitCode = run('turbo', turbo)

const failedPackages = new Set(packages.filter(count).map((folder) => folder.replaceAll('\\', '/')))
const failedTasks = readSummary()?.tasks.filter(({ execution }) => execution !== undefined && execution.exitCode !== 0) ?? []
// A package whose failed tests are counted already is not counted once more.
for (const task of failedTasks) if (task.task !== 'test' || !failedPackages.has(task.directory)) fail(task.taskId)
if (exitCode !== 0 && failedTasks.length === 0) fail('turbo')
complete = true
