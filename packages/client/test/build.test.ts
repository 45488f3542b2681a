/** What `pnpm build` made, as users get it. */
import { readdirSync, readFileSync } from 'node:fs'
import { expect, it } from 'vitest'

const dist = new URL('../dist/', import.meta.url)
const built = (pattern: RegExp) => readdirSync(dist).filter((name) => pattern.test(name))
const textOf = (name: string) => readFileSync(new URL(name, dist), 'utf8')

it('shows no type of axios', () => {
  const names = built(/\.d\.c?ts$/)
  expect(names).toEqual(['index.d.cts', 'index.d.ts'])
  for (const name of names) expect(textOf(name)).not.toMatch(/axios/i)
})

it('shows nothing that is marked internal', () => {
  for (const name of built(/\.d\.c?ts$/)) expect(textOf(name)).not.toContain('@internal')
})

it('imports axios and nothing else', () => {
  const imported = built(/\.c?js$/).flatMap((name) => [...textOf(name).matchAll(/^import .* from "(.+)"|\brequire\("(.+)"\)/gm)])
  expect(imported.map(([, esm, cjs]) => esm ?? cjs)).toEqual(['axios', 'axios'])
})
