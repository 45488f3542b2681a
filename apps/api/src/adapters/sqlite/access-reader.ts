import type { DatabaseSync } from 'node:sqlite'
import type { StoredApiKey } from '../../ports.ts'
import { auditEntryOf, storedApiKeyOf } from './access-row.ts'
import { ACCESS_READS } from './access-sql.ts'
import { prepareAll } from './database.ts'
import { pageOf } from './page.ts'
import type { AccessReaderCalls, CallOf, InputOf, OutputOf } from './protocol.ts'
import type { Workspaces } from './workspaces.ts'

/** The reader's part in access: how it answers a call. */
export function accessReader(db: DatabaseSync, workspaces: Workspaces): (call: CallOf<AccessReaderCalls>) => unknown {
  const sql = prepareAll(db, ACCESS_READS)

  function listWorkspaces({ limit, after = '' }: Input<'listWorkspaces'>): Output<'listWorkspaces'> {
    const { rows, last } = pageOf(sql.workspaces.all(after, limit + 1), limit)
    return { workspaceIds: rows.map((row) => String(row['workspace_id'])), next: last && String(last['workspace_id']) }
  }

  function listApiKeys({ workspaceId, limit, after }: Input<'listApiKeys'>): Output<'listApiKeys'> {
    const from = after === undefined ? [Number.MAX_SAFE_INTEGER, ''] : placeOf(after)
    const found = () => {
      if (workspaceId === undefined) return sql.keys.all(...from, limit + 1)
      const workspace = workspaces.find(workspaceId)
      return workspace === undefined ? [] : sql.keysOfWorkspace.all(workspace, ...from, limit + 1)
    }
    const { rows, last } = pageOf(found(), limit)
    return { apiKeys: rows.map(storedApiKeyOf), next: last && `${last['created_us']}.${last['key_id']}` }
  }

  function listAuditEntries(query: Input<'listAuditEntries'>): Output<'listAuditEntries'> {
    const { workspaceId, action, limit } = query
    const workspace = workspaceId === null ? null : workspaces.find(workspaceId)
    if (workspace === undefined) return { entries: [], next: null }
    const low = query.createdAfterUs ?? 0
    const before = query.createdBeforeUs ?? Number.MAX_SAFE_INTEGER
    const high = query.after === undefined ? before : Math.min(before, Number(query.after) - 1)
    const found =
      action === undefined
        ? sql.entries.all(workspace, low, high, limit + 1)
        : sql.entriesOfAction.all(workspace, action, low, high, limit + 1)
    const { rows, last } = pageOf(found, limit)
    return { entries: rows.map((row) => auditEntryOf(workspaceId, row)), next: last && String(last['seq']) }
  }

  function listDataKeys(): Output<'listDataKeys'> {
    return sql.dataKeys.all().map(({ name, key }) => {
      if (!(key instanceof Uint8Array)) throw new TypeError('A data key is no blob.')
      return { name: String(name), key }
    })
  }

  return (call) => {
    switch (call.type) {
      case 'hasWorkspace':
        return workspaces.find(call.input) !== undefined
      case 'listWorkspaces':
        return listWorkspaces(call.input)
      case 'getApiKey':
        return apiKeyOrNone(sql.key.get(call.input))
      case 'findApiKeyByHash':
        return apiKeyOrNone(sql.keyByHash.get(call.input))
      case 'listApiKeys':
        return listApiKeys(call.input)
      case 'listAuditEntries':
        return listAuditEntries(call.input)
      case 'listDataKeys':
        return listDataKeys()
      default:
        return call satisfies never
    }
  }
}

type Input<K extends keyof AccessReaderCalls> = InputOf<AccessReaderCalls, K>
type Output<K extends keyof AccessReaderCalls> = OutputOf<AccessReaderCalls, K>
type Row = Record<string, unknown>

function placeOf(after: string): [createdUs: number, keyId: string] {
  const dot = after.indexOf('.')
  return [Number(after.slice(0, dot)), after.slice(dot + 1)]
}

function apiKeyOrNone(row: Row | undefined): StoredApiKey | undefined {
  return row && storedApiKeyOf(row)
}
