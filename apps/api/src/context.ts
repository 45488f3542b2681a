import type { Context } from 'hono'
import type { Deps } from './deps.ts'
import { stringifyJson } from './domain/json.ts'
import type { Principal } from './ports.ts'

/** What every handler and middleware finds with `c.get` (`c.var` copies all of it at each use). */
export interface AppEnv {
  Variables: {
    deps: Deps
    requestId: string
    /** Set behind `authenticate`, which stands before every route under /v1 but the public ones. */
    principal: Principal
    /** Sent with whatever is answered. A plain object, since building `Headers` costs more than the rest of an answer. */
    responseHeaders: Record<string, string>
  }
}

/** An answer with a JSON body, under the headers gathered so far. */
export function answerJson(c: Context<AppEnv>, status: number, body: object, headers?: Record<string, string>): Response {
  return new Response(stringifyJson(body), {
    status,
    headers: { ...c.get('responseHeaders'), 'content-type': 'application/json', ...headers },
  })
}
