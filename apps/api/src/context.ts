import type { IncomingMessage } from 'node:http'
import type { Context } from 'hono'
import type { Deps } from './deps.ts'
import { stringifyJson } from './domain/json.ts'
import type { Principal } from './ports.ts'

/** What every handler and middleware finds with `c.get` (`c.var` copies all of it at each use). */
export interface AppEnv {
  /** What the way in gives along: Node's request where it is one, or the address of who asks. */
  Bindings: { incoming?: IncomingMessage; peerAddress?: string }
  Variables: {
    deps: Deps
    requestId: string
    /** The call, as the document names it; absent for what is no call. */
    operationId: string | undefined
    /** Set by `authenticate`, as what follows is: it stands before every route under /v1 but the public ones. */
    principal: Principal
    /** Who asks, found through trusted proxies: an address; empty when it is not known. */
    clientAddress: string
    /** What the body of the call may have. */
    maxBodyBytes: number
    /** The request's body where it was asked for already. */
    body: Promise<Buffer>
    /** Sent with whatever is answered. A plain object, since building `Headers` costs more than the rest of an answer. */
    responseHeaders: Record<string, string>
  }
}

/**
 * A request header's value, from Node's own table where there is one: `c.req.header` checks name and value anew at each use.
 * @param name in lower case
 */
export function requestHeader(c: Context<AppEnv>, name: string): string | undefined {
  const headers = c.env?.incoming?.headers
  if (headers === undefined) return c.req.header(name)
  const value = headers[name]
  return Array.isArray(value) ? value.join(', ') : value
}

/** An answer with a JSON body, under the headers gathered so far; without one where the status has none. */
export function answerJson(c: Context<AppEnv>, status: number, body: object, headers?: Record<string, string>): Response {
  const gathered = { ...c.get('responseHeaders'), ...headers }
  if (status === 204) return new Response(null, { status, headers: gathered })
  gathered['content-type'] = 'application/json'
  return new Response(stringifyJson(body), { status, headers: gathered })
}
