import type { Context } from 'hono'
import type { AppEnv } from '../context.ts'
import { bodyTooLarge, MAX_BODY_BYTES } from '../request.ts'

/**
 * Refuses a body by its stated length, before anything else is looked at. One that states none is counted while it is read.
 * @param limits the paths' own limits in bytes, by `METHOD path`
 * @throws ApiError PAYLOAD_TOO_LARGE
 */
export function refuseLongBody(c: Context<AppEnv>, limits: ReadonlyMap<string, number>): void {
  const length = Number(c.req.header('content-length') ?? 0)
  if (length <= MAX_BODY_BYTES) return
  const limit = limits.get(`${c.req.method} ${c.req.path}`) ?? MAX_BODY_BYTES
  if (length > limit) throw bodyTooLarge(limit, length)
}
