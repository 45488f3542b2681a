/** The examples' languages, and how their programs are run. */
import { execFileSync } from 'node:child_process'
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isThere } from './processes.ts'

export const EXAMPLES = join(import.meta.dirname, '..')

/** What the first build takes on a machine, which compiles Go's standard library. */
export const GO_BUILD_TIMEOUT_MS = 240_000

export interface Language {
  language: string
  /** Why its examples cannot run here; empty when they can. */
  missing: string
  /** The command that runs the program of that name. */
  command(name: string): string[]
}

const go = ['go', '/usr/local/go/bin/go'].find((candidate) => isThere(candidate, 'version'))
let goPrograms: string | undefined

/**
 * Builds Go's examples, once, as a module outside of this repository: with the SDK as its only other module.
 *
 * @returns the folder of the programs
 */
export function buildGoExamples(): string {
  if (goPrograms !== undefined) return goPrograms
  if (go === undefined) throw new Error('There is no Go.')
  const folder = mkdtempSync(join(tmpdir(), 'triggers-go-examples-'))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  const source = join(folder, 'source')
  cpSync(join(EXAMPLES, 'go'), source, { recursive: true })
  const run = (...words: string[]) => execFileSync(go, words, { cwd: source, env: { ...process.env, GOWORK: 'off', GOFLAGS: '' } })
  const sdk = join(EXAMPLES, '../../sdks/go')
  run('mod', 'edit', `-replace=github.com/triggers-api/triggers/sdks/go=${sdk}`)
  run('vet', './...')
  goPrograms = join(folder, 'programs')
  run('build', '-o', `${goPrograms}/`, './...')
  return goPrograms
}

export const LANGUAGES: readonly Language[] = [
  { language: 'TypeScript', missing: '', command: (name) => [process.execPath, join(EXAMPLES, 'typescript', `${name}.ts`)] },
  { language: 'JavaScript', missing: '', command: (name) => [process.execPath, join(EXAMPLES, 'javascript', `${name}.mjs`)] },
  { language: 'Go', missing: go === undefined ? 'Go' : '', command: (name) => [join(buildGoExamples(), name)] },
  {
    language: 'Python',
    missing: isThere('python3', '--version') ? '' : 'Python 3',
    command: (name) => ['python3', join(EXAMPLES, 'python', `${name.replaceAll('-', '_')}.py`)],
  },
  {
    language: 'curl',
    missing: isThere('curl', '--version') ? '' : 'curl',
    command: (name) => ['sh', join(EXAMPLES, 'curl', `${name}.sh`)],
  },
]

/** Those whose programs receive webhooks, and do nothing else. */
export const RECEIVER_LANGUAGES: readonly Language[] = [
  ...LANGUAGES,
  {
    language: 'Java',
    missing: isThere('java', '--version') ? '' : 'a Java development kit',
    command: (name) => ['java', join(EXAMPLES, 'java', `${pascalCase(name)}.java`)],
  },
  {
    language: 'PHP',
    missing: isThere('php', '--version') ? '' : 'PHP',
    // It says on standard error that it listens.
    command: (name) => ['sh', '-c', 'exec php -S "127.0.0.1:$PORT" "$0" 2>&1', join(EXAMPLES, 'php', `${name.replaceAll('-', '_')}.php`)],
  },
]

function pascalCase(name: string): string {
  return name.replaceAll(/(?:^|-)(.)/g, (_, letter: string) => letter.toUpperCase())
}

for (const { language, missing } of RECEIVER_LANGUAGES) {
  if (missing !== '') console.warn(`SKIPPED: the examples in ${language} need ${missing}, not found here.`)
}
