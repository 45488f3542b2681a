/** A server that answers what a test tells it to, and keeps what it was asked. */
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'

export interface Reply {
  status: number
  headers?: Record<string, string>
  body?: unknown
}

/** `reset`: the connection, after the request was read. `silence`: nothing ever comes. `half`: the reply breaks off in its body. */
export type Scripted = Reply | { half: Reply } | 'reset' | 'silence'

export interface SeenRequest {
  method: string
  target: string
  headers: IncomingHttpHeaders
  body: string
}

export interface ScriptedServer {
  url: string
  requests: SeenRequest[]
  /** The most requests that waited for their answer at the same time. */
  mostAtOnce(): number
  /** Resolves when the client has closed the connection of a request that is met with silence. */
  givenUp: Promise<void>
  close(): Promise<void>
}

/** @param script the answers, in turn, the last one again and again; or what makes one of a request and its number, from 0 */
export async function startScriptedServer(
  script: readonly Scripted[] | ((request: SeenRequest, index: number) => Scripted | Promise<Scripted>),
): Promise<ScriptedServer> {
  const answerTo = typeof script === 'function' ? script : (_: SeenRequest, index: number) => script[index] ?? script.at(-1) ?? 'silence'
  const requests: SeenRequest[] = []
  const { promise: givenUp, resolve: giveUp } = Promise.withResolvers<void>()
  let atOnce = 0
  let most = 0
  const server = createServer(async (incoming, response) => {
    const { method = '', url: target = '', headers, socket } = incoming
    most = Math.max(most, ++atOnce)
    // One that breaks off has not come.
    const body = await text(incoming).catch(() => undefined)
    if (body === undefined) return void atOnce--
    const request = { method, target, headers, body }
    const answer = await answerTo(request, requests.push(request) - 1)
    atOnce--
    if (answer === 'silence') socket.once('close', () => giveUp())
    else if (answer === 'reset') socket.resetAndDestroy()
    else {
      const isHalf = 'half' in answer
      const { status, headers, body } = isHalf ? answer.half : answer
      const bytes = Buffer.from(body === undefined ? '' : typeof body === 'string' ? body : JSON.stringify(body))
      response.writeHead(status, {
        'Content-Type': 'application/json',
        'Content-Length': bytes.length,
        'X-Request-ID': 'req-1',
        ...headers,
      })
      if (isHalf) response.write(bytes.subarray(0, bytes.length / 2), () => socket.destroy())
      else response.end(bytes)
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  // listen() on a port gives an AddressInfo; the string is for pipes.
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    mostAtOnce: () => most,
    givenUp,
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve))
      server.closeAllConnections()
      await closed
    },
  }
}

/** The API's envelope. */
export function failure(status: number, code: string, details: object = {}, headers: Record<string, string> = {}): Reply {
  return { status, headers, body: { error: { code, message: `It is ${code}.`, details, request_id: 'req-1' } } }
}

/** At once: `Retry-After: 0` keeps a test from waiting. */
export const AT_ONCE = { 'Retry-After': '0' }

export const ID = '019a9c00-0000-7000-8000-000000000001'
const AT = '2025-11-21T08:00:00.123456Z'

export const CREATED: Reply = {
  status: 201,
  body: { event_id: ID, created_at: AT, status: 'pending', message: 'Event stored.', request_id: 'req-1' },
}
export const ACKNOWLEDGED: Reply = {
  status: 200,
  body: { event_id: ID, status: 'acknowledged', acknowledged_at: AT, message: 'Event acknowledged.', request_id: 'req-1' },
}
export const ALREADY_ACKNOWLEDGED = failure(409, 'CONFLICT', { event_id: ID, current_status: 'acknowledged', acknowledged_at: AT })
export const DELETED: Reply = { status: 200, body: { event_id: ID, message: 'Event deleted.', request_id: 'req-1' } }
export const WHOAMI: Reply = {
  status: 200,
  body: { workspace_id: 'default', key_id: 'key_1', name: 'A key', scopes: ['events:write'], request_id: 'req-1' },
}
export const KEY_CREATED: Reply = {
  status: 201,
  body: {
    key_id: 'key_1',
    name: 'A key',
    workspace_id: 'default',
    scopes: ['events:write'],
    rate_limit_per_minute: 1000,
    allowed_ips: [],
    require_signature: false,
    has_signing_secret: false,
    version: 1,
    created_at: AT,
    last_used_at: null,
    expires_at: null,
    revoked_at: null,
    api_key: 'trg_new',
    request_id: 'req-1',
  },
}

export function eventOf(id: string): object {
  const metadata = { priority: 'normal' }
  return { event_id: id, created_at: AT, source: 's', event_type: 't', payload: {}, status: 'pending', metadata, acknowledged_at: null }
}

export function pageOf(ids: readonly string[], nextCursor: string | null): Reply {
  return { status: 200, body: { events: ids.map(eventOf), pagination: { next_cursor: nextCursor, limit: 50 }, request_id: 'req-1' } }
}
