import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { EXAMPLES } from './testing/languages.ts'
import { start, startApi } from './testing/processes.ts'

const README = readFileSync(join(EXAMPLES, 'README.md'), 'utf8')
const ROOT_README = readFileSync(join(EXAMPLES, '../../README.md'), 'utf8')

it('lists every example, and nothing else', () => {
  const links = [...README.matchAll(/\]\(([^)]+)\)/g)].map(([, link]) => link)
  const programs = globSync('{typescript,javascript,go,python,java,php,curl,signing}/**/*.{ts,mjs,go,py,java,php,sh}', { cwd: EXAMPLES })
  expect(programs.length).toBeGreaterThan(25)
  expect(links.sort()).toEqual([...programs, 'events.ndjson'].sort())
})

it("shows in the repository's README a program that works as printed", async () => {
  const api = await startApi()
  const [, program = ''] = /^```ts\n(.*?)^```$/ms.exec(ROOT_README) ?? []
  // From this folder, where the client is installed.
  const running = start([process.execPath, '--input-type=module-typescript', '--eval', program], api.settings, EXAMPLES)
  expect([await running.exited, running.stderr()]).toEqual([0, ''])
  expect(running.stdout()).toContain('order.placed { order: 1042 }')
  expect(await api.events()).toMatchObject([{ event_type: 'order.placed', status: 'acknowledged' }])
})
