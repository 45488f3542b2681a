import type { Context } from 'hono'
import { type AppEnv, requestHeader } from '../context.ts'
import { ApiError } from '../errors.ts'

const LOCAL_HOST = /^(?:localhost|127\.0\.0\.1|\[::1\])(?::\d+)?$/i

/**
 * Refuses, in `AUTH_MODE=local`, a request that names another host: a web page whose name was rebound to 127.0.0.1 must
 * not reach the well-known key.
 * @throws ApiError FORBIDDEN
 */
export function refuseForeignHost(c: Context<AppEnv>): void {
  const host = requestHeader(c, 'host') ?? new URL(c.req.url).host
  if (c.get('deps').config.authMode === 'local' && !LOCAL_HOST.test(host)) {
    throw new ApiError('FORBIDDEN', 'This server serves its own machine only.', {
      details: { suggestion: 'Use http://localhost or http://127.0.0.1 with its port.' },
    })
  }
}
