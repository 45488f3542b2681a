import type { Context } from 'hono'
import { type AppEnv, requestHeader } from '../context.ts'
import type { Deps } from '../deps.ts'
import { withoutSecrets } from '../domain/api-key-secret.ts'

const REQUEST_ID = /^[A-Za-z0-9._:-]{1,128}$/

/** Puts the deps and the request id on the context, and the headers that every answer carries. */
export function setRequestContext(c: Context<AppEnv>, deps: Deps): void {
  const given = requestHeader(c, 'x-request-id')
  const requestId = given !== undefined && isRequestId(given) ? given : deps.newRequestId()
  c.set('deps', deps)
  c.set('requestId', requestId)
  c.set('responseHeaders', { 'x-request-id': requestId, 'x-content-type-options': 'nosniff', 'cache-control': 'no-store' })
}

/** A key that strayed into the header is none: the id is logged. */
function isRequestId(given: string): boolean {
  return REQUEST_ID.test(given) && withoutSecrets(given) === given
}
