import { createMiddleware } from 'hono/factory'
import type { AppEnv } from '../context.ts'
import { bodyTooLarge, MAX_BODY_BYTES } from '../request.ts'

/**
 * Refuses a body by its stated length, before anything else is looked at. One that states none is counted while it is read.
 * @param limits the paths' own limits in bytes, by `METHOD path`
 */
export const limitBody = (limits: ReadonlyMap<string, number>) =>
  createMiddleware<AppEnv>((c, next) => {
    const length = c.req.header('content-length')
    if (length !== undefined && Number(length) > MAX_BODY_BYTES) {
      const limit = limits.get(`${c.req.method} ${c.req.path}`) ?? MAX_BODY_BYTES
      if (Number(length) > limit) throw bodyTooLarge(limit, Number(length))
    }
    return next()
  })
