import type { AccessStore, ApiKeyRecord } from '../ports.ts'
import { auditedFields } from './api-key-fields.ts'
import { newKeyId } from './api-key-secret.ts'
import type { ApiKeyDeps } from './api-keys.ts'
import { auditEntry, type ChangedBy, differences } from './audit.ts'
import { ImportError, type ImportedApiKey } from './imported-api-keys.ts'
import { eachOf, PAGE } from './pages.ts'
import { createWorkspace } from './workspaces.ts'

export interface ImportResult {
  outcome: 'imported' | 'skipped'
  /** Of the key that has the secret, or had it. */
  keyId: string
  workspaceId: string
  name: string
}

/**
 * Stores keys that people have already, so that they go on working. Secrets that a key has, or ever had, are skipped: a repeat is harmless, and
 * revives nothing that was revoked or rotated away.
 * @throws ImportError, before anything is written, when a secret is a key's of another workspace
 * @throws StoreUnavailableError
 */
export async function importApiKeys(
  deps: Pick<ApiKeyDeps, 'store' | 'vault' | 'keys' | 'clock'>,
  by: ChangedBy,
  keys: readonly ImportedApiKey[],
): Promise<ImportResult[]> {
  const owners = await ownersOfHashes(deps.store)
  const wanted = keys.map((key) => {
    const hash = deps.vault.hash(key.secret)
    return { key, hash, owner: owners.get(hash) }
  })
  const problems = wanted.flatMap(({ key, owner }, index) =>
    owner === undefined || owner.workspaceId === key.workspaceId
      ? []
      : [`index ${index}, api_key: belongs to the key ${owner.keyId} of the workspace ${owner.workspaceId} already`],
  )
  if (problems.length > 0) throw new ImportError(problems)

  for (const workspaceId of new Set(keys.map((key) => key.workspaceId))) await createWorkspace(deps.store, by, workspaceId)
  const results: ImportResult[] = []
  for (const { key, hash, owner } of wanted) {
    const { workspaceId, name } = key
    if (owner !== undefined) {
      results.push({ outcome: 'skipped', ...owner })
      continue
    }
    const record = await recordOf(deps, key, hash)
    const saved = await deps.store.saveApiKey(
      record,
      auditEntry(by, {
        workspaceId,
        action: 'api_key.imported',
        target: { type: 'api_key', id: record.keyId },
        changes: differences(null, { ...auditedFields(record), has_signing_secret: key.signingSecret !== null }),
      }),
    )
    if (saved === 'changed') throw new Error('A new key could not be saved. Run the import again: what is imported is skipped.')
    deps.keys.forget(record.keyId)
    // Taken: another import of the same file runs, and was quicker.
    const taken = saved === 'hash_taken' ? await deps.store.findApiKeyByHash(hash) : undefined
    results.push({ outcome: saved === 'saved' ? 'imported' : 'skipped', keyId: taken?.keyId ?? record.keyId, workspaceId, name })
  }
  return results
}

type Owner = Omit<ImportResult, 'outcome'>

/** Who has every secret that was ever used: the store finds keys by those that still work alone. */
async function ownersOfHashes(store: AccessStore): Promise<Map<string, Owner>> {
  const owners = new Map<string, Owner>()
  const all = eachOf(async (after) => {
    const { apiKeys, next } = await store.listApiKeys({ limit: PAGE, after })
    return { items: apiKeys, next }
  })
  for await (const { keyId, workspaceId, name, versions } of all) {
    for (const { hash } of versions) owners.set(hash, { keyId, workspaceId, name })
  }
  return owners
}

async function recordOf({ vault, clock }: Pick<ApiKeyDeps, 'vault' | 'clock'>, key: ImportedApiKey, hash: string): Promise<ApiKeyRecord> {
  const nowUs = clock.nowUs()
  const keyId = newKeyId(nowUs)
  return {
    keyId,
    workspaceId: key.workspaceId,
    name: key.name,
    scopes: key.scopes,
    rateLimitPerMinute: key.rateLimitPerMinute,
    allowedIps: key.allowedIps,
    // Whoever had a signing secret goes on as before, and can be held to it by an update of the key.
    requireSignature: false,
    signingSecrets: key.signingSecret === null ? [] : [{ sealed: await vault.seal(key.signingSecret, keyId), expiresAtUs: null }],
    versions: [{ version: 1, hash, createdAtUs: nowUs, rotatedAtUs: null, expiresAtUs: null }],
    createdAtUs: nowUs,
    expiresAtUs: key.expiresAtUs,
    revokedAtUs: null,
    revision: 0,
  }
}
