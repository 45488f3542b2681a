/** The real way out, with what is on this machine open to it, and servers for it. All of it ends with `closeAll`. */
import type { LookupAddress } from 'node:dns'
import { isIPv4, type Socket } from 'node:net'
import { createHttpOut, type HttpOutOptions } from '../adapters/http-out/http-out.ts'
import type { Lookup } from '../adapters/http-out/lookup.ts'
import type { HttpOut, SendRequest } from '../webhook-ports.ts'
import { type RawServer, startRawServer } from './raw-server.ts'
import { type Receiver, type ReceiverOptions, startReceiver } from './receiver.ts'

const closing: (() => Promise<void>)[] = []

export async function closeAll(): Promise<void> {
  for (const close of closing.splice(0).reverse()) await close()
}

/** Has something closed by `closeAll`, too. */
export function closeLater<T extends { close(): Promise<void> }>(what: T): T {
  closing.push(() => what.close())
  return what
}

export function openHttpOut(options: Partial<HttpOutOptions> = {}): HttpOut {
  return closeLater(createHttpOut({ allowedCidrs: [], allowHttp: true, allowLoopback: true, timeoutMs: 20_000, ...options }))
}

export async function openReceiver(respond?: ReceiverOptions['respond'], tls?: ReceiverOptions['tls']): Promise<Receiver> {
  return closeLater(await startReceiver({ ...(respond !== undefined && { respond }), ...(tls !== undefined && { tls }) }))
}

export async function openRawServer(take: (socket: Socket) => void): Promise<RawServer> {
  return closeLater(await startRawServer(take))
}

export function requestTo(url: string, headers: Record<string, string> = {}): SendRequest {
  return { url, headers, body: Buffer.from('{"a":1}') }
}

/** A lookup that gives these answers one after the other, and the last one from then on. */
export function lookupOf(...answers: string[][]): Lookup {
  return async () => {
    const addresses = (answers.length > 1 ? answers.shift() : answers[0]) ?? []
    return addresses.map((address): LookupAddress => ({ address, family: isIPv4(address) ? 4 : 6 }))
  }
}
