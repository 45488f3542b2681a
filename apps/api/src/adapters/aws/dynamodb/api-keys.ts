import { setTimeout as sleep } from 'node:timers/promises'
import type { AccessStore, ApiKeyRecord, SaveResult, StoredApiKey } from '../../../ports.ts'
import { auditWrite } from './audit.ts'
import { type Compressed, compressed, textOf } from './compressed.ts'
import { jitter } from './connection.ts'
import type { AccessContext } from './context.ts'
import { keyText } from './key-text.ts'
import type { Item, Key, Statement, Write } from './notation.ts'

type ApiKeyStore = Pick<AccessStore, 'saveApiKey' | 'getApiKey' | 'findApiKeyByHash' | 'listApiKeys' | 'recordKeyUse'>

/** So that one comparison finds what is a key, and was not used later. */
const NEVER_USED = 0
/** Secrets whose key this process knows. */
const MAX_OWNERS = 10_000
/** How long uses are written again that failed one by one. */
const USES_MS = 3000
/** A hash may go from key to key while it is looked up, though hardly ever twice. */
const LOOK_UPS = 4

/**
 * The API keys. A key is one item, with the hashes that it is found by; for each of those hashes an item says whose it is. Both change in one
 * transaction, so an item of a hash and the list in its key never disagree.
 */
export function createApiKeys(context: AccessContext): ApiKeyStore {
  const { dynamo, clock, commitClock, workspaces } = context
  /** By hash, the key that had it lately: it is asked first, and says itself whether it still has it. */
  const owners = new Map<string, string>()

  const read = async (keyId: string): Promise<Item | undefined> => await dynamo.get('keys', keyOf(keyId))

  async function saveApiKey(record: ApiKeyRecord, audit: Parameters<AccessStore['saveApiKey']>[1]): Promise<SaveResult> {
    const { keyId, workspaceId, revision } = record
    const isNew = revision === 0
    const [stored, workspace] = await Promise.all([isNew ? undefined : read(keyId), workspaces.find(workspaceId)])
    if (!isNew && stored?.['revision'] !== revision) return 'changed'
    const nowUs = clock.nowUs()
    const hashes = new Set(liveHashes(record, nowUs))
    const before = stored === undefined ? [] : hashesOf(stored)
    const writes: Write[] = [
      keyWrite(record, [...hashes]),
      ...[...hashes].filter((hash) => !before.includes(hash)).map((hash) => hashWrite(hash, keyId)),
      // The revision is the condition that they are still this key's.
      ...before.filter((hash) => !hashes.has(hash)).map((hash): Write => ({ table: 'keys', remove: hashKey(hash) })),
      ...(workspace === undefined ? [workspaces.makeWrite(workspaceId)] : []),
      ...(isNew ? listEntries(record).map((put): Write => ({ table: 'keys', put })) : []),
      ...(audit === null ? [] : [auditWrite(audit, commitClock.next())]),
    ]
    const refusals = await dynamo.transact(writes)
    if (refusals === undefined) return 'saved'
    return refusals[0]?.isRefused ? 'changed' : 'hash_taken'
  }

  async function findApiKeyByHash(hash: string): Promise<StoredApiKey | undefined> {
    for (let lookUps = 0; lookUps < LOOK_UPS; lookUps++) {
      const known = owners.get(hash)
      const keyId = known ?? (await dynamo.get('keys', hashKey(hash)))?.['keyId']
      if (typeof keyId !== 'string') return undefined
      const found = await read(keyId)
      if (found !== undefined && hashesOf(found).includes(hash)) {
        if (known === undefined) rememberOwner(hash, keyId)
        return storedApiKeyOf(found)
      }
      owners.delete(hash)
    }
    return undefined
  }

  function rememberOwner(hash: string, keyId: string): void {
    owners.set(hash, keyId)
    const [oldest] = owners.keys()
    if (owners.size > MAX_OWNERS && oldest !== undefined) owners.delete(oldest)
  }

  async function recordKeyUse(uses: readonly { keyId: string; usedAtUs: number }[]): Promise<void> {
    const latest = new Map<string, number>()
    for (const { keyId, usedAtUs } of uses) latest.set(keyId, Math.max(usedAtUs, latest.get(keyId) ?? 0))
    let left = [...latest].map(([keyId, usedAtUs]) => useStatement(keyId, usedAtUs))
    const endMs = performance.now() + USES_MS
    for (let tries = 1; left.length > 0; tries++) {
      const errors = (await dynamo.execute(left)).map((result) => (result.outcome === 'failed' ? result.error : undefined))
      const error = errors.find((one) => one !== undefined)
      if (error !== undefined && performance.now() >= endMs) throw error
      left = left.filter((_, index) => errors[index] !== undefined)
      // What is refused is no key, or was used later: to say it twice is as good as once.
      if (left.length > 0) await sleep(jitter(tries))
    }
  }

  return {
    saveApiKey,
    findApiKeyByHash,
    recordKeyUse,

    async getApiKey(keyId) {
      const found = await read(keyId)
      return found && storedApiKeyOf(found)
    },

    async listApiKeys({ workspaceId, limit, after }) {
      const { items } = await dynamo.query({
        table: 'keys',
        where: after === undefined ? 'pk = :pk' : 'pk = :pk AND sk < :after',
        values: { pk: listPartition(workspaceId), ...(after !== undefined && { after }) },
        order: 'desc',
        limit: limit + 1,
      })
      const entries = items.slice(0, limit)
      const found = await dynamo.batchGet(
        'keys',
        entries.map(({ keyId }) => keyOf(keyId)),
      )
      const byPartition = new Map(found.map((item) => [item.pk, item]))
      const listed = entries.map(({ keyId }) => byPartition.get(keyOf(keyId).pk)).filter((item) => item !== undefined)
      return { apiKeys: listed.map(storedApiKeyOf), next: items.length > limit ? (entries.at(-1)?.sk ?? null) : null }
    },
  }
}

const keyOf = (keyId: string): Key => ({ pk: `key#${keyText(keyId)}`, sk: '-' })
const hashKey = (hash: string): Key => ({ pk: `hash#${keyText(hash)}`, sk: '-' })
/** Undefined: of all workspaces. */
const listPartition = (workspaceId: string | undefined): string => `keys#${workspaceId ?? ''}`

/** The last use is not its own: a new key has none, any other keeps it. */
function keyWrite(record: ApiKeyRecord, hashes: string[]): Write {
  const { keyId, revision } = record
  return {
    table: 'keys',
    key: keyOf(keyId),
    update: 'SET #record = :record, revision = :next, hashes = :hashes, lastUsedAtUs = if_not_exists(lastUsedAtUs, :never)',
    condition: revision === 0 ? 'attribute_not_exists(pk)' : 'revision = :revision',
    names: { record: 'record' },
    values: { record: recordText(record), next: revision + 1, hashes, never: NEVER_USED, ...(revision !== 0 && { revision }) },
  }
}

function hashWrite(hash: string, keyId: string): Write {
  const mine = { condition: 'attribute_not_exists(pk) OR keyId = :keyId', values: { keyId } }
  return { table: 'keys', put: { ...hashKey(hash), keyId }, ...mine }
}

/** Written once: a key's workspace and the time of its making stay as they are. */
function listEntries({ keyId, workspaceId, createdAtUs }: ApiKeyRecord): Item[] {
  const sk = `${String(createdAtUs).padStart(16, '0')}#${keyText(keyId)}`
  return [listPartition(workspaceId), listPartition(undefined)].map((pk) => ({ pk, sk, keyId }))
}

/** A key that comes in with its revision and last use, and what goes with it; the first of them is refused when there is a key of that id. */
export function apiKeyWrites(apiKey: StoredApiKey, nowUs: number): [Write, ...Write[]] {
  const { keyId, revision, lastUsedAtUs } = apiKey
  const hashes = liveHashes(apiKey, nowUs)
  const item = { ...keyOf(keyId), record: recordText(apiKey), revision, hashes, lastUsedAtUs: lastUsedAtUs ?? NEVER_USED }
  return [
    { table: 'keys', put: item, condition: 'attribute_not_exists(pk)' },
    ...hashes.map((hash) => hashWrite(hash, keyId)),
    ...listEntries(apiKey).map((put): Write => ({ table: 'keys', put })),
  ]
}

/** The hashes that the key is found by. */
function liveHashes({ versions }: ApiKeyRecord, nowUs: number): string[] {
  return [...new Set(versions.filter(({ expiresAtUs }) => expiresAtUs === null || expiresAtUs > nowUs).map(({ hash }) => hash))]
}

/** All but what has attributes of its own. */
function recordText(record: ApiKeyRecord): Compressed {
  return compressed(JSON.stringify({ ...record, revision: undefined, lastUsedAtUs: undefined }))
}

function useStatement(keyId: string, usedAtUs: number): Statement {
  const { pk, sk } = keyOf(keyId)
  return {
    table: 'keys',
    text: 'UPDATE $table SET lastUsedAtUs = ? WHERE pk = ? AND sk = ? AND lastUsedAtUs < ?',
    parameters: [usedAtUs, pk, sk, usedAtUs],
  }
}

function hashesOf(item: Item): string[] {
  return item['hashes']
}

export function storedApiKeyOf(item: Item): StoredApiKey {
  const stored: Compressed = item['record']
  const record: Omit<ApiKeyRecord, 'revision'> = JSON.parse(textOf(stored))
  return { ...record, revision: item['revision'], lastUsedAtUs: item['lastUsedAtUs'] === NEVER_USED ? null : item['lastUsedAtUs'] }
}
