/** Checks `.github/workflows` with actionlint: the one on PATH, or one that Go builds into a cache. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'

const PACKAGE = 'github.com/rhysd/actionlint/cmd/actionlint@v1.7.12'
const BUILD_TIMEOUT_MS = 180_000

/** @returns why it could not run, when it is `skipped` */
export function lintWorkflows(root: string): { outcome: 'passed' | 'failed' } | { outcome: 'skipped'; reason: string } {
  const program = findActionlint(root)
  if (program === undefined) return { outcome: 'skipped', reason: 'actionlint is not on PATH, and there is no Go that could build it' }
  const { status } = spawnSync(program, ['-color'], { cwd: root, stdio: 'inherit' })
  return { outcome: status === 0 ? 'passed' : 'failed' }
}

function findActionlint(root: string): string | undefined {
  if (runs('actionlint', ['-version'])) return 'actionlint'
  const folder = join(root, 'node_modules/.cache/actionlint')
  const cached = join(folder, process.platform === 'win32' ? 'actionlint.exe' : 'actionlint')
  if (existsSync(cached)) return cached
  const go = ['go', '/usr/local/go/bin/go'].find((candidate) => runs(candidate, ['version']))
  if (go === undefined) return undefined
  mkdirSync(folder, { recursive: true })
  process.stdout.write(`Building ${PACKAGE}, once …\n`)
  spawnSync(go, ['install', PACKAGE], { env: { ...process.env, GOBIN: folder }, stdio: 'inherit', timeout: BUILD_TIMEOUT_MS })
  return existsSync(cached) ? cached : undefined
}

function runs(program: string, args: string[]): boolean {
  return spawnSync(program, args, { stdio: 'ignore' }).status === 0
}
