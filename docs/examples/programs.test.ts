import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { describe, expect, it, onTestFinished } from 'vitest'
import { EXAMPLES, GO_BUILD_TIMEOUT_MS, LANGUAGES } from './testing/languages.ts'
import { start, startApi, temporaryFolder } from './testing/processes.ts'

const FILE = join(EXAMPLES, 'events.ndjson')
const LINES = readFileSync(FILE, 'utf8').trimEnd().split('\n')
/** curl waits a second before its first retry. */
const TIMEOUT_MS = 30_000

/** Stands before the server, and answers the first request itself, with 503. */
async function startFailingOnce(url: string): Promise<string> {
  let isFirst = true
  const proxy = createServer(async (incoming, outgoing) => {
    // One that breaks off has not come.
    const body = await buffer(incoming).catch(() => undefined)
    if (body === undefined) return
    if (isFirst) {
      isFirst = false
      outgoing.writeHead(503, { 'content-type': 'text/plain' }).end('Overloaded')
      return
    }
    const { host: _, connection: __, 'content-length': ___, ...headers } = incoming.headers
    const { method = 'GET', url: path = '/' } = incoming
    const sent = method === 'GET' ? {} : { body }
    const answer = await fetch(url + path, { method, headers: headers as Record<string, string>, ...sent })
    outgoing.writeHead(answer.status, { 'content-type': 'application/json' }).end(await answer.text())
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    proxy.closeAllConnections()
    proxy.close()
  })
  const address = proxy.address()
  if (typeof address !== 'object' || address === null) throw new Error('The proxy has no port.')
  return `http://127.0.0.1:${address.port}`
}

describe.each(LANGUAGES)('in $language', ({ language, missing, command }) => {
  const test = it.skipIf(missing !== '')
  const timeout = language === 'Go' ? GO_BUILD_TIMEOUT_MS : TIMEOUT_MS

  test('creates a first event and reads it', { timeout }, async () => {
    const api = await startApi()
    const program = start(command('first-event'), api.settings)
    expect([await program.exited, program.stderr()]).toEqual([0, ''])
    const [event, ...others] = await api.events()
    expect(others).toEqual([])
    expect(event).toMatchObject({ source: 'shop', event_type: 'order.placed', payload: { order: 1042 } })
    const [created = '', read = ''] = program.stdout().trimEnd().split('\n')
    for (const line of [created, read]) expect(line).toContain(event?.event_id)
    expect(read).toContain('1042')
  })

  test('handles each event of the inbox once, and stops when it is told to', { timeout }, async () => {
    const api = await startApi()
    const orders = [1, 2, 3, 4, 5]
    for (const order of orders) await api.create({ source: 'shop', event_type: 'order.placed', payload: { order: 1000 + order } })
    const program = start(command('consume-inbox'), api.settings)
    await expect.poll(async () => (await api.events()).map(({ status }) => status), { timeout }).toEqual(orders.map(() => 'acknowledged'))
    if (language !== 'curl') {
      // One that comes while it waits.
      orders.push(6)
      await api.create({ source: 'shop', event_type: 'order.placed', payload: { order: 1006 } })
      await expect.poll(async () => (await api.events()).at(-1)?.status, { timeout }).toBe('acknowledged')
      program.kill('SIGTERM')
    }
    expect([await program.exited, program.stderr()]).toEqual([0, ''])
    const handled = [...program.stdout().matchAll(/order\W+(100\d)/g)].map(([, order]) => Number(order) - 1000)
    expect(handled.sort()).toEqual(orders)
  })

  test('loads a file, and a second time without doubling it', { timeout }, async () => {
    const api = await startApi()
    for (let run = 0; run < 2; run++) {
      const program = start([...command('bulk-load'), FILE], api.settings)
      expect([await program.exited, program.stderr()]).toEqual([0, ''])
      if (language !== 'curl') expect(program.stdout()).toBe(`${LINES.length} stored, 0 refused\n`)
    }
    const expected = LINES.map((line) => JSON.parse(line).payload.order)
    const stored = (await api.events()).map(({ payload }) => Number(payload['order']))
    expect(stored.sort((a, b) => a - b)).toEqual(expected)
  })

  test('names the line of a file that is refused, and loads the others', { timeout }, async () => {
    const api = await startApi()
    const path = join(temporaryFolder(), 'events.ndjson')
    const refused = 30
    writeFileSync(path, LINES.map((line, index) => (index === refused ? line.replace('"shop"', '""') : line)).join('\n'))
    const program = start([...command('bulk-load'), path], api.settings)
    expect(await program.exited).toBe(language === 'curl' ? 0 : 1)
    if (language === 'curl') expect(program.stdout()).toContain('"failed":[{"index":5,')
    else expect([program.stdout(), program.stderr()]).toEqual([`59 stored, 1 refused\n`, expect.stringMatching(/^line 31: .+\n$/)])
    expect(await api.events()).toHaveLength(LINES.length - 1)
  })

  test('creates an event once in spite of a failure, and tells refusals apart', { timeout }, async () => {
    const api = await startApi()
    const program = start(command('errors-and-retries'), { ...api.settings, TRIGGERS_URL: await startFailingOnce(api.url) })
    expect(await program.exited).toBe(0)
    const [event, ...others] = await api.events()
    expect(others).toEqual([])
    const printed = program.stdout() + program.stderr()
    expect(printed).toContain(event?.event_id)
    expect(printed).toContain('event_type')
    if (language === 'curl') return
    expect(printed).toMatch(/again/i)
    expect(printed).toContain('the same event: ')
    expect(printed).toMatch(/the same event: true/i)
    if (language === 'Python') return
    for (const line of ['The key belongs to an event of other content.', 'There is no such event.']) expect(printed).toContain(line)
    expect(printed).toMatch(/^No answer: .+/m)
  })
})
