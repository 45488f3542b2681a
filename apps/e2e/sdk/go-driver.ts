/** Makes the calls of a job with the Go client: a program of ours (go/driver) reads a job and writes what came of it. */
import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import type { Done, Driver } from './driver.ts'

const FOLDER = join(import.meta.dirname, 'go')

/** @throws Error when the program does not build */
export function buildGo(program: string, into: string): string {
  const path = join(into, program)
  const { error, status, stderr } = spawnSync('go', ['build', '-o', path, `./${program}`], { cwd: FOLDER, encoding: 'utf8' })
  if (error !== undefined || status !== 0) throw new Error(`go build ./${program} failed: ${error?.message ?? stderr}`)
  return path
}

export function hasGo(): boolean {
  return spawnSync('go', ['version']).error === undefined
}

/** Built when the first job comes; each job is a process of its own. */
export function createGoDriver(): Driver {
  let program: string | undefined
  return {
    language: 'Go',
    run: async ({ environment = {}, ...job }) => {
      program ??= buildGo('driver', temporaryFolder())
      const child = spawn(program, { stdio: ['pipe', 'pipe', 'inherit'], env: { ...process.env, ...environment } })
      child.stdin.end(JSON.stringify(job))
      // The program is ours, and writes a Done for a Job.
      return JSON.parse(await text(child.stdout)) as Done
    },
  }
}

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'triggers-go-'))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  return folder
}
