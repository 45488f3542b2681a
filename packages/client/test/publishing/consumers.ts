/** Projects of users, outside of this workspace, that install the package from a registry. */
import { execFile, spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import { PACKAGE, temporaryFolder } from './packed.ts'

export const VITE = join(PACKAGE, 'node_modules/vite/bin/vite.js')
export const TSC = join(PACKAGE, 'node_modules/typescript/bin/tsc')

export interface Project {
  folder: string
  /** Runs a program in the project, and gives its standard output. */
  run(program: string, words: readonly string[], settings?: Record<string, string>): Promise<string>
}

/** Makes a project of these files, and installs the package into it. */
export async function makeProject(environment: NodeJS.ProcessEnv, files: Record<string, string>): Promise<Project> {
  const folder = temporaryFolder()
  for (const [path, text] of Object.entries(files)) writeFileSync(join(folder, path), text)
  const run = async (program: string, words: readonly string[], settings: Record<string, string> = {}) => {
    const { stdout } = await promisify(execFile)(program, words, { cwd: folder, env: { ...environment, ...settings } })
    return stdout
  }
  await run('npm', ['install', '@triggers/client'])
  return { folder, run }
}

/** The Nodes of this machine: the one that runs the tests, and those on PATH. @returns their programs, by their versions */
export function installedNodes(): [version: string, program: string][] {
  const nodes = new Map([[process.version, process.execPath]])
  for (const folder of new Set((process.env['PATH'] ?? '').split(delimiter))) {
    const program = join(folder, 'node')
    const { stdout, status } = spawnSync(program, ['--version'], { encoding: 'utf8' })
    if (status === 0 && !nodes.has(stdout.trim())) nodes.set(stdout.trim(), program)
  }
  // The package's manifest promises Node 20 and newer.
  return [...nodes].filter(([version]) => Number(/\d+/.exec(version)?.[0]) >= 20)
}

export function readManifest(folder: string): { name: string; version: string; private?: boolean; dependencies?: Record<string, string> } {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
}
