import type { Context } from 'hono'
import { type AppEnv, requestHeader } from '../context.ts'
import { clientAddress } from '../domain/ip-address.ts'

/** Puts on the context who asks: the socket's address, or what trusted proxies say of it. */
export function setClientAddress(c: Context<AppEnv>): void {
  const peer = c.env?.peerAddress ?? c.env?.incoming?.socket.remoteAddress ?? ''
  c.set('clientAddress', clientAddress(peer, requestHeader(c, 'x-forwarded-for'), c.get('deps').isTrustedProxy))
}
