import type { Context } from 'hono'
import type { Config } from '../config.ts'
import { type AppEnv, requestHeader } from '../context.ts'

const LOOPBACK_ORIGIN = /^https?:\/\/(?:localhost|127\.0\.0\.1|\[::1\])(?::\d+)?$/i
const EXPOSED = [
  'X-Request-ID',
  'X-RateLimit-Limit',
  'X-RateLimit-Remaining',
  'X-RateLimit-Reset',
  'RateLimit-Policy',
  'RateLimit',
  'Retry-After',
  'Idempotent-Replayed',
].join(', ')
const PREFLIGHT_SECONDS = '600'

/**
 * Lets pages of the allowed origins read answers, errors included, and answers their preflights. Hono's own middleware
 * sets headers on a built response, which would slow down every answer; this one adds to the gathered ones.
 * @returns the preflight's answer
 */
export function applyCors(c: Context<AppEnv>): Response | undefined {
  const origin = requestHeader(c, 'origin')
  if (origin === undefined) return undefined
  const headers = c.get('responseHeaders')
  headers['vary'] = 'Origin'
  if (!isAllowed(origin, c.get('deps').config)) return undefined
  headers['access-control-allow-origin'] = origin
  headers['access-control-expose-headers'] = EXPOSED
  const method = requestHeader(c, 'access-control-request-method')
  if (c.req.method !== 'OPTIONS' || method === undefined) return undefined
  const asked = requestHeader(c, 'access-control-request-headers')
  return new Response(null, {
    status: 204,
    headers: {
      ...headers,
      'access-control-allow-methods': 'GET, POST, PUT, PATCH, DELETE',
      'access-control-allow-headers': asked ?? 'Content-Type, X-API-Key, Authorization, Idempotency-Key, X-Request-ID',
      'access-control-max-age': PREFLIGHT_SECONDS,
    },
  })
}

function isAllowed(origin: string, config: Config): boolean {
  return config.corsOrigins.includes(origin) || (config.authMode === 'local' && LOOPBACK_ORIGIN.test(origin))
}
