import { randomBytes } from 'node:crypto'
import type { AccessStore, SealedSecret, StoredApiKey } from '../ports.ts'
import type { StoredWebhook, WebhookStore } from '../webhook-ports.ts'
import { auditEntry, type ChangedBy } from './audit.ts'
import { eachOf, PAGE } from './pages.ts'
import { type MasterKey, openVault, unwrapDataKey, type Vault, wrapDataKey } from './vault.ts'

const SECRETS = /^secrets:([1-9]\d{0,8})$/
const KEY_BYTES = 32
const ACTION = 'encryption_key.changed'

export interface MasterKeyChange {
  masterKeyId: string
  /** False when everything was under the master key already. */
  changed: boolean
  /** What has secrets that were sealed anew: API keys with signing secrets, and webhooks. */
  resealed: { apiKeys: number; webhooks: number }
  /** Data keys that were wrapped anew. */
  rewrapped: number
  /** Data keys that nothing is sealed under any more. */
  removed: number
}

/**
 * Puts everything that is encrypted under the first master key. Interrupted anywhere, it goes on when it is called again. Servers that know all the
 * master keys may run meanwhile. Hashes stay as they are, so every API key goes on working.
 *
 * The order is what makes it resumable: a data key other than the newest `secrets:<n>` comes under the new master key only when every secret is
 * sealed under the newest; all of them being there means that all is done. Whoever adds another kind of sealed secret adds its resealing here.
 * @param masterKeys the new one, then all that were used before
 * @throws Error in words for the operator when a master key is missing
 * @throws StoreUnavailableError
 */
export async function changeMasterKey(
  store: AccessStore & WebhookStore,
  masterKeys: readonly MasterKey[],
  by: ChangedBy,
): Promise<MasterKeyChange> {
  const [master] = masterKeys
  if (master === undefined) throw new Error('There is no encryption key to change to.')
  // Makes what a store that was never opened lacks, and says so when a master key is missing.
  await openVault(store, masterKeys)
  const result: MasterKeyChange = {
    masterKeyId: master.id,
    changed: false,
    resealed: { apiKeys: 0, webhooks: 0 },
    rewrapped: 0,
    removed: 0,
  }
  const dataKeys = await store.listDataKeys()
  if (dataKeys.some(({ name, key }) => !isWrappedBy(master, name, key))) {
    result.changed = true
    const newest = await makeSecretsKey(store, master, dataKeys)
    const vault = await openVault(store, masterKeys)
    result.resealed = { apiKeys: await resealApiKeys(store, vault), webhooks: await resealWebhooks(store, vault) }
    // The one before the newest stays: a server may be sealing under it this moment.
    result.removed = await removeSecretsKeys(store, newest - 1)
    result.rewrapped = await rewrapDataKeys(store, masterKeys, master)
  }
  await appendAudit(store, masterKeys, master, by)
  return result
}

type DataKeys = readonly { name: string; key: Uint8Array }[]

function isWrappedBy(master: MasterKey, name: string, wrapped: Uint8Array): boolean {
  try {
    unwrapDataKey([master], name, wrapped)
    return true
  } catch {
    return false
  }
}

function numberOf(name: string): number {
  return Number(SECRETS.exec(name)?.[1] ?? 0)
}

/** The number of the newest data key for secrets, which is under the new master key: made now, unless a former run has made it. */
async function makeSecretsKey(store: AccessStore, master: MasterKey, dataKeys: DataKeys): Promise<number> {
  const newest = Math.max(0, ...dataKeys.map(({ name }) => numberOf(name)))
  if (dataKeys.some(({ name, key }) => numberOf(name) === newest && isWrappedBy(master, name, key))) return newest
  const name = `secrets:${newest + 1}`
  const stored = await store.dataKey(name, wrapDataKey(master, name, randomBytes(KEY_BYTES)))
  if (!isWrappedBy(master, name, stored)) {
    throw new Error('Another process is changing to another encryption key. Let it finish, then run this again with its key listed too.')
  }
  return newest + 1
}

/** How many were sealed anew. */
async function resealApiKeys(store: AccessStore, vault: Vault): Promise<number> {
  const all = eachOf(async (after) => {
    const { apiKeys, next } = await store.listApiKeys({ limit: PAGE, after })
    return { items: apiKeys, next }
  })
  let resealed = 0
  for await (const apiKey of all) if (await resealApiKey(store, vault, apiKey)) resealed++
  return resealed
}

async function resealApiKey(store: AccessStore, vault: Vault, listed: StoredApiKey): Promise<boolean> {
  let apiKey: StoredApiKey | undefined = listed
  while (apiKey !== undefined && apiKey.signingSecrets.length > 0) {
    const { keyId } = apiKey
    const signingSecrets = await resealSecrets(vault, apiKey.signingSecrets, keyId)
    const { lastUsedAtUs: _, ...record } = apiKey
    const result = await store.saveApiKey({ ...record, signingSecrets }, null)
    if (result === 'saved') return true
    if (result === 'hash_taken') throw new Error(`The secret of ${keyId} is another key's too. Revoke one of them, then run this again.`)
    // Somebody has changed it meanwhile: what they wrote is sealed anew instead.
    apiKey = await store.getApiKey(keyId)
  }
  return false
}

/** How many were sealed anew. Deleted ones have no secrets any more. */
async function resealWebhooks(store: WebhookStore, vault: Vault): Promise<number> {
  const all = eachOf(async (after) => {
    const { webhooks, next } = await store.listWebhooks({ limit: PAGE, after })
    return { items: webhooks, next }
  })
  let resealed = 0
  for await (const webhook of all) if (await resealWebhook(store, vault, webhook)) resealed++
  return resealed
}

async function resealWebhook(store: WebhookStore, vault: Vault, listed: StoredWebhook): Promise<boolean> {
  let webhook: StoredWebhook | undefined = listed
  while (webhook !== undefined) {
    const { webhookId } = webhook
    const secrets = await resealSecrets(vault, webhook.secrets, webhookId)
    const headers = webhook.headers && { ...webhook.headers, sealed: await reseal(vault, webhook.headers.sealed, webhookId) }
    const { outcome } = await store.saveWebhook({ ...webhook, secrets, headers }, { audit: null })
    if (outcome === 'saved') return true
    // Somebody has changed it meanwhile: what they wrote is sealed anew instead.
    webhook = await store.getWebhook(webhookId)
  }
  return false
}

async function resealSecrets(vault: Vault, secrets: readonly SealedSecret[], owner: string): Promise<SealedSecret[]> {
  const resealed: SealedSecret[] = []
  for (const { sealed, expiresAtUs } of secrets) resealed.push({ sealed: await reseal(vault, sealed, owner), expiresAtUs })
  return resealed
}

async function reseal(vault: Vault, sealed: string, owner: string): Promise<string> {
  return await vault.seal(await vault.open(sealed, owner), owner)
}

/** Removes the data keys for secrets from before that number; how many there were. */
async function removeSecretsKeys(store: AccessStore, before: number): Promise<number> {
  let removed = 0
  for (const { name, key } of await store.listDataKeys()) {
    const number = numberOf(name)
    if (number > 0 && number < before && (await store.replaceDataKey(name, key, null))) removed++
  }
  return removed
}

/** How many were wrapped anew. */
async function rewrapDataKeys(store: AccessStore, masterKeys: readonly MasterKey[], master: MasterKey): Promise<number> {
  let rewrapped = 0
  let others: DataKeys
  do {
    others = (await store.listDataKeys()).filter(({ name, key }) => !isWrappedBy(master, name, key))
    for (const { name, key } of others) {
      const wrapped = wrapDataKey(master, name, unwrapDataKey(masterKeys, name, key))
      // Another process may have been quicker; the next look tells what it wrote.
      if (await store.replaceDataKey(name, key, wrapped)) rewrapped++
    }
  } while (others.length > 0)
  return rewrapped
}

/** Says once what master key was changed to, also when the run that changed it ended just before it could. */
async function appendAudit(store: AccessStore, masterKeys: readonly MasterKey[], master: MasterKey, by: ChangedBy): Promise<void> {
  const newest = Math.max(...(await store.listDataKeys()).map(({ name }) => numberOf(name)))
  const wasNeverChanged = newest === 1
  if (wasNeverChanged) return
  const { entries } = await store.listAuditEntries({ workspaceId: null, action: ACTION, limit: 1 })
  if (entries[0]?.target.id === master.id) return
  const target = { type: 'encryption_key', id: master.id }
  const from = entries[0]?.target.id ?? masterKeys[1]?.id ?? null
  await store.appendAuditEntry(
    auditEntry(by, { workspaceId: null, action: ACTION, target, changes: { encryption_key: { from, to: master.id } } }),
  )
}
