import type { AccessStore } from '../../ports.ts'
import { apiKeyRow, auditRow } from './access-row.ts'
import { CALL_BYTES, type Channel } from './channel.ts'
import type { ReaderCalls, WriterCalls } from './protocol.ts'

/** The store's part in access: each method is one call to one of the threads. */
export function accessStore(writer: Channel<WriterCalls>, reader: Channel<ReaderCalls>): AccessStore {
  return {
    createWorkspace: async (workspaceId, audit) =>
      await writer.call('createWorkspace', { workspaceId, audit: auditRow(audit) }, CALL_BYTES),
    hasWorkspace: (workspaceId) => reader.call('hasWorkspace', workspaceId, CALL_BYTES),
    listWorkspaces: (query) => reader.call('listWorkspaces', query, CALL_BYTES),
    saveApiKey: async (record, audit) => {
      const key = apiKeyRow(record)
      return await writer.call('saveApiKey', { key, audit: audit && auditRow(audit) }, CALL_BYTES + key.record.length)
    },
    getApiKey: (keyId) => reader.call('getApiKey', keyId, CALL_BYTES),
    findApiKeyByHash: (hash) => reader.call('findApiKeyByHash', hash, CALL_BYTES),
    listApiKeys: (query) => reader.call('listApiKeys', query, CALL_BYTES),
    recordKeyUse: (uses) => writer.call('recordKeyUse', uses, CALL_BYTES * uses.length),
    listAuditEntries: (query) => reader.call('listAuditEntries', query, CALL_BYTES),
    appendAuditEntry: async (entry) => await writer.call('appendAuditEntry', auditRow(entry), CALL_BYTES),
    rememberSignature: (signature, expiresAtUs) => writer.call('rememberSignature', { signature, expiresAtUs }, CALL_BYTES),
    dataKey: (name, candidate) => writer.call('dataKey', { name, candidate }, CALL_BYTES),
    listDataKeys: () => reader.call('listDataKeys', undefined, CALL_BYTES),
    replaceDataKey: (name, expected, key) => writer.call('replaceDataKey', { name, expected, key }, CALL_BYTES),
  }
}
