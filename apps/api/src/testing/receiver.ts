/** A real receiver of webhooks on this machine: it keeps what it is sent, and answers as it is told, in bad ways too. */
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { Socket } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { systemClock } from '../adapters/system-clock.ts'
import type { TlsCertificate } from './tls-certificate.ts'

export interface ReceivedRequest {
  method: string
  /** With its query, as it was sent. */
  path: string
  headers: IncomingHttpHeaders
  /** Name, value, name, value …, as they were sent. */
  rawHeaders: string[]
  body: Buffer
  /** When its headers were there. */
  receivedAtUs: number
}

/**
 * - `hang`: no answer, ever
 * - `reset`: the connection is reset
 * - `drip`: 200, then one byte of the body at a time, for ever
 * - `endless`: 200, then 1 GB, as fast as it is taken
 * - `bad-status`: an answer that is not HTTP
 */
export type Reply =
  | { status: number; headers?: Record<string, string>; body?: string | Uint8Array }
  | 'hang'
  | 'reset'
  | 'drip'
  | 'endless'
  | 'bad-status'

export interface Receiver {
  /** Without a slash at its end. */
  url: string
  port: number
  /** Each that came whole, in that order, before it is answered. */
  requests: ReceivedRequest[]
  /** Resolves when so many requests have come, or they are as asked; rejects when they are not within 20 s, or the receiver is closed. */
  waitFor(wanted: number | ((requests: readonly ReceivedRequest[]) => boolean)): Promise<void>
  /** How often each came: by `<X-Webhook-Id> <webhook-id>`. */
  countBy(): Map<string, number>
  /** Ends at once, whatever is under way. */
  close(): Promise<void>
}

export interface ReceiverOptions {
  /** Speaks TLS with it; `makeCertificate()`. */
  tls?: TlsCertificate
  /** The answer to each request, which is the n-th; 204 unless told. */
  respond?: (request: ReceivedRequest, n: number) => Reply | Promise<Reply>
}

const WAIT_MS = 20_000
const DRIP_MS = 20
const ENDLESS_BYTES = 1_000_000_000
const CHUNK = Buffer.alloc(64 * 1024, 'x')

/** @returns a receiver that listens; whoever started it closes it */
export async function startReceiver(options: ReceiverOptions = {}): Promise<Receiver> {
  const { tls, respond = () => ({ status: 204 }) } = options
  const requests: ReceivedRequest[] = []
  const sockets = new Map<string, Socket>()
  const waiting = new Set<{ look(): void; end(): void }>()

  const take = async (incoming: IncomingMessage, outgoing: ServerResponse) => {
    const receivedAtUs = systemClock.nowUs()
    // One that breaks off has not come.
    const body = await buffer(incoming).catch(() => undefined)
    if (body === undefined) return
    const { method = '', url: path = '', headers, rawHeaders } = incoming
    const request = { method, path, headers, rawHeaders, body, receivedAtUs }
    const n = requests.push(request)
    for (const { look } of waiting) look()
    answer(await respond(request, n), outgoing, sockets.get(peerOf(incoming.socket)))
  }
  const server: Server = tls === undefined ? createServer(take) : createTlsServer(tls, take)
  // Beneath TLS, too: what is reset is the connection itself.
  server.on('connection', (socket: Socket) => {
    const peer = peerOf(socket)
    sockets.set(peer, socket)
    socket.on('error', () => {})
    socket.once('close', () => sockets.delete(peer))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('The receiver has no port.')

  return {
    url: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${address.port}`,
    port: address.port,
    requests,
    waitFor: (wanted) =>
      new Promise((resolve, reject) => {
        const isThere = () => (typeof wanted === 'number' ? requests.length >= wanted : wanted(requests))
        const settle = (how: () => void) => {
          clearTimeout(timer)
          waiting.delete(waiter)
          how()
        }
        const giveUp = (why: string) => settle(() => reject(new Error(`${why} after ${requests.length} requests.`)))
        const timer = setTimeout(() => giveUp('What was waited for did not come, not even'), WAIT_MS)
        const waiter = { look: () => isThere() && settle(resolve), end: () => giveUp('The receiver was closed') }
        waiting.add(waiter)
        waiter.look()
      }),
    countBy: () => {
      const counts = new Map<string, number>()
      for (const { headers } of requests) {
        const name = `${headers['x-webhook-id']} ${headers['webhook-id']}`
        counts.set(name, (counts.get(name) ?? 0) + 1)
      }
      return counts
    },
    close: async () => {
      for (const { end } of [...waiting]) end()
      const closed = new Promise((resolve) => server.close(resolve))
      for (const socket of sockets.values()) socket.destroy()
      await closed
    },
  }
}

function answer(reply: Reply, outgoing: ServerResponse, socket: Socket | undefined): void {
  switch (reply) {
    case 'hang':
      return
    case 'reset':
      socket?.resetAndDestroy()
      return
    case 'drip':
      drip(outgoing)
      return
    case 'endless':
      stream(outgoing, ENDLESS_BYTES)
      return
    case 'bad-status':
      // Through the response's own socket, which is the encrypted one of TLS.
      outgoing.socket?.end('220 receiver.test ESMTP\r\n')
      return
    default:
      outgoing.writeHead(reply.status, reply.headers).end(reply.body)
  }
}

function drip(outgoing: ServerResponse): void {
  outgoing.writeHead(200, { 'content-type': 'text/plain' })
  const timer = setInterval(() => outgoing.write('.'), DRIP_MS)
  outgoing.once('close', () => clearInterval(timer))
}

function stream(outgoing: ServerResponse, bytes: number): void {
  outgoing.writeHead(200, { 'content-type': 'text/plain', 'content-length': bytes })
  let left = bytes
  const write = () => {
    while (left > 0) {
      const chunk = CHUNK.subarray(0, Math.min(left, CHUNK.length))
      left -= chunk.length
      if (!outgoing.write(chunk)) {
        outgoing.once('drain', write)
        return
      }
    }
    outgoing.end()
  }
  write()
}

function peerOf(socket: Socket): string {
  return `${socket.remoteAddress} ${socket.remotePort}`
}
