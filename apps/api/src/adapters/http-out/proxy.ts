import type { LookupAddress } from 'node:dns'
import { type ClientRequest, request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import type { Socket } from 'node:net'
import { SendFailure } from './send-failure.ts'

/** The operator's proxy, which may be anywhere. */
export interface ProxySettings {
  /** Of http or https; its user and password are sent as basic authentication. */
  url: string
  /** Trusted in place of the public authorities, for tests. */
  ca?: string | undefined
}

const MAX_TRIES = 3
const AUTHENTICATION_REQUIRED = 407

/**
 * A connection through the proxy to the target's port at one of its checked addresses: the proxy is given no name to resolve again. IPv4
 * comes first, as many proxies have nothing else, and another address only when the proxy said no to the one before.
 * @param signal ends it; its reason is thrown then
 * @throws SendFailure `proxy_failed`
 */
export async function openTunnel(
  proxy: ProxySettings,
  target: { addresses: readonly LookupAddress[]; port: number; host: string },
  signal: AbortSignal,
): Promise<Socket> {
  const inOrder = target.addresses.toSorted((a, b) => a.family - b.family).slice(0, MAX_TRIES)
  let status = 0
  for (const { address, family } of inOrder) {
    const answer = await askFor(proxy, `${family === 6 ? `[${address}]` : address}:${target.port}`, signal)
    if (answer.status >= 200 && answer.status < 300) return answer.socket
    answer.socket.destroy()
    status = answer.status
    if (status === AUTHENTICATION_REQUIRED) break
  }
  throw new SendFailure('proxy_failed', `The proxy that deliveries go through answered ${status} for ${target.host}.`)
}

function askFor(proxy: ProxySettings, authority: string, signal: AbortSignal): Promise<{ status: number; socket: Socket }> {
  return new Promise((resolve, reject) => {
    let isReached = false
    const request = connectRequest(proxy, authority, signal)
    request.once('socket', (socket) => socket.once(proxy.url.startsWith('https:') ? 'secureConnect' : 'connect', () => (isReached = true)))
    request.once('connect', (response, socket, head) => {
      // Else an error between here and its next owner would end the process.
      socket.on('error', () => {})
      if (head.length > 0) socket.unshift(head)
      resolve({ status: response.statusCode ?? 0, socket })
    })
    request.on('error', () => {
      // Whom a proxy that was reached still waits for is the target.
      if (signal.aborted && isReached) reject(signal.reason)
      else reject(new SendFailure('proxy_failed', 'The proxy that deliveries go through could not be reached, or closed the connection.'))
    })
    request.end()
  })
}

function connectRequest(proxy: ProxySettings, authority: string, signal: AbortSignal): ClientRequest {
  const { protocol, hostname, port, username, password } = new URL(proxy.url)
  const isTls = protocol === 'https:'
  const credentials = Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString('base64')
  return (isTls ? requestHttps : requestHttp)({
    method: 'CONNECT',
    host: hostname.replace(/^\[|\]$/g, ''),
    port: port === '' ? (isTls ? 443 : 80) : Number(port),
    path: authority,
    headers: { host: authority, ...(username !== '' && { 'proxy-authorization': `Basic ${credentials}` }) },
    // The connection becomes the tunnel: it is of no use to anyone else.
    agent: false,
    signal,
    ...(isTls && { rejectUnauthorized: true, ALPNProtocols: ['http/1.1'], ...(proxy.ca !== undefined && { ca: proxy.ca }) }),
  })
}
