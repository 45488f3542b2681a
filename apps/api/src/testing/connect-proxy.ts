import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { connect, type Socket } from 'node:net'
import type { TlsCertificate } from './tls-certificate.ts'

export interface ConnectProxy {
  /** Without a slash at its end. */
  url: string
  port: number
  /** What it was asked for, in order. */
  asked: { authority: string; headers: IncomingHttpHeaders }[]
  /** Resolves when nobody is connected to it. */
  unused(): Promise<unknown>
  close(): Promise<void>
}

/**
 * An HTTP proxy that makes tunnels, each to the same port of 127.0.0.1, whatever address it is asked for.
 * @param options `answer`: the status to each request, 200 unless told; `'hang'` is none
 */
export async function startConnectProxy(options: {
  to: number
  tls?: TlsCertificate | undefined
  answer?: ((authority: string) => number | 'hang') | undefined
}): Promise<ConnectProxy> {
  const asked: ConnectProxy['asked'] = []
  const sockets = new Set<Socket>()
  const keep = (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.once('close', () => sockets.delete(socket))
  }
  const server = options.tls === undefined ? createServer() : createTlsServer(options.tls)
  server.on('connection', keep)
  server.on('connect', (request, client: Socket) => {
    const authority = request.url ?? ''
    asked.push({ authority, headers: request.headers })
    client.on('error', () => {})
    const status = options.answer?.(authority) ?? 200
    if (status === 'hang') return
    if (status !== 200) {
      client.end(`HTTP/1.1 ${status} No\r\n\r\n`)
      return
    }
    const onward = connect(options.to, '127.0.0.1', () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n')
      client.pipe(onward).pipe(client)
    })
    keep(onward)
    onward.once('close', () => client.destroy())
    client.once('close', () => onward.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('The proxy has no port.')
  return {
    url: `${options.tls === undefined ? 'http' : 'https'}://127.0.0.1:${address.port}`,
    port: address.port,
    asked,
    unused: () => Promise.all(Array.from(sockets, (socket) => (socket.closed ? undefined : once(socket, 'close')))),
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve))
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}
