/** The listening HTTP server: limits on slow and malformed requests, and a stop that loses nothing. */
import { createServer, type Server } from 'node:http'
import type { Socket } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import type { Deps } from './deps.ts'
import { ERRORS, type ErrorCode } from './errors.ts'

/** How often connections are looked at for their time limits. */
const CHECK_TIMEOUTS_MS = 1000
const KEEP_ALIVE_MS = 65_000

type Fetch = (request: Request, env: object) => Response | Promise<Response>

/**
 * @param fetch the app's
 * @returns the server, listening
 * @throws Error (EADDRINUSE, EACCES, …) when it cannot listen
 */
export async function listen(fetch: Fetch, { config, newRequestId }: Deps): Promise<Server> {
  const listener = getRequestListener(fetch, {
    hostname: config.host,
    // The request line or the Host header is such that no URL comes of it.
    errorHandler: () => {
      const requestId = newRequestId()
      return new Response(envelope('VALIDATION_ERROR', 'The request target or the Host header is not valid.', requestId), {
        status: 400,
        headers: { 'content-type': 'application/json', 'x-request-id': requestId },
      })
    },
  })
  const server = createServer(
    {
      headersTimeout: config.headersTimeoutMs,
      requestTimeout: config.requestTimeoutMs,
      connectionsCheckingInterval: Math.min(CHECK_TIMEOUTS_MS, config.headersTimeoutMs, config.requestTimeoutMs),
      keepAliveTimeout: KEEP_ALIVE_MS,
      // Node's own refusal of a request without Host has no body.
      requireHostHeader: false,
    },
    (request, response) => {
      if (request.headers.host === undefined && request.httpVersion === '1.1') refuse(request.socket, '', newRequestId())
      else void listener(request, response)
    },
  )
  // Node would answer an unknown `Expect` with a bare 417, and drop a CONNECT without a word.
  server.on('checkExpectation', listener)
  server.on('connect', (_, socket) => refuse(socket, '', newRequestId()))
  server.on('clientError', (error, socket) => {
    if ('writable' in socket) refuse(socket, 'code' in error ? String(error.code) : '', newRequestId())
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(config.port, config.host, resolve)
  })
  return server
}

/** What Node's parser gives up on is answered in the envelope, too. */
function refuse(socket: import('node:stream').Duplex | Socket, cause: string, requestId: string): void {
  if (!socket.writable || cause === 'ECONNRESET') {
    socket.destroy()
    return
  }
  const [status, code, message] = refusalOf(cause)
  const body = envelope(code, message, requestId)
  socket.end(
    `HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n` +
      `X-Request-ID: ${requestId}\r\nConnection: close\r\n\r\n${body}`,
  )
}

function refusalOf(cause: string): [status: string, code: ErrorCode, message: string] {
  switch (cause) {
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return ['408 Request Timeout', 'REQUEST_TIMEOUT', ERRORS.REQUEST_TIMEOUT.when]
    case 'HPE_HEADER_OVERFLOW':
      return ['431 Request Header Fields Too Large', 'VALIDATION_ERROR', 'The request line and headers are too long.']
    default:
      return ['400 Bad Request', 'VALIDATION_ERROR', 'This is not valid HTTP/1.1.']
  }
}

function envelope(code: ErrorCode, message: string, requestId: string): string {
  return JSON.stringify({ error: { code, message, details: {}, request_id: requestId } })
}

/**
 * Stops taking requests, lets those under way finish, and resolves when the last connection is gone.
 * @param deadlineMs when connections that are still busy are cut
 */
export async function stopListening(server: Server, deadlineMs: number): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  server.closeIdleConnections()
  // A keep-alive connection turns idle only after its answer.
  const idle = setInterval(() => server.closeIdleConnections(), 50)
  const deadline = setTimeout(() => server.closeAllConnections(), deadlineMs)
  await closed
  clearInterval(idle)
  clearTimeout(deadline)
}
