/** That docs/SDKS.md names, for each row and in each language, tests that there are. */
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { ROOT } from '../load/processes.ts'

const sourceOf = (pattern: string) =>
  globSync(pattern, { cwd: ROOT })
    .map((path) => readFileSync(join(ROOT, path), 'utf8'))
    .join('\n')

const sources = {
  own: sourceOf('apps/e2e/sdk/*.test.ts'),
  both: globSync('apps/e2e/sdk/*.test.ts', { cwd: ROOT })
    .map((path) => readFileSync(join(ROOT, path), 'utf8'))
    .filter((source) => source.includes('describeClients('))
    .join('\n'),
  ts: sourceOf('packages/client/test/*.test.ts'),
  go: sourceOf('sdks/go/*_test.go'),
}

/** A test's title, as it stands in the source behind `it(` or `it.each(…)(`. */
const hasTest = (source: string, title: string) => ["'", '`'].some((quote) => source.includes(`(${quote}${title}${quote}, `))

const EXISTS: Record<string, (name: string) => boolean> = {
  both: (title) => hasTest(sources.both, title),
  both·ts: (title) => hasTest(sources.own, title),
  ts: (title) => hasTest(sources.ts, title),
  go: (name) => new RegExp(`^func ${name}\\(t \\*testing\\.T\\)`, 'm').test(sources.go),
}

interface Named {
  kind: string
  name: string
}

const table = readFileSync(join(ROOT, 'docs/SDKS.md'), 'utf8')
  .split('\n')
  .filter((line) => line.startsWith('| **'))
  .map((line) => line.slice(2, -2).split(' | '))

const rows = table.map((cells) => {
  const [what = '', , , tests = ''] = cells
  const named = tests.split('<br>').map((text): Named => {
    const [kind = '', ...name] = text.split(': ')
    return { kind, name: name.join(': ') }
  })
  return { cells: cells.length, what: /\*\*(.+?)\*\*/.exec(what)?.[1] ?? '', named }
})

describe('the table of docs/SDKS.md', () => {
  it('has its rows', () => {
    expect(rows.length).toBeGreaterThan(25)
    expect(new Set(rows.map(({ what }) => what)).size).toBe(rows.length)
  })

  it.each(rows)('names tests that there are, in both languages: $what', ({ cells, named }) => {
    expect(cells).toBe(4)
    const missing = named.filter(({ kind, name }) => !EXISTS[kind]?.(name))
    expect(missing).toEqual([])
    const kinds = named.map(({ kind }) => kind)
    expect(kinds.some((kind) => kind === 'both' || kind === 'ts' || kind === 'both·ts')).toBe(true)
    expect(kinds.some((kind) => kind === 'both' || kind === 'go')).toBe(true)
  })
})
