import { spawn, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { expect, it } from 'vitest'
import { parseConfig } from '../config.ts'
import { startServer } from '../testing/server-process.ts'
import { temporaryDirectory } from '../testing/temporary-directory.ts'

const README = readFileSync(join(import.meta.dirname, '../../../../README.md'), 'utf8')

const missing = ['bash', 'curl', 'openssl'].filter(
  (program) => spawnSync(program, [program === 'openssl' ? 'version' : '--version'], { stdio: 'ignore' }).status !== 0,
)
if (missing.length > 0) console.warn(`SKIPPED: the README's commands need ${missing.join(' and ')}, not found here.`)

/** The section's commands, one text a block, for a server at another port. */
function commandsOf(title: string, port: number | string): string[] {
  const blocks = section(title).matchAll(/^```sh\n(.*?)^```$/gms)
  return [...blocks].map(([, block = '']) => block.replaceAll('localhost:8080', `localhost:${port}`))
}

function section(title: string): string {
  const start = README.indexOf(`\n## ${title}\n`)
  const end = README.indexOf('\n## ', start + 1)
  return start < 0 ? '' : README.slice(start, end < 0 ? undefined : end)
}

it.skipIf(missing.length > 0)("works as printed: the README's first minute", async () => {
  const server = await startServer({ DATA_DIR: temporaryDirectory() })
  const separator = '----'
  const commands = commandsOf('First minute', server.port).join(`\necho; echo ${separator}\n`)
  const shell = spawn('bash', ['-eu', '-o', 'pipefail', '-c', commands], {
    cwd: temporaryDirectory(),
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const outputs = (await text(shell.stdout))
    .split(`${separator}\n`)
    .map((output) => (output.trim() === '' ? undefined : JSON.parse(output)))
  const [created, , inbox, acknowledged, deleted] = outputs
  expect(outputs.length).toBe(5)
  expect(created).toMatchObject({ status: 'pending', event_id: expect.stringMatching(/^[0-9a-f-]{36}$/) })
  const { event_id } = created
  expect(inbox.events).toMatchObject([{ event_id, source: 'shop', event_type: 'order.placed', payload: { order: 1042 } }])
  expect(acknowledged).toMatchObject({ event_id, status: 'acknowledged' })
  expect(deleted).toMatchObject({ event_id })
  expect((await server.request(`/v1/events/${event_id}`)).status).toBe(404)
})

it.skipIf(missing.length > 0)('works as printed: a webhook, with its secret in the answer', async () => {
  const server = await startServer({ DATA_DIR: temporaryDirectory() })
  const [command = ''] = commandsOf('Webhooks', server.port)
  const shell = spawn('bash', ['-eu', '-o', 'pipefail', '-c', command], { stdio: ['ignore', 'pipe', 'inherit'] })
  const created = JSON.parse(await text(shell.stdout))
  expect(created).toMatchObject({ url: 'http://127.0.0.1:3000/webhooks', events: ['order.*'], secret: expect.stringMatching(/^whsec_/) })
})

it.skipIf(missing.length > 0)('works as printed: keys of your own, then a start that takes those alone', async () => {
  const [block = ''] = commandsOf('Access', 8080)
  const directory = import.meta.dirname
  const commands = block
    .replaceAll('npx -y pnpm@12 admin', `node ${join(directory, 'admin.ts')}`)
    // Tests listen on this machine alone.
    .replace('HOST=0.0.0.0', 'AUTH_MODE=keys')
    .replace('npx -y pnpm@12 start', 'env | grep ^ENCRYPTION_KEY=')
  const DATA_DIR = temporaryDirectory()
  const shell = spawn('bash', ['-eu', '-o', 'pipefail', '-c', commands], {
    env: { PATH: process.env['PATH'], DATA_DIR },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const output = await text(shell.stdout)
  const apiKey = /trg_\w+/.exec(output)?.[0] ?? ''
  const ENCRYPTION_KEY = /^ENCRYPTION_KEY=(.*)$/m.exec(output)?.[1] ?? ''
  const server = await startServer({ DATA_DIR, AUTH_MODE: 'keys', ENCRYPTION_KEY })
  const whoami = await fetch(`${server.url}/v1/whoami`, { headers: { 'x-api-key': apiKey } })
  expect(await whoami.json()).toMatchObject({ workspace_id: 'shop', name: 'first' })
  expect((await server.request('/v1/whoami')).status).toBe(401)
})

it('names every setting and its default in the README', () => {
  const rows = [...section('Configuration').matchAll(/^\| `(\w+)` \| `?([^|`]+?)`? \|/gm)].map(
    ([, name = '', value = '']) => [name, value] as const,
  )
  const source = readFileSync(join(import.meta.dirname, '../config.ts'), 'utf8')
  const settings = new Set([...source.matchAll(/\b[A-Z][A-Z]+(?:_[A-Z]+)*(?=: )/g)].map(([name]) => name))
  expect(rows.map(([name]) => name).sort()).toEqual([...settings].sort())
  const printed = rows.filter(([, value]) => value !== 'none')
  expect(parseConfig(Object.fromEntries(printed))).toEqual(parseConfig({}))
})
