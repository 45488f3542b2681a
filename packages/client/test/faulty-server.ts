/** A server of the tests' own that fails as it is told, one answer after the other. */
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { onTestFinished } from 'vitest'

export interface SeenRequest {
  method: string
  /** The request target as it came. */
  target: string
  headers: IncomingHttpHeaders
  body: string
}

/** What happens to one request. */
export type Step =
  | { status: number; headers?: Record<string, string>; body?: unknown; text?: string }
  /** The connection is reset before any answer. */
  | 'reset'
  /** The head and half of the body come, then the connection ends. */
  | 'half'
  /** The head comes, then the body byte by byte, without end. */
  | 'slow'
  /** No answer at all. */
  | 'silence'
  /** The other server answers, and its answer is lost. */
  | { loseAnswerOf: string }
  /** The other server answers, and its answer is passed on. */
  | { passOnTo: string }

export interface FaultyServer {
  url: string
  /** What has come so far. */
  requests: SeenRequest[]
}

/** Answers each request with the next step, and from then on with the last one. It ends with the test. */
export async function startFaultyServer(...steps: [Step, ...Step[]]): Promise<FaultyServer> {
  const requests: SeenRequest[] = []
  const server = createServer(async (request, response) => {
    // One that breaks off has not come.
    const body = await text(request).catch(() => undefined)
    if (body === undefined) return
    const seen = { method: request.method ?? '', target: request.url ?? '', headers: request.headers, body }
    const step = steps[Math.min(requests.length, steps.length - 1)] ?? 'reset'
    requests.push(seen)
    await answer(response, step, seen)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests }
}

async function answer(response: ServerResponse, step: Step, { method, target, headers, body }: SeenRequest): Promise<void> {
  if (step === 'silence') return
  if (step === 'reset') {
    response.socket?.resetAndDestroy()
  } else if (step === 'half') {
    response.writeHead(201, { 'content-type': 'application/json', 'content-length': '100' })
    response.write('{"event_id": ', () => response.socket?.destroy())
  } else if (step === 'slow') {
    response.writeHead(200, { 'content-type': 'application/json' })
    const timer = setInterval(() => response.write(' '), 5)
    response.on('close', () => clearInterval(timer))
  } else if ('status' in step) {
    response.writeHead(step.status, { 'content-type': 'application/json', ...step.headers })
    response.end(step.text ?? (step.body === undefined ? '' : JSON.stringify(step.body)))
  } else {
    const upstream = 'passOnTo' in step ? step.passOnTo : step.loseAnswerOf
    const { host: _host, connection: _connection, 'content-length': _length, ...passed } = headers
    const answered = await fetch(upstream + target, {
      method,
      headers: passed as Record<string, string>,
      ...(body !== '' && { body }),
    })
    const answer = await answered.text()
    if ('loseAnswerOf' in step) return void response.socket?.resetAndDestroy()
    response.writeHead(answered.status, { 'content-type': 'application/json', 'x-request-id': answered.headers.get('x-request-id') ?? '' })
    response.end(answer)
  }
}

/** The envelope of an error, as the API sends it. */
export function errorBody(code: string, details: Record<string, unknown> = {}) {
  return { error: { code, message: `This is ${code}.`, details, request_id: 'request-of-the-server' } }
}
