/** The operator's commands as a process of their own, on a data directory of the test's. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { onTestFinished } from 'vitest'
import { runAdmin as runInThisProcess } from '../admin/run-admin.ts'
import { parseConfig } from '../config.ts'
import { buildDeps, type Deps } from '../deps.ts'
import { makeStore, storeEnvironment } from './server-store.ts'

const ENTRYPOINT = join(import.meta.dirname, '../entrypoints/admin.ts')

export interface AdminRun {
  code: number | null
  stdout: string
  stderr: string
}

/** Runs `pnpm admin` with these words, to its end. */
export async function runAdmin(environment: Record<string, string>, words: readonly string[], stdin = ''): Promise<AdminRun> {
  await makeStore(environment)
  const child = spawnAdmin(environment, words)
  const output = { stdout: '', stderr: '' }
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output.stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    output.stderr += text
  })
  child.stdin.end(stdin)
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
  return { code, ...output }
}

/** The same without a process, for what does not depend on one. */
export async function adminInThisProcess(environment: Record<string, string>, words: readonly string[], stdin = ''): Promise<AdminRun> {
  const output = { stdout: '', stderr: '' }
  const keep = (name: 'stdout' | 'stderr') => ({
    write: (text: string) => {
      output[name] += text
    },
  })
  const streams = { stdout: keep('stdout'), stderr: keep('stderr'), stdin: Readable.from([stdin]) }
  await makeStore(environment)
  const code = await runInThisProcess(words, withStore(environment), streams)
  return { code, ...output }
}

/** Starts the command; it is killed with the test, if it still runs then. */
export function spawnAdmin(environment: Record<string, string>, words: readonly string[]): ChildProcessWithoutNullStreams {
  const { PATH = '' } = process.env
  // Nothing of the surroundings' own settings.
  const child = spawn(process.execPath, [ENTRYPOINT, ...words], { env: { PATH, ...withStore(environment) }, stdio: 'pipe' })
  onTestFinished(() => void child.kill('SIGKILL'))
  child.stdin.on('error', () => {})
  return child
}

/** What the command answers with `--json`; it must succeed, and say nothing else. */
// Tests look into documents of every form.
// biome-ignore lint/suspicious/noExplicitAny: see above
export async function adminJson(environment: Record<string, string>, words: readonly string[], stdin?: string): Promise<any> {
  const { code, stdout, stderr } = await runAdmin(environment, [...words, '--json'], stdin)
  if (code !== 0 || stderr !== '') throw new Error(`admin ${words[0]} failed (${code}): ${stderr}`)
  return JSON.parse(stdout)
}

/** What the program is built from, on the same data directory; closed with the test. */
export async function depsOn(environment: Record<string, string>): Promise<Deps> {
  await makeStore(environment)
  const deps = await buildDeps(parseConfig({ LOG_LEVEL: 'silent', ...withStore(environment) }))
  onTestFinished(async () => {
    await deps.queue.close()
    await deps.store.close()
  })
  return deps
}

function withStore(environment: Record<string, string>): Record<string, string> {
  return { ...storeEnvironment(environment['DATA_DIR'] ?? ''), ...environment }
}
