/** Servers that speak no HTTP, or theirs: what a receiver written with Node's own server cannot be made to do. */
import { createServer, type Socket } from 'node:net'

export interface RawServer {
  port: number
  /** How many connections there have been. */
  connections(): number
  close(): Promise<void>
}

/** Listens on an address of this machine, and leaves each connection to the function. */
export async function startRawServer(take: (socket: Socket) => void, host = '127.0.0.1'): Promise<RawServer> {
  const sockets = new Set<Socket>()
  let count = 0
  const server = createServer((socket) => {
    count++
    sockets.add(socket)
    socket.on('error', () => {})
    socket.once('close', () => sockets.delete(socket))
    take(socket)
  })
  await new Promise<void>((resolve) => server.listen(0, host, resolve))
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('The server has no port.')
  return {
    port: address.port,
    connections: () => count,
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve))
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}

/** Answers each connection with these bytes as soon as it has sent something, and leaves it open. */
export function answering(bytes: string | Uint8Array): (socket: Socket) => void {
  return (socket) => socket.once('data', () => socket.write(bytes))
}
