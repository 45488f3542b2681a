import { once } from 'node:events'
import { connect as connectTcp, isIP, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { buildConnector } from 'undici'
import type { AddressGuard } from './address-guard.ts'
import type { Resolve } from './lookup.ts'
import { openTunnel, type ProxySettings } from './proxy.ts'
import { failureOf, SendFailure, tlsFailureOf } from './send-failure.ts'

interface Target {
  /** A name or an address, without brackets. */
  hostname: string
  port: number
  isTls: boolean
  /** As in the URL, for messages. */
  host: string
}

export interface Connector {
  /** How undici gets its connections. */
  connect: buildConnector.connector
  /** Ends every connection that is being made. */
  close(): void
}

/**
 * Connections to checked addresses alone. We resolve, check every address, and connect to those and no other: undici's own connector, and
 * Node's, look a name up once more, when it may lead elsewhere.
 * @param options `timeoutMs`: for all of it, names, proxy and TLS handshake; `ca`: trusted in place of the public authorities, for tests
 */
export function createConnector(options: {
  resolve: Resolve
  guard: AddressGuard
  timeoutMs: number
  proxy?: ProxySettings | undefined
  ca?: string | undefined
}): Connector {
  const { resolve, guard, timeoutMs, proxy, ca } = options
  const underWay = new Set<AbortController>()

  async function open(target: Target, signal: AbortSignal): Promise<Socket> {
    const { hostname, port, isTls, host } = target
    const addresses = await resolve(hostname)
    signal.throwIfAborted()
    const tunnel = proxy === undefined ? undefined : await openTunnel(proxy, { addresses, port, host }, signal)
    if (tunnel !== undefined && !isTls) return tunnel
    const common = {
      host: hostname,
      port,
      noDelay: true,
      // Tried one after another; Node asks for all of them, as it is told to select.
      lookup: (_name: string, _options: object, callback: (error: null, found: typeof addresses) => void) => callback(null, addresses),
      autoSelectFamily: true,
    }
    const socket = isTls
      ? connectTls({
          ...common,
          ...(tunnel !== undefined && { socket: tunnel }),
          ...(ca !== undefined && { ca }),
          // An address is no server name (RFC 6066), and a name stands there without its trailing dot.
          ...(isIP(hostname) === 0 && { servername: hostname.replace(/\.$/, '') }),
          // Said here so that NODE_TLS_REJECT_UNAUTHORIZED cannot switch it off.
          rejectUnauthorized: true,
          ALPNProtocols: ['http/1.1'],
        })
      : connectTcp(common)
    // Until undici listens: an error that nobody hears ends the process.
    socket.on('error', () => {})
    if (tunnel === undefined) {
      await until(socket, 'connect', signal, (error) => failureOf(error, host))
      // Cannot be, by all of the above; and if it ever is, nothing has been sent yet.
      if (socket.remoteAddress !== undefined && !guard.allows(socket.remoteAddress)) {
        socket.destroy()
        throw new SendFailure('address_refused', `${host} leads to an address that deliveries may not go to.`)
      }
    }
    if (isTls) await until(socket, 'secureConnect', signal, (error) => tlsFailureOf(error, host))
    return socket
  }

  async function openInTime(target: Target): Promise<Socket> {
    const ending = new AbortController()
    underWay.add(ending)
    const late = new SendFailure('connect_timeout', `No connection to ${target.host} came about within ${timeoutMs} ms.`)
    const timer = setTimeout(() => ending.abort(late), timeoutMs)
    try {
      const socket = await open(target, ending.signal)
      // undici would try again for ever with a socket that it finds closed.
      if (socket.destroyed) throw new SendFailure('connection_reset', `${target.host} closed the connection at once.`)
      return socket
    } catch (error) {
      throw failureOf(error, target.host)
    } finally {
      clearTimeout(timer)
      underWay.delete(ending)
    }
  }

  return {
    connect({ hostname, port, protocol, host }, callback) {
      const isTls = protocol === 'https:'
      const target = { hostname, port: port === '' ? (isTls ? 443 : 80) : Number(port), isTls, host: host ?? hostname }
      openInTime(target).then(
        (socket) => callback(null, socket),
        // Always a SendFailure: with an error of its own codes undici might connect again.
        (error: SendFailure) => callback(error, null),
      )
    },
    close() {
      for (const ending of underWay) ending.abort(new SendFailure('connection_failed', 'The server is stopping.'))
    },
  }
}

/** Waits for the event; a socket that fails is destroyed, as is one whose time is over: then the signal's reason is thrown. */
async function until(socket: Socket, event: string, signal: AbortSignal, meaningOf: (error: unknown) => SendFailure): Promise<void> {
  try {
    await once(socket, event, { signal })
  } catch (error) {
    socket.destroy()
    throw signal.aborted ? signal.reason : meaningOf(error)
  }
}
