import type { Context } from 'hono'
import type { AppEnv } from '../context.ts'
import type { ChangedBy } from '../domain/audit.ts'

/** What the audit log says of whoever makes this request. */
export function changedBy(c: Context<AppEnv>): ChangedBy {
  return { principal: c.get('principal'), ip: c.get('clientAddress') || null, requestId: c.get('requestId') }
}
