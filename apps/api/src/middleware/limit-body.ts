import type { Context } from 'hono'
import { type AppEnv, requestHeader } from '../context.ts'
import { bodyTooLarge } from '../request.ts'

/**
 * Refuses a body by its stated length, before anything else is looked at. One that states none is counted while it is read.
 * @throws ApiError PAYLOAD_TOO_LARGE
 */
export function refuseLongBody(c: Context<AppEnv>, maxBytes: number): void {
  const length = Number(requestHeader(c, 'content-length') ?? 0)
  if (length > maxBytes) throw bodyTooLarge(maxBytes, length)
}
