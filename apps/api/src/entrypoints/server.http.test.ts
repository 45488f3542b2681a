import { connect, type Socket } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { eventsOf } from '../testing/server-events.ts'
import { type ServerProcess, startServer } from '../testing/server-process.ts'
import { temporaryDirectory } from '../testing/temporary-directory.ts'

const KEY = 'X-API-Key: test-api-key-12345'
const MAX_BODY_BYTES = 524_288

interface Conversation {
  send(text: string): void
  /** Resolves when the server has said a whole first answer. */
  answer: Promise<Answer>
  closed: Promise<void>
}

interface Answer {
  status: number
  headers: string
  error: { code: string; message: string; details: Record<string, unknown>; request_id: string }
}

/** A client that says exactly what it is told. */
async function talk(server: ServerProcess, text = ''): Promise<Conversation> {
  const socket = connect(server.port, '127.0.0.1')
  await new Promise<void>((resolve) => socket.once('connect', resolve))
  onTestFinished(() => void socket.destroy())
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  const answer = firstAnswer(socket)
  // A server that refuses may reset what still comes; the answer is what counts.
  socket.on('error', () => {})
  if (text !== '') socket.write(text)
  return { send: (more) => void socket.write(more), answer, closed }
}

function firstAnswer(socket: Socket): Promise<Answer> {
  return new Promise((resolve, reject) => {
    let received = Buffer.alloc(0)
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk])
      const end = received.indexOf('\r\n\r\n')
      if (end < 0) return
      const headers = received.subarray(0, end).toString('latin1')
      const length = Number(/^content-length: *(\d+)/im.exec(headers)?.[1] ?? Number.NaN)
      const body = received.subarray(end + 4)
      if (!(body.length >= length)) return
      resolve({ status: Number(headers.split(' ')[1]), headers, ...JSON.parse(body.toString()) })
    })
    socket.on('close', () => reject(new Error(`The connection ended after: ${received.toString('latin1').slice(0, 500)}`)))
  })
}

function create(...headers: string[]): string {
  return `${['POST /v1/events HTTP/1.1', 'Host: localhost', 'Content-Type: application/json', ...headers].join('\r\n')}\r\n\r\n`
}

function expectEnvelope(answer: Answer, status: number, code: string): void {
  expect({ status: answer.status, code: answer.error.code }).toEqual({ status, code })
  expect(answer.error.message).not.toBe('')
  expect(answer.headers).toMatch(/^content-type: application\/json/im)
  expect(answer.headers.toLowerCase()).toContain(`x-request-id: ${answer.error.request_id}`)
}

async function expectAlive(server: ServerProcess): Promise<void> {
  const created = await server.request('/v1/events', { method: 'POST', body: { source: 'alive', event_type: 'still', payload: {} } })
  expect(created.status).toBe(201)
}

async function storedEvents(server: ServerProcess): Promise<number> {
  return (await eventsOf(server)).size
}

describe('a body over the limit', () => {
  it('without a length is refused while it streams', async () => {
    const server = await startServer({ DATA_DIR: temporaryDirectory() })
    const client = await talk(server, create(KEY, 'Transfer-Encoding: chunked'))
    const chunk = `10000\r\n${'{'.repeat(0x10000)}\r\n`
    for (let sent = 0; sent <= MAX_BODY_BYTES; sent += 0x10000) client.send(chunk)
    // The body has not ended, and never will.
    const answer = await client.answer
    expectEnvelope(answer, 413, 'PAYLOAD_TOO_LARGE')
    expect(answer.error.details).toMatchObject({ limit_bytes: MAX_BODY_BYTES })
    expect(await storedEvents(server)).toBe(0)
    await expectAlive(server)
  })

  it('with its length is refused at once, before the key is looked at', async () => {
    const server = await startServer({ DATA_DIR: temporaryDirectory() })
    const client = await talk(server, create('X-API-Key: wrong', `Content-Length: ${MAX_BODY_BYTES + 1}`))
    const answer = await client.answer
    expectEnvelope(answer, 413, 'PAYLOAD_TOO_LARGE')
    expect(answer.error.details).toMatchObject({ limit_bytes: MAX_BODY_BYTES, actual_bytes: MAX_BODY_BYTES + 1 })
    await expectAlive(server)
  })
})

it('judges the key without waiting for the body', async () => {
  const server = await startServer({ DATA_DIR: temporaryDirectory() })
  for (const key of ['X-API-Key: wrong', 'X-Other: none']) {
    const client = await talk(server, create(key, 'Content-Length: 100'))
    expectEnvelope(await client.answer, 401, 'UNAUTHORIZED')
  }
})

describe('a slow client', () => {
  const limits = { HEADERS_TIMEOUT_MS: '1000', REQUEST_TIMEOUT_MS: '2000' }

  it.each([
    ['headers', 'POST /v1/events HTTP/1.1\r\nHost: localhost\r\n'],
    ['a body', create(KEY, 'Content-Length: 100')],
    ['a body of unknown length', create(KEY, 'Transfer-Encoding: chunked')],
  ])('with %s is cut off with 408, while others are served', async (_, start) => {
    const server = await startServer({ DATA_DIR: temporaryDirectory(), ...limits })
    const slow = await talk(server, start)
    let cut = false
    void slow.closed.then(() => {
      cut = true
    })
    await expectAlive(server)
    expect(cut).toBe(false)
    expectEnvelope(await slow.answer, 408, 'REQUEST_TIMEOUT')
    await slow.closed
    await expectAlive(server)
    expect(await storedEvents(server)).toBe(2)
  })

  it('that holds many connections open keeps nobody else out', async () => {
    const server = await startServer({ DATA_DIR: temporaryDirectory(), ...limits })
    const slow = await Promise.all(Array.from({ length: 100 }, () => talk(server, 'GET /v1/inbox HTTP/1.1\r\nHost: localhost\r\n')))
    await expectAlive(server)
    for (const client of slow) expect((await client.answer).status).toBe(408)
    await Promise.all(slow.map((client) => client.closed))
  })
})

describe('what is not HTTP', () => {
  it.each([
    ['noise', '\u0000\u0001\u0002 nonsense\r\n\r\n', 400],
    ['another protocol', '\u0016\u0003\u0001\u0002\u0000\u0001\u0000\r\n\r\n', 400],
    ['a header without a name', 'GET /v1/health HTTP/1.1\r\nHost: localhost\r\n: x\r\n\r\n', 400],
    ['a line break inside a header', 'GET /v1/health HTTP/1.1\r\nHost: localhost\r\nX-A: b\rc\r\n\r\n', 400],
    ['no Host', 'GET /v1/health HTTP/1.1\r\n\r\n', 400],
    ['two lengths', create(KEY, 'Content-Length: 2', 'Content-Length: 3'), 400],
    ['a length and chunks', create(KEY, 'Content-Length: 2', 'Transfer-Encoding: chunked'), 400],
    ['a length that is no number', create(KEY, 'Content-Length: two'), 400],
    ['a chunk size that is no number', `${create(KEY, 'Transfer-Encoding: chunked')}zz\r\n{}\r\n0\r\n\r\n`, 400],
    ['headers too long', `GET /v1/health HTTP/1.1\r\nHost: localhost\r\nX-Long: ${'x'.repeat(70_000)}\r\n\r\n`, 431],
    ['a request line too long', `GET /${'x'.repeat(70_000)} HTTP/1.1\r\nHost: localhost\r\n\r\n`, 431],
    ['a tunnel', 'CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n', 400],
    ['a Host that is none', 'GET /v1/health HTTP/1.1\r\nHost: a b/c\\d\r\n\r\n', 400],
    ['a target that is none', 'GET http://[::1/v1/health HTTP/1.1\r\nHost: localhost\r\n\r\n', 400],
  ])('is answered in the envelope: %s', async (_, text, status) => {
    const server = await startServer({ DATA_DIR: temporaryDirectory() })
    const client = await talk(server, text)
    expectEnvelope(await client.answer, status, 'VALIDATION_ERROR')
    await expectAlive(server)
    expect(await storedEvents(server)).toBe(1)
    expect(server.stderr()).toBe('')
  })

  it('survives clients that vanish at every point of a request', async () => {
    const server = await startServer({ DATA_DIR: temporaryDirectory() })
    const body = JSON.stringify({ source: 'gone', event_type: 'vanished', payload: { text: 'x'.repeat(200) } })
    const whole = create(KEY, `Content-Length: ${body.length}`) + body
    const lengths = Array.from({ length: 60 }, (_, index) => Math.floor((whole.length * index) / 60))
    await Promise.all(
      lengths.map(async (length) => {
        const socket = connect(server.port, '127.0.0.1')
        const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
        socket.on('error', () => {})
        socket.once('connect', () => socket.write(whole.slice(0, length), () => socket.resetAndDestroy()))
        await closed
      }),
    )
    await expectAlive(server)
    expect(await storedEvents(server)).toBe(1)
    expect(server.stderr()).toBe('')
  })
})
