import { z } from '@hono/zod-openapi'
import { formatTime } from '../../domain/time.ts'
import type { AuditEntry } from '../../ports.ts'
import { EXAMPLE_REQUEST_ID, EXAMPLE_TIME, timestamp } from '../schemas.ts'

export const AuditEntrySchema = z
  .object({
    entry_id: z.string().openapi({ description: "The entry's id: a UUID of version 7.", example: '019aa5b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b' }),
    created_at: timestamp('When it was done.'),
    action: z.string().openapi({ description: 'What was done.', example: 'api_key.updated' }),
    actor: z
      .object({
        type: z.enum(['api_key', 'operator', 'server']),
        key_id: z.union([z.string(), z.null()]).openapi({ example: 'key_019aa5b2c3d47e5f8a9b0c1d2e3f4a5b' }),
      })
      .openapi({ description: 'Who did it: an API key, the operator on the server itself, or the server of its own accord.' }),
    target: z
      .object({
        type: z.string().openapi({ example: 'api_key' }),
        id: z.string().openapi({ example: 'key_019aa5b2c3d47e5f8a9b0c1d2e3f4a5b' }),
      })
      .openapi({ description: 'What it was done to.' }),
    changes: z
      .record(z.string(), z.object({ from: z.unknown(), to: z.unknown() }))
      .openapi({ description: 'What was changed, by the names of the fields; never a secret.' }),
    ip: z.union([z.string(), z.null()]).openapi({ description: 'From which address; null where there is none.', example: '203.0.113.7' }),
    request_id: z.union([z.string(), z.null()]).openapi({ description: 'The id of the request that did it.', example: EXAMPLE_REQUEST_ID }),
  })
  .openapi('AuditEntry')

export const EXAMPLE_AUDIT_ENTRY = {
  entry_id: '019aa5b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b',
  created_at: EXAMPLE_TIME,
  action: 'api_key.updated',
  actor: { type: 'api_key', key_id: 'key_019aa5b2c3d47e5f8a9b0c1d2e3f4a5b' },
  target: { type: 'api_key', id: 'key_019aa5b3d1e27c4b9f6a5d8e7c2b1a09' },
  changes: { allowed_ips: { from: [], to: ['203.0.113.0/24'] } },
  ip: '203.0.113.7',
  request_id: EXAMPLE_REQUEST_ID,
}

/** An entry as every call shows it. */
export function presentAuditEntry(entry: AuditEntry): z.input<typeof AuditEntrySchema> {
  return {
    entry_id: entry.entryId,
    created_at: formatTime(entry.createdAtUs),
    action: entry.action,
    actor: { type: entry.actor.type, key_id: entry.actor.keyId },
    target: { type: entry.target.type, id: entry.target.id },
    changes: { ...entry.changes },
    ip: entry.ip,
    request_id: entry.requestId,
  }
}
