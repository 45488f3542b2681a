import { randomUUID } from 'node:crypto'
import { afterAll, expect, it } from 'vitest'
import { type AccessStore, type ApiKeyRecord, StoreUnavailableError } from '../../../ports.ts'
import { cancelled, failsWith, lostAnswer, statementsFail } from '../../../testing/dynamodb-faults.ts'
import { dynamodbUrl } from '../../../testing/dynamodb-local.ts'
import { startDynamodbProxy } from '../../../testing/dynamodb-proxy.ts'
import { testTables } from '../../../testing/dynamodb-tables.ts'
import { FakeClock } from '../../../testing/fake-clock.ts'
import { fiftyTimes, newApiKey, newAuditEntry, newHash, newVersion, newWorkspace } from '../../conformance/harness.ts'
import { createAccessStore } from './access.ts'
import { createDynamo } from './client.ts'
import { CommitClock } from './commit-clock.ts'
import { makeTables } from './tables.ts'
import { createWorkspaces } from './workspaces.ts'

await accessTests(dynamodbUrl())

async function accessTests(endpointUrl: string): Promise<void> {
  const { newPrefix, dynamoOf, endTtl } = testTables(endpointUrl)
  const tablePrefix = newPrefix()
  const direct = dynamoOf(tablePrefix)
  await makeTables(direct, [])
  await endTtl(tablePrefix)
  const proxy = await startDynamodbProxy(endpointUrl)
  const clock = new FakeClock()
  const dynamos: { close(): void }[] = []
  afterAll(async () => {
    for (const dynamo of dynamos) dynamo.close()
    await proxy.close()
  })

  /** The access of a process of its own, through the proxy. */
  function openAccess(): AccessStore {
    const dynamo = createDynamo({ endpointUrl: proxy.url, region: 'us-east-1', madeUpCredentials: true, tablePrefix, clock })
    dynamos.push(dynamo)
    return createAccessStore({ dynamo, clock, commitClock: new CommitClock(clock), workspaces: createWorkspaces(dynamo, clock, 4) })
  }

  const [store, other] = [openAccess(), openAccess()]

  /** Loses the answer to the next write, which is done. */
  async function withLostAnswer<T>(operation: RegExp, ask: () => Promise<T>): Promise<T> {
    const rule = proxy.rule({ operation, times: 1, fault: lostAnswer })
    const answer = await ask()
    expect(rule.hits()).toBe(1)
    return answer
  }

  const entriesOf = async (workspaceId: string) => (await store.listAuditEntries({ workspaceId, limit: 100 })).entries
  const saved = async (record: ApiKeyRecord) => {
    expect(await store.saveApiKey(record, null)).toBe('saved')
    return { ...record, revision: record.revision + 1 }
  }

  it('takes no write of its own for that of somebody else when the answer was lost', async () => {
    const TRANSACTION = /^TransactWriteItems$/
    const workspaceId = newWorkspace()
    const audit = newAuditEntry(workspaceId)
    expect(await withLostAnswer(TRANSACTION, () => store.createWorkspace(workspaceId, audit))).toBe(true)
    const key = newApiKey({ workspaceId })
    expect(await withLostAnswer(TRANSACTION, () => store.saveApiKey(key, audit))).toBe('saved')
    const changed = { ...key, revision: 1, name: 'Changed' }
    expect(await withLostAnswer(TRANSACTION, () => store.saveApiKey(changed, audit))).toBe('saved')
    expect(await store.getApiKey(key.keyId)).toMatchObject({ name: 'Changed', revision: 2 })
    await withLostAnswer(/^PutItem$/, () => store.appendAuditEntry(audit))
    expect(await entriesOf(workspaceId)).toHaveLength(4)

    const signature = randomUUID()
    const remember = () => store.rememberSignature(signature, clock.nowUs() + 60e6)
    expect(await withLostAnswer(/^PutItem$/, remember)).toBe(true)
    expect(await remember()).toBe(false)

    const [name, one, two] = [newWorkspace(), new Uint8Array([1]), new Uint8Array([2])]
    expect(await withLostAnswer(TRANSACTION, () => store.dataKey(name, one))).toEqual(one)
    expect(await withLostAnswer(TRANSACTION, () => store.replaceDataKey(name, one, two))).toBe(true)
    expect(await withLostAnswer(TRANSACTION, () => store.replaceDataKey(name, two, null))).toBe(true)
  })

  it('waits for another transaction in the way', async () => {
    const rule = proxy.rule({ operation: /^Transact/, times: 3, fault: cancelled('TransactionConflict') })
    const key = newApiKey()
    expect(await store.saveApiKey(key, newAuditEntry(key.workspaceId))).toBe('saved')
    expect(rule.hits()).toBe(3)
    expect(await entriesOf(key.workspaceId)).toHaveLength(1)
  })

  it('is unavailable, and writes nothing, while DynamoDB throttles', async () => {
    const key = await saved(newApiKey())
    const workspaceId = newWorkspace()
    const rule = proxy.rule({ fault: failsWith('ProvisionedThroughputExceededException') })
    const asked = await Promise.allSettled([
      store.createWorkspace(workspaceId, newAuditEntry(workspaceId)),
      store.saveApiKey(newApiKey({ workspaceId }), null),
      store.saveApiKey({ ...key, name: 'Changed' }, null),
      store.getApiKey(key.keyId),
      store.findApiKeyByHash(newHash()),
      store.listApiKeys({ limit: 10 }),
      store.recordKeyUse([{ keyId: key.keyId, usedAtUs: 1 }]),
      store.listAuditEntries({ workspaceId, limit: 1 }),
      store.appendAuditEntry(newAuditEntry(null)),
      store.rememberSignature(randomUUID(), clock.nowUs() + 1),
      store.dataKey(workspaceId, new Uint8Array([1])),
      store.replaceDataKey(workspaceId, new Uint8Array([1]), null),
    ])
    rule.remove()
    for (const result of asked) expect(result).toMatchObject({ status: 'rejected', reason: expect.any(StoreUnavailableError) })
    expect(await store.hasWorkspace(workspaceId)).toBe(false)
    expect(await store.getApiKey(key.keyId)).toEqual({ ...key, lastUsedAtUs: null })
  })

  it('finds a key that it knows with one request, whatever other processes did to it', async () => {
    const [first, second] = [newVersion(), newVersion({ version: 2 })]
    const key = await saved(newApiKey({ versions: [first] }))
    await store.findApiKeyByHash(first.hash)
    proxy.reset()
    expect((await store.findApiKeyByHash(first.hash))?.keyId).toBe(key.keyId)
    expect(proxy.counts()).toMatchObject({ requests: { GetItem: 1 }, readUnits: 1 })

    expect(await other.saveApiKey({ ...key, versions: [second] }, null)).toBe('saved')
    expect(await store.findApiKeyByHash(first.hash)).toBeUndefined()
    const heir = newApiKey({ versions: [first] })
    expect(await other.saveApiKey(heir, null)).toBe('saved')
    expect((await store.findApiKeyByHash(first.hash))?.keyId).toBe(heir.keyId)
  })

  it('has forgotten a hash at once that moves from key to key', async () => {
    const version = newVersion()
    let [holder, next] = [await saved(newApiKey({ versions: [version] })), await saved(newApiKey())]
    for (let moves = 0; moves < 5; moves++) {
      await store.findApiKeyByHash(version.hash)
      expect(await other.saveApiKey({ ...next, versions: [version] }, null)).toBe('hash_taken')
      expect(await other.saveApiKey({ ...holder, versions: [] }, null)).toBe('saved')
      expect(await store.findApiKeyByHash(version.hash)).toBeUndefined()
      expect(await other.saveApiKey({ ...next, versions: [version] }, null)).toBe('saved')
      expect((await store.findApiKeyByHash(version.hash))?.keyId).toBe(next.keyId)
      ;[holder, next] = [
        { ...next, versions: [version], revision: next.revision + 1 },
        { ...holder, versions: [], revision: holder.revision + 1 },
      ]
    }
  })

  it('lets one of fifty win, of two processes: the same workspace, the same hash, the same change', async () => {
    const stores = (n: number) => (n % 2 === 0 ? store : other)
    const workspaceId = newWorkspace()
    const made = await fiftyTimes((n) => stores(n).createWorkspace(workspaceId, newAuditEntry(workspaceId)))
    expect(made.filter((won) => won)).toHaveLength(1)
    expect(await entriesOf(workspaceId)).toHaveLength(1)
    const versions = [newVersion()]
    const taken = await fiftyTimes((n) => stores(n).saveApiKey(newApiKey({ workspaceId, versions }), newAuditEntry(workspaceId)))
    expect(taken.toSorted()).toEqual([...Array.from({ length: 49 }, () => 'hash_taken'), 'saved'])
    expect(await entriesOf(workspaceId)).toHaveLength(2)
    const { apiKeys } = await other.listApiKeys({ workspaceId, limit: 10 })
    expect(apiKeys).toHaveLength(1)
    const [key = newApiKey()] = apiKeys
    const changed = await fiftyTimes((n) => stores(n).saveApiKey({ ...key, name: `n${n}`, versions: [newVersion()] }, null))
    expect(changed.toSorted()).toEqual([...Array.from({ length: 49 }, () => 'changed'), 'saved'])
    const hashes = await direct.queryAll({ table: 'keys', where: 'pk = :pk', values: { pk: `hash#${versions[0]?.hash}` } }).next()
    expect(hashes.done).toBe(true)
  })

  it('records uses again that failed one by one, and makes no key of an unknown one', async () => {
    const keys = await Promise.all(Array.from({ length: 60 }, () => saved(newApiKey())))
    const uses = [...keys.map(({ keyId }, n) => ({ keyId, usedAtUs: 1000 + n })), { keyId: 'key_unknown', usedAtUs: 1 }]
    const before = proxy.rule({ times: 2, fault: statementsFail('ThrottlingError', (index) => index % 3 === 0), operation: /^BatchEx/ })
    await store.recordKeyUse(uses)
    before.remove()
    for (const [n, { keyId }] of keys.entries()) expect((await store.getApiKey(keyId))?.lastUsedAtUs).toBe(1000 + n)
    expect(await store.getApiKey('key_unknown')).toBeUndefined()
    const after = proxy.rule({ fault: statementsFail('InternalServerError', () => true, 'after'), operation: /^BatchEx/ })
    await expect(store.recordKeyUse(uses.map((use) => ({ ...use, usedAtUs: 5000 })))).rejects.toThrow(StoreUnavailableError)
    after.remove()
  })

  it('finds nothing by a text that is no id, whatever it is', async () => {
    for (const text of ['', 'x'.repeat(5000), '\u0000', '\ud800', '#', '-']) {
      expect(await store.getApiKey(text)).toBeUndefined()
      expect(await store.findApiKeyByHash(text)).toBeUndefined()
      expect(await store.rememberSignature(text, clock.nowUs() + 60e6)).toBe(true)
      expect(await other.rememberSignature(text, clock.nowUs() + 60e6)).toBe(false)
    }
  })

  it('takes audit entries and keys that are long', async () => {
    const key = newApiKey({ name: '\ud800', allowedIps: Array.from({ length: 1000 }, (_, n) => `2001:db8::${n.toString(16)}`) })
    const changes = { allowed_ips: { from: key.allowedIps, to: '\udfff' }, big: { from: 1e300, to: -0.1 } }
    const audit = newAuditEntry(key.workspaceId, { changes })
    await store.saveApiKey(key, audit)
    expect(await store.getApiKey(key.keyId)).toEqual({ ...key, revision: 1, lastUsedAtUs: null })
    expect(await entriesOf(key.workspaceId)).toMatchObject([{ changes }])
  })

  it('asks no more often than it must', async () => {
    const workspaceId = newWorkspace()
    const audit = newAuditEntry(workspaceId)
    await store.appendAuditEntry(audit)
    const key = newApiKey({ workspaceId })
    const requestsOf = async (ask: () => Promise<unknown>) => {
      proxy.reset()
      await ask()
      return proxy.counts().requests
    }
    expect(await requestsOf(() => store.saveApiKey(key, audit))).toEqual({ TransactWriteItems: 1 })
    const change = () => store.saveApiKey({ ...key, revision: 1, versions: [newVersion()] }, audit)
    expect(await requestsOf(change)).toEqual({ GetItem: 1, TransactWriteItems: 1 })
    expect(await requestsOf(change)).toEqual({ GetItem: 1 })
    expect(await requestsOf(() => store.getApiKey(key.keyId))).toEqual({ GetItem: 1 })
    expect(await requestsOf(() => store.hasWorkspace(workspaceId))).toEqual({})
    expect(await requestsOf(() => store.listApiKeys({ workspaceId, limit: 50 }))).toEqual({ Query: 1, BatchGetItem: 1 })
    expect(await requestsOf(() => store.appendAuditEntry(audit))).toEqual({ PutItem: 1 })
    expect(await requestsOf(() => store.listAuditEntries({ workspaceId, limit: 2 }))).toEqual({ Query: 1 })
    expect(await requestsOf(() => store.rememberSignature(randomUUID(), clock.nowUs() + 60e6))).toEqual({ PutItem: 1 })
    const uses = Array.from({ length: 25 }, (_, n) => ({ keyId: `key_${n}`, usedAtUs: 9 }))
    expect(await requestsOf(() => store.recordKeyUse(uses))).toEqual({ BatchExecuteStatement: 1 })
  })
}
