import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { expect, it } from 'vitest'

const CHECK = join(import.meta.dirname, '../../../../scripts/check-node.mjs')

function checkAs(version: string) {
  const pretend = `data:text/javascript,Object.defineProperty(process,'versions',{value:{node:'${version}'}})`
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--import', pretend, CHECK], { encoding: 'utf8' })
  return { status, stdout, stderr }
}

it.each(['18.0.0', '20.20.2', '23.11.1', '24.14.9'])('refuses Node %s, and says what to do', (version) => {
  const { status, stdout, stderr } = checkAs(version)
  expect({ status, stdout }).toEqual({ status: 1, stdout: '' })
  expect(stderr).toMatch(/^[^\n]+\n$/)
  for (const words of [version, '24.15', '`pnpm rebuild node`']) expect(stderr).toContain(words)
})

it.each(['24.15.0', '24.16.1', '25.0.0', '26.10.0', process.versions.node])('takes Node %s', (version) => {
  expect(checkAs(version)).toEqual({ status: 0, stdout: '', stderr: '' })
})
