import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'

const SOURCE = join(import.meta.dirname, '..')

it('is never imported by shipped code', () => {
  const shipped = globSync('**/*.ts', { cwd: SOURCE }).filter(
    (path) => !/\.test\.ts$|^testing\/|^adapters\/conformance\//.test(path.replaceAll('\\', '/')),
  )
  expect(shipped).toContain('run-server.ts')
  expect(shipped.filter((path) => /from '[^']*\/(testing|conformance)\//.test(readFileSync(join(SOURCE, path), 'utf8')))).toEqual([])
})
