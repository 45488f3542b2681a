import { createMiddleware } from 'hono/factory'
import type { AppEnv } from '../context.ts'
import { ApiError } from '../errors.ts'

/** Finds out who asks, by `X-API-Key` or `Authorization: Bearer`. It looks at no body, so it need not wait for one. */
export const authenticate = createMiddleware<AppEnv>(async (c, next) => {
  const secret = c.req.header('x-api-key') ?? /^Bearer +(\S+)$/i.exec(c.req.header('authorization') ?? '')?.[1]
  if (secret === undefined) throw unauthorized('An API key is required.')
  const principal = await c.get('deps').keys.authenticate(secret)
  if (principal === undefined) throw unauthorized('The API key is not known.')
  c.set('principal', principal)
  await next()
})

function unauthorized(message: string): ApiError {
  return new ApiError('UNAUTHORIZED', message, {
    details: { suggestion: 'Send a valid key in the header `X-API-Key`, or as `Authorization: Bearer <key>`.' },
    headers: { 'www-authenticate': 'Bearer' },
  })
}
