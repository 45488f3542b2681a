import type { RequestOptions } from '../options.ts'
import { type PagePromise, readPages } from '../pagination.ts'
import type { Transport } from '../transport.ts'
import type { AuditEntry, AuditLogQuery } from '../types.ts'

/** What was changed on keys and settings. Reading it needs the scope `keys:manage`. */
export class AuditLogResource {
  readonly #transport: Transport

  constructor(transport: Transport) {
    this.#transport = transport
  }

  /**
   * Lists the entries, newest first.
   *
   * @example
   * for await (const { created_at, target } of triggers.auditLog.list({ action: 'api_key.rotated' })) console.log(created_at, target.id)
   */
  list(query?: AuditLogQuery, options?: RequestOptions): PagePromise<AuditEntry> {
    return readPages(this.#transport, '/v1/audit-log', query, options, entriesOf)
  }
}

function entriesOf(body: { entries: AuditEntry[]; pagination: { next_cursor: string | null }; request_id: string }): AuditEntry[] {
  return body.entries
}
