/** Pages of deliveries, which a webhook's list and an event's share. */
import type { z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import type { AppEnv } from '../../context.ts'
import { pageCursor } from '../schemas.ts'
import { type DeliveryPageQuery, MAX_PAGE_BYTES, presentDelivery } from './schemas.ts'

/**
 * One page of the caller's workspace, newest first.
 * @param of whose deliveries
 * @throws ApiError VALIDATION_ERROR for a cursor that this call, with these filters, did not give
 */
export async function deliveryPage(
  c: Context<AppEnv>,
  query: z.output<typeof DeliveryPageQuery>,
  of: { webhookId: string } | { eventId: string },
) {
  const { limit, status } = query
  const cursor = pageCursor(c, query, { call: 'deliveries', order: 'desc', filter: { ...of, status } })
  const { workspaceId } = c.get('principal')
  const { store } = c.get('deps')
  const page = await store.listDeliveries({ workspaceId, ...of, status, limit, maxBytes: MAX_PAGE_BYTES, after: cursor.after })
  return { deliveries: page.deliveries.map(presentDelivery), pagination: cursor.paginationFor(page.next) }
}
