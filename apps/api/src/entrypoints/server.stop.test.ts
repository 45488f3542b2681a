import { type ClientRequest, type IncomingMessage, request } from 'node:http'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createdEvent, eventsOf } from '../testing/server-events.ts'
import { type ServerProcess, startServer } from '../testing/server-process.ts'
import { settled } from '../testing/server-store.ts'
import { temporaryDirectory } from '../testing/temporary-directory.ts'

interface Begun {
  finish(): void
  answer: Promise<{ status: number | undefined; eventId: string }>
}

/** Resolves when the server has begun to work on a create whose body it still waits for. */
async function beginCreate(server: ServerProcess, source: string): Promise<Begun> {
  const body = JSON.stringify({ source, event_type: 'stop', payload: { a: 1 } })
  const headers = {
    'x-api-key': 'test-api-key-12345',
    'content-type': 'application/json',
    'content-length': body.length,
    expect: '100-continue',
  }
  const client: ClientRequest = request(`${server.url}/v1/events`, { method: 'POST', headers })
  const answer = new Promise<IncomingMessage>((resolve, reject) => client.once('response', resolve).once('error', reject))
  // A test that expects no answer does not look at it.
  answer.catch(() => {})
  const begun = new Promise((resolve) => client.once('continue', resolve))
  client.flushHeaders()
  await begun
  return {
    finish: () => void client.end(body),
    answer: answer.then(async (message) => ({ status: message.statusCode, eventId: JSON.parse(await text(message)).event_id })),
  }
}

/** Resolves when new connections are refused. */
async function refusesConnections(server: ServerProcess): Promise<void> {
  for (;;) {
    const refused = await new Promise<boolean>((resolve) => {
      const socket = connect(server.port, '127.0.0.1')
      socket.once('connect', () => {
        socket.destroy()
        resolve(false)
      })
      socket.once('error', () => resolve(true))
    })
    if (refused) return
  }
}

describe('stop', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)('on %s finishes what it began, and keeps it', async (signal) => {
    const directory = temporaryDirectory()
    const server = await startServer({ DATA_DIR: directory })
    // A connection that has nothing to say, as a client's pool keeps them.
    const idle = connect(server.port, '127.0.0.1')
    idle.on('error', () => {})
    onTestFinished(() => void idle.destroy())
    const begun = await Promise.all(Array.from({ length: 30 }, (_, index) => beginCreate(server, `in-flight-${index}`)))
    server.kill(signal)
    await refusesConnections(server)
    for (const { finish } of begun) finish()
    const answers = await Promise.all(begun.map(({ answer }) => answer))
    expect(answers.map(({ status }) => status)).toEqual(begun.map(() => 201))
    expect(await server.exited).toEqual({ code: 0, signal: null })
    expect(server.stderr()).toBe('')

    const again = await startServer({ DATA_DIR: directory })
    const events = await eventsOf(again)
    expect(answers.map(({ eventId }) => events.get(eventId)?.source)).toEqual(begun.map((_, index) => `in-flight-${index}`))
    expect(events.size).toBe(30)
  })

  it('does not wait longer than its deadline for a client that never finishes', async () => {
    const server = await startServer({ DATA_DIR: temporaryDirectory(), SHUTDOWN_TIMEOUT_MS: '300' })
    const { answer } = await beginCreate(server, 'never-finished')
    server.kill('SIGTERM')
    await expect(answer).rejects.toThrow('socket hang up')
    expect(await server.exited).toEqual({ code: 0, signal: null })
  })

  it('leaves cursors that are valid after the restart', async () => {
    const directory = temporaryDirectory()
    const first = await startServer({ DATA_DIR: directory })
    const ids = [await createdEvent(first, 'a'), await createdEvent(first, 'b'), await createdEvent(first, 'c')]
    const read = async (server: ServerProcess, query: string) => {
      const page: { events: { event_id: string }[]; pagination: { next_cursor: string | null } } = JSON.parse(
        await (await server.request(`/v1/inbox?${query}`)).text(),
      )
      return { ids: page.events.map((event) => event.event_id), cursor: page.pagination.next_cursor }
    }
    await settled()
    const page = await read(first, 'limit=1')
    expect(page.ids).toEqual(ids.slice(0, 1))
    first.kill('SIGTERM')
    await first.exited
    const second = await startServer({ DATA_DIR: directory })
    expect(await read(second, `cursor=${page.cursor}`)).toEqual({ ids: ids.slice(1), cursor: null })
  })
})
