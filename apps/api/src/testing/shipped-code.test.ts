import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'

const SOURCE = join(import.meta.dirname, '..')

const shipped = globSync('**/*.ts', { cwd: SOURCE })
  .map((path) => path.replaceAll('\\', '/'))
  .filter((path) => !/\.test\.ts$|^testing\/|^adapters\/conformance\//.test(path))

it('is never imported by shipped code', () => {
  expect(shipped).toContain('run-server.ts')
  expect(shipped.filter((path) => /from '[^']*\/(testing|conformance)\//.test(readFileSync(join(SOURCE, path), 'utf8')))).toEqual([])
})

it('leaves the SDK of AWS out of a server that does not use it: its adapters are imported when they are picked', () => {
  expect(shipped).toContain('adapters/aws/sqs-queue.ts')
  const others = shipped.filter((path) => !path.startsWith('adapters/aws/'))
  // Types are erased.
  const loads = /import (?!type\b)[^']*from '(@aws-sdk|@smithy|[^']*\/aws\/)/
  expect(others.filter((path) => loads.test(readFileSync(join(SOURCE, path), 'utf8')))).toEqual([])
})
