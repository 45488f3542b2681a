import type { DatabaseSync } from 'node:sqlite'
import type { SaveResult } from '../../ports.ts'
import { randomTail } from '../../uuid.ts'
import type { AuditRow } from './access-row.ts'
import { ACCESS_WRITES } from './access-sql.ts'
import { prepareAll } from './database.ts'
import type { AccessWriterCalls, CallOf, InputOf } from './protocol.ts'
import type { Workspaces } from './workspaces.ts'

/**
 * The writer's part in access. Each call runs inside its batch's transaction, so it looks for every conflict before it
 * writes anything: what its neighbours wrote stays.
 */
export function accessWriter(db: DatabaseSync, workspaces: Workspaces) {
  const sql = prepareAll(db, ACCESS_WRITES)

  function createWorkspace({ workspaceId, audit }: InputOf<AccessWriterCalls, 'createWorkspace'>, nowUs: number): boolean {
    if (workspaces.find(workspaceId) !== undefined) return false
    workspaces.findOrAdd(workspaceId)
    appendAuditEntry(audit, nowUs)
    return true
  }

  function saveApiKey({ key, audit }: InputOf<AccessWriterCalls, 'saveApiKey'>, nowUs: number): SaveResult {
    if (Number(sql.findKey.get(key.keyId)?.['revision'] ?? 0) !== key.revision) return 'changed'
    const versions = key.versions.filter(({ expiresAtUs }) => expiresAtUs === null || expiresAtUs > nowUs)
    const hashes = new Set(versions.map(({ hash }) => hash))
    for (const hash of hashes) {
      const owner = sql.ownerOfHash.get(hash)
      if (owner !== undefined && owner['key_id'] !== key.keyId) return 'hash_taken'
    }
    sql.saveKey.run(key.keyId, workspaces.findOrAdd(key.workspaceId), key.createdAtUs, key.revision + 1, key.record)
    sql.forgetHashes.run(key.keyId)
    for (const hash of hashes) sql.insertHash.run(hash, key.keyId)
    if (audit !== null) appendAuditEntry(audit, nowUs)
    return 'saved'
  }

  function recordKeyUse(uses: InputOf<AccessWriterCalls, 'recordKeyUse'>): void {
    for (const { keyId, usedAtUs } of uses) sql.recordUse.run(usedAtUs, keyId)
  }

  function appendAuditEntry([workspaceId, action, entry]: AuditRow, nowUs: number): void {
    sql.appendEntry.run(nowUs, randomTail(), workspaceId === null ? null : workspaces.findOrAdd(workspaceId), action, entry)
  }

  function rememberSignature({ signature, expiresAtUs }: InputOf<AccessWriterCalls, 'rememberSignature'>, nowUs: number): boolean {
    return sql.rememberSignature.run(signature, expiresAtUs, nowUs).changes === 1
  }

  function dataKey({ name, candidate }: InputOf<AccessWriterCalls, 'dataKey'>): Uint8Array {
    sql.insertDataKey.run(name, candidate)
    const key = sql.findDataKey.get(name)?.['key']
    if (!(key instanceof Uint8Array)) throw new Error(`The data key ${name} is missing.`)
    return key
  }

  function replaceDataKey({ name, expected, key }: InputOf<AccessWriterCalls, 'replaceDataKey'>): boolean {
    const { changes } = key === null ? sql.removeDataKey.run(name, expected) : sql.replaceDataKey.run(key, name, expected)
    return changes === 1
  }

  return {
    handle(call: CallOf<AccessWriterCalls>, nowUs: number): unknown {
      switch (call.type) {
        case 'createWorkspace':
          return createWorkspace(call.input, nowUs)
        case 'saveApiKey':
          return saveApiKey(call.input, nowUs)
        case 'recordKeyUse':
          return recordKeyUse(call.input)
        case 'appendAuditEntry':
          return appendAuditEntry(call.input, nowUs)
        case 'rememberSignature':
          return rememberSignature(call.input, nowUs)
        case 'dataKey':
          return dataKey(call.input)
        case 'replaceDataKey':
          return replaceDataKey(call.input)
        default:
          return call satisfies never
      }
    },
    /** Within the transaction of the call that it goes with. */
    appendAuditEntry,
    /** Removes at most `limit` expired signatures; true when there may be more. */
    sweep(nowUs: number, limit: number): boolean {
      return sql.sweepSignatures.run(nowUs, limit).changes === limit
    },
  }
}
