import type { Context } from 'hono'
import type { AppEnv } from '../context.ts'
import { secondsUntil } from '../domain/time.ts'
import { ApiError } from '../errors.ts'
import type { RateLimit } from '../ports.ts'

/**
 * Takes a request from the key's rate, and puts on the answer how much is left: in the fields that clients know, and in the IETF's
 * (draft-ietf-httpapi-ratelimit-headers-10). A key without a limit gets none.
 * @param tokens 1; 0 takes nothing
 * @returns a promise where the limiter must wait, so that the others need not
 * @throws ApiError RATE_LIMIT_EXCEEDED
 */
export function limitRate(c: Context<AppEnv>, tokens: 0 | 1): Promise<void> | undefined {
  const { keyId, rateLimitPerMinute } = c.get('principal')
  if (rateLimitPerMinute === 0) return undefined
  const taken = c.get('deps').limiter.take(keyId, rateLimitPerMinute, tokens)
  if (taken instanceof Promise) return taken.then((limit) => settle(c, rateLimitPerMinute, limit))
  settle(c, rateLimitPerMinute, taken)
  return undefined
}

function settle(c: Context<AppEnv>, perMinute: number, { allowed, remaining, fullAtUs, retryAtUs }: RateLimit): void {
  const nowUs = c.get('deps').clock.nowUs()
  const headers = c.get('responseHeaders')
  headers['x-ratelimit-limit'] = String(perMinute)
  headers['x-ratelimit-remaining'] = String(remaining)
  headers['x-ratelimit-reset'] = String(Math.ceil(fullAtUs / 1e6))
  headers['ratelimit-policy'] = `"default";q=${perMinute};w=60`
  headers['ratelimit'] = `"default";r=${remaining};t=${secondsUntil(fullAtUs, nowUs)}`
  if (allowed) return
  const seconds = Math.max(1, secondsUntil(retryAtUs, nowUs))
  throw new ApiError('RATE_LIMIT_EXCEEDED', `The key's ${perMinute} requests a minute are used up.`, {
    details: {
      limit_per_minute: perMinute,
      retry_after_seconds: seconds,
      suggestion: 'Wait as long as `Retry-After` says; bulk calls count as one request.',
    },
    headers: { 'retry-after': String(seconds) },
  })
}
