import { spawnSync } from 'node:child_process'
import { readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createdEvent, eventsOf } from '../testing/server-events.ts'
import { type ServerProcess, startServer } from '../testing/server-process.ts'
import { temporaryDirectory } from '../testing/temporary-directory.ts'

async function expectUnavailable(answer: Response): Promise<void> {
  expect(answer.status).toBe(503)
  expect(Number(answer.headers.get('retry-after'))).toBeGreaterThanOrEqual(1)
  const { error }: { error: { code: string; message: string; request_id: string } } = JSON.parse(await answer.text())
  expect(error).toMatchObject({ code: 'SERVICE_UNAVAILABLE', request_id: answer.headers.get('x-request-id') })
  expect(JSON.stringify(error)).not.toMatch(/sqlite|disk|locked|database|events_/i)
}

const create = (server: ServerProcess, source: string, payload: object = {}) =>
  server.request('/v1/events', { method: 'POST', body: { source, event_type: 'fault', payload } })

const createBulk = (server: ServerProcess, source: string) =>
  server.request('/v1/events/bulk', {
    method: 'POST',
    body: { items: Array.from({ length: 5 }, () => ({ source, event_type: 'fault', payload: { text: 'x'.repeat(200_000) } })) },
  })

interface Disk {
  directory: string
  fill(server: ServerProcess): void
  free(server: ServerProcess): void
}

function run(program: string, ...args: string[]): boolean {
  return spawnSync(program, args, { stdio: 'ignore' }).status === 0
}

/** A small disk of its own where the test may mount one. */
function smallDisk(): Disk | undefined {
  const directory = temporaryDirectory()
  if (!run('mount', '-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', directory)) return undefined
  onTestFinished(() => void run('umount', '-l', directory))
  const filler = join(directory, 'filler')
  return {
    directory,
    fill: () => {
      const piece = Buffer.alloc(65_536)
      try {
        for (;;) writeFileSync(filler, piece, { flag: 'a' })
      } catch (error) {
        if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error
      }
    },
    free: () => rmSync(filler),
  }
}

/** Else the running server's files are kept from growing, which it meets as a failed write, too. */
function limitedFiles(): Disk | undefined {
  if (!run('prlimit', '--version')) return undefined
  const directory = temporaryDirectory()
  const limit = (server: ServerProcess, bytes: string) => {
    // Only the soft limit: without privileges the hard one cannot be raised again.
    if (!run('prlimit', `--pid=${server.pid}`, `--fsize=${bytes}:`)) throw new Error('prlimit failed.')
  }
  return {
    directory,
    fill: (server) => limit(server, String(Math.max(...readdirSync(directory).map((file) => statSync(join(directory, file)).size)))),
    free: (server) => limit(server, 'unlimited'),
  }
}

describe.each([
  ['a full disk', smallDisk],
  ['files that cannot grow', limitedFiles],
])('%s', (name, makeDisk) => {
  it('is answered with 503, stores no half of anything, and is over when there is room again', async ({ skip }) => {
    const disk = makeDisk()
    if (disk === undefined) {
      console.warn(`SKIPPED: ${name} needs the right to mount, or prlimit; this machine offers neither here.`)
      return skip('cannot be made on this machine')
    }
    const server = await startServer({ DATA_DIR: disk.directory, LOG_LEVEL: 'silent' })
    const stored = [await createdEvent(server, 'before')]
    disk.fill(server)
    // The write-ahead log's own free room is used up first.
    let refused: Response | undefined
    for (let tries = 0; refused === undefined && tries < 50; tries++) {
      const answer = await create(server, 'filling', { text: 'x'.repeat(300_000) })
      if (answer.status === 201) stored.push(JSON.parse(await answer.text()).event_id)
      else refused = answer
    }
    if (refused === undefined) throw new Error('The disk never got full.')
    await expectUnavailable(refused)
    await expectUnavailable(await createBulk(server, 'refused-bulk'))
    expect((await server.request('/v1/health')).status).toBe(200)
    expect([...(await eventsOf(server)).keys()]).toEqual(stored)

    disk.free(server)
    stored.push(await createdEvent(server, 'after', { text: 'x'.repeat(300_000) }))
    expect([...(await eventsOf(server)).keys()]).toEqual(stored)

    server.kill('SIGTERM')
    expect(await server.exited).toEqual({ code: 0, signal: null })
    const again = await startServer({ DATA_DIR: disk.directory })
    expect([...(await eventsOf(again)).keys()]).toEqual(stored)
  })
})

describe('a database that another program has locked', () => {
  it('is answered with 503 for writes, still read, and written again when the lock is gone', async () => {
    const directory = temporaryDirectory()
    const server = await startServer({ DATA_DIR: directory, LOG_LEVEL: 'silent' })
    const before = await createdEvent(server, 'before')
    const other = new DatabaseSync(join(directory, 'triggers.db'))
    onTestFinished(() => other.close())
    other.exec('BEGIN EXCLUSIVE')
    const refused = await Promise.all([
      create(server, 'refused'),
      createBulk(server, 'refused'),
      server.request(`/v1/events/${before}/ack`, { method: 'POST' }),
      server.request(`/v1/events/${before}`, { method: 'DELETE' }),
    ])
    for (const answer of refused) await expectUnavailable(answer)
    const during = await eventsOf(server)
    expect([...during.keys()]).toEqual([before])
    expect(during.get(before)?.status).toBe('pending')
    expect((await server.request('/v1/health')).status).toBe(200)

    other.exec('ROLLBACK')
    const after = await createdEvent(server, 'after')
    expect([...(await eventsOf(server)).keys()]).toEqual([before, after])
  })
})
