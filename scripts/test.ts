/**
 * Every check there is, in order: lint, workflows, types and tests of all packages. It goes on after a failure, and ends with what
 * failed, named once more, and one line that counts the tests: `N passed, N failed`. A check that fails without a test of its own
 * counts as one failed.
 */
import { spawnSync } from 'node:child_process'
import { globSync, readFileSync, rmSync } from 'node:fs'
import { join, relative } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import { lintWorkflows } from './lint-workflows.ts'
import { UNHANDLED_ERRORS, type UnhandledError } from './unhandled-errors.ts'

const root = join(import.meta.dirname, '..')
/** Where each package's `test` script leaves vitest's JSON report. */
const REPORT = 'node_modules/.cache/test-report.json'

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

/** @returns the absolute paths of these reports, of all packages that left one */
function reportsOf(...reports: readonly string[]): string[] {
  return globSync(
    reports.map((report) => `{apps,packages,sdks,docs}/*/${report}`),
    { cwd: root },
  ).map((path) => join(root, path))
}

/** Vitest's JSON report, as far as it is read here. */
interface Report {
  testResults: {
    name: string
    status: string
    message: string
    assertionResults: { status: string; fullName: string; failureMessages: string[] }[]
  }[]
}

/** A failed test, or file, and the beginning of what it says. */
function describe(file: string, test: string, messages: readonly string[]): string {
  const lines = stripVTControlCharacters(messages.join('\n')).split('\n').slice(0, MESSAGE_LINES)
  return [`${relative(root, file)}: ${test}`, ...lines].join('\n    ')
}

/** Adds a package's tests to the counts. A file that failed as a whole, say on an import, counts as one failed. */
function countReport(path: string): { failed: number } {
  const report: Report = JSON.parse(readFileSync(path, 'utf8'))
  let failed = 0
  for (const file of report.testResults) {
    const before = failed
    for (const { status, fullName, failureMessages } of file.assertionResults) {
      if (status === 'passed') counts.passed++
      else if (status === 'failed') {
        failed++
        fail(describe(file.name, fullName, failureMessages))
      } else counts.skipped++
    }
    if (file.status === 'failed' && failed === before) {
      failed++
      fail(describe(file.name, 'the file as a whole', [file.message]))
    }
  }
  return { failed }
}

/** Adds what went wrong outside every test of a package, each as one failed. */
function countUnhandled(path: string): { failed: number } {
  const errors: UnhandledError[] = JSON.parse(readFileSync(path, 'utf8'))
  for (const { type, file, test, message } of errors) fail(describe(file, `${type} at ${test || 'no test'}`, [message]))
  return { failed: errors.length }
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
for (const path of reportsOf(REPORT, UNHANDLED_ERRORS)) rmSync(path)
const exitCode = run('turbo', turbo)

const failedPackages = new Set<string>()
for (const [report, count] of [
  [REPORT, countReport],
  [UNHANDLED_ERRORS, countUnhandled],
] as const) {
  for (const path of reportsOf(report)) {
    const { failed } = count(path)
    if (failed > 0) failedPackages.add(relative(root, path.slice(0, -report.length - 1)).replaceAll('\\', '/'))
  }
}
const failedTasks = readSummary()?.tasks.filter(({ execution }) => execution !== undefined && execution.exitCode !== 0) ?? []
// A package whose failed tests are counted already is not counted once more.
for (const task of failedTasks) if (task.task !== 'test' || !failedPackages.has(task.directory)) fail(task.taskId)
if (exitCode !== 0 && failedTasks.length === 0) fail('turbo')
complete = true
