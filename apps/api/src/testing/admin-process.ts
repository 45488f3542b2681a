/** The operator's commands as a process of their own, on a data directory of the test's. */
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { onTestFinished } from 'vitest'
import { runAdmin as runInThisProcess } from '../admin/run-admin.ts'
import { parseConfig } from '../config.ts'
import { buildDeps, type Deps } from '../deps.ts'

const ENTRYPOINT = join(import.meta.dirname, '../entrypoints/admin.ts')

export interface AdminRun {
  code: number | null
  stdout: string
  stderr: string
}

/** Runs `pnpm admin` with these words, to its end. */
export async function runAdmin(environment: Record<string, string>, words: readonly string[], stdin = ''): Promise<AdminRun> {
  const { PATH = '' } = process.env
  // Nothing of the surroundings' own settings.
  const child = spawn(process.execPath, [ENTRYPOINT, ...words], { env: { PATH, ...environment }, stdio: 'pipe' })
  onTestFinished(() => void child.kill('SIGKILL'))
  const output = { stdout: '', stderr: '' }
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output.stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    output.stderr += text
  })
  child.stdin.on('error', () => {}).end(stdin)
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
  const code = await runInThisProcess(words, environment, streams)
  return { code, ...output }
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
  const deps = await buildDeps(parseConfig({ LOG_LEVEL: 'silent', ...environment }))
  onTestFinished(() => deps.store.close())
  return deps
}
