/** The package as the registry gets it. */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'

export const PACKAGE = join(import.meta.dirname, '../..')
export const REPOSITORY = join(PACKAGE, '../..')

const folders: string[] = []
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

/** A folder that goes away with the tests of the file. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'triggers-client-'))
  folders.push(folder)
  return folder
}

/**
 * What starts pnpm, which publishes the package: the one on PATH, or one that npx gets.
 *
 * @returns a program and its first arguments; what follows is a command of any kind that finds pnpm on its PATH
 */
export function withPnpm(): [string, ...string[]] {
  const isThere = spawnSync('pnpm', ['--version'], { cwd: REPOSITORY, stdio: 'ignore' }).status === 0
  return isThere ? ['env'] : ['npx', '-y', '-p', 'pnpm@12']
}

/** Packs the built package. @returns the tarball's path */
export function packPackage(): string {
  if (!existsSync(join(PACKAGE, 'dist/index.js'))) throw new Error('There is no dist: run `pnpm build` first.')
  const folder = temporaryFolder()
  const [program, ...words] = withPnpm()
  execFileSync(program, [...words, 'pnpm', 'pack', '--pack-destination', folder], { cwd: PACKAGE, stdio: ['ignore', 'ignore', 'inherit'] })
  const [tarball, ...others] = readdirSync(folder)
  if (tarball === undefined || others.length > 0) throw new Error('One tarball is expected.')
  return join(folder, tarball)
}

/** @returns the folder that holds the tarball's files */
export function unpack(tarball: string): string {
  const folder = temporaryFolder()
  execFileSync('tar', ['xzf', tarball, '-C', folder, '--strip-components', '1'])
  return folder
}
