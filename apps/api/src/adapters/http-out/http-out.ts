import type { Agent } from 'undici'
import type { HttpOut } from '../../webhook-ports.ts'
import { createAddressGuard } from './address-guard.ts'
import { createConnector } from './connector.ts'
import { createNameServerLookup, createResolve, type Lookup, systemLookup } from './lookup.ts'
import { createSender } from './post.ts'
import { SendFailure } from './send-failure.ts'

export interface HttpOutOptions {
  /** Addresses and CIDR ranges that are open beside the public ones. */
  allowedCidrs: readonly string[]
  allowHttp: boolean
  /** Opens the machine's own addresses. */
  allowLoopback: boolean
  /** A proxy to go through, with its credentials. */
  proxyUrl?: string | undefined
  /** The longest that a post may take, with everything in it. */
  timeoutMs: number
  /** For a connection: the name, TCP, the proxy, TLS. */
  connectTimeoutMs?: number | undefined
  /** From the request to the end of the answer's headers. */
  headersTimeoutMs?: number | undefined
  lookup?: Lookup | undefined
  /** Trusted in place of the public authorities, for tests. */
  ca?: string | undefined
}

const CONNECT_TIMEOUT_MS = 5000
/** Of the whole. */
const HEADERS_SHARE = 0.75
/** Of the connection's. */
const DNS_SHARE = 0.6

/**
 * A connection that is idle for longer is closed, or when the receiver said it will close it, two seconds before: a request that meets a
 * connection at its end is lost, and must not be repeated without being asked to.
 */
const KEEP_ALIVE_MS = 4000
const LONGEST_KEEP_ALIVE_MS = 30_000
/** A busy connection is never idle: so that it follows its name to another address all the same. */
const CONNECTION_AGE_MS = 60_000
const MAX_HEADER_BYTES = 16_384

/**
 * The way out, over undici: maintained with Node itself, it leaves the making of connections to us, keeps them alive by the receiver's hints, and
 * bounds headers, body and time; it follows no redirect and decodes no body by itself. HTTP/1.1 alone: one answer per connection at a
 * time is what bounds the memory that a receiver can take. It is loaded with the first post: a server without webhooks keeps the memory.
 *
 * There is no limit of connections for each origin: those who share a receiver's host (a workflow service) would wait for each other's
 * requests. Whoever sends bounds how many there are at a time.
 *
 * Names are asked of the name servers alone, as `createNameServerLookup` says why, unless something of the operator's own network is open: there
 * the hosts file and search domains count.
 */
export function createHttpOut(options: HttpOutOptions): HttpOut {
  const { allowHttp, allowLoopback, allowedCidrs, timeoutMs, ca } = options
  const connectTimeoutMs = Math.min(options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS, timeoutMs)
  const guard = createAddressGuard({ allowedCidrs, allowLoopback })
  const isOwnNetworkOpen = allowLoopback || allowedCidrs.length > 0
  const lookup = options.lookup ?? (isOwnNetworkOpen ? systemLookup : createNameServerLookup())
  const resolve = createResolve({ guard, lookup, timeoutMs: connectTimeoutMs * DNS_SHARE })
  const proxy = options.proxyUrl === undefined ? undefined : { url: options.proxyUrl, ca }
  const connector = createConnector({ resolve, guard, timeoutMs: connectTimeoutMs, proxy, ca })
  let agent: Promise<Agent> | undefined

  async function newAgent(): Promise<Agent> {
    const { Agent } = await import('undici')
    return new Agent({
      connect: connector.connect,
      allowH2: false,
      connections: null,
      pipelining: 1,
      keepAliveTimeout: KEEP_ALIVE_MS,
      keepAliveMaxTimeout: LONGEST_KEEP_ALIVE_MS,
      clientTtl: CONNECTION_AGE_MS,
      headersTimeout: Math.ceil(options.headersTimeoutMs ?? timeoutMs * HEADERS_SHARE),
      // The body is bounded by the time for all of it, and by what the sender reads.
      bodyTimeout: 0,
      maxHeaderSize: MAX_HEADER_BYTES,
    })
  }

  const sender = createSender({
    agentOf: () => {
      agent ??= newAgent()
      return agent
    },
    timeoutMs,
  })

  return {
    async checkUrl(url) {
      const target = parseTarget(url, allowHttp)
      if (typeof target === 'string') return target
      try {
        await resolve(hostOf(target))
        return undefined
      } catch (error) {
        // A name that does not resolve yet may do so by the first delivery.
        const isRefused = error instanceof SendFailure && error.error === 'address_refused'
        return isRefused ? 'must not lead to a private or reserved address' : undefined
      }
    },
    async post(request) {
      const target = parseTarget(request.url, allowHttp)
      if (typeof target === 'string') return { outcome: 'failed', error: 'url_refused', message: `The URL ${target}.`, durationMs: 0 }
      return await sender.send(target, request)
    },
    longestMs: timeoutMs,
    async close() {
      sender.close()
      connector.close()
      await (await agent)?.destroy()
    },
  }
}

/** The URL, or what it must be. URL brings every spelling of an IPv4 address, such as `0x7f.1` or `2130706433`, to the usual one. */
function parseTarget(text: string, allowHttp: boolean): URL | string {
  const url = URL.parse(text)
  if (url === null) return 'must be a URL, such as https://example.com/webhooks'
  if (url.protocol !== 'https:' && !(allowHttp && url.protocol === 'http:')) return `must be an ${allowHttp ? 'http or ' : ''}https URL`
  if (url.username !== '' || url.password !== '') return 'must not contain a user name or password'
  return url
}

function hostOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, '')
}
