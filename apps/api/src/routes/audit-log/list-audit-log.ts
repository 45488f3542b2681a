import { z } from '@hono/zod-openapi'
import { endpoint } from '../../endpoint.ts'
import { EXAMPLE_PAGINATION, EXAMPLE_REQUEST_ID, pageCursor, pageParameters, pagination, requestId, timeParameters } from '../schemas.ts'
import { AuditEntrySchema, EXAMPLE_AUDIT_ENTRY, presentAuditEntry } from './schemas.ts'

export const listAuditLog = endpoint(
  {
    operationId: 'listAuditLog',
    method: 'get',
    path: '/v1/audit-log',
    tag: 'Audit log',
    summary: 'List the audit log',
    description:
      'Lists who changed what in the workspace, when and from where, newest first. Entries are written with the change itself, and never changed or ' +
      'removed by a call. They hold no secrets. Filters combine with AND.',
    access: ['keys:manage'],
    request: {
      query: z.strictObject({
        ...pageParameters('entries'),
        action: z
          .string()
          .regex(/^[a-z][a-z_]{0,49}\.[a-z][a-z_]{0,49}$/, 'must be an action, such as api_key.rotated')
          .optional()
          .openapi({ description: 'Only entries of this action.', example: 'api_key.rotated' }),
        ...timeParameters('entries'),
      }),
    },
    success: {
      200: {
        description: 'One page.',
        schema: z.object({ entries: z.array(AuditEntrySchema), pagination, request_id: requestId }).openapi('AuditLogPage'),
        example: { entries: [EXAMPLE_AUDIT_ENTRY], pagination: EXAMPLE_PAGINATION, request_id: EXAMPLE_REQUEST_ID },
      },
    },
    errors: ['VALIDATION_ERROR', 'VALIDATION_ERROR.422'],
  },
  async (c, { query }) => {
    const filter = { action: query.action, createdAfterUs: query.created_after, createdBeforeUs: query.created_before }
    const cursor = pageCursor(c, query, { call: 'audit-log', order: 'desc', filter })
    const { workspaceId } = c.get('principal')
    const page = await c.get('deps').store.listAuditEntries({ workspaceId, ...filter, limit: query.limit, after: cursor.after })
    return { status: 200, body: { entries: page.entries.map(presentAuditEntry), pagination: cursor.paginationFor(page.next) } }
  },
)
