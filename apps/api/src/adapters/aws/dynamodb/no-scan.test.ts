import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import type { Store } from '../../../ports.ts'
import { dynamodbUrl } from '../../../testing/dynamodb-local.ts'
import { startDynamodbProxy } from '../../../testing/dynamodb-proxy.ts'
import { testTables } from '../../../testing/dynamodb-tables.ts'
import {
  createdIds,
  fanOut,
  newApiKey,
  newAuditEntry,
  newDelivery,
  newEvent,
  newEventWith,
  newReplay,
  newWebhook,
  newWorkspace,
  query,
  savedWebhook,
} from '../../conformance/harness.ts'
import { systemClock } from '../../system-clock.ts'

const SOURCE = join(import.meta.dirname, '../../..')
/** What reads a whole table: by the SDK, by the wire, or by PartiQL, where a SELECT without a whole key is a scan in other words. */
const SCANS = /\bScanCommand\b|\bpaginateScan\b|\.scan\s*\(|DynamoDB_20120810\.Scan|\bSELECT\b[^'"`]*\bFROM\s+(?:\$table\b|"\$)/i
/** No Scan, and no ExecuteStatement, which may be one. A SELECT in a batch of statements has a whole key, or DynamoDB refuses it. */
const OPERATIONS = [
  ...['BatchExecuteStatement', 'BatchGetItem', 'BatchWriteItem', 'CreateTable', 'DeleteItem', 'DescribeTable', 'DescribeTimeToLive'],
  ...['GetItem', 'PutItem', 'Query', 'TransactGetItems', 'TransactWriteItems', 'UpdateItem', 'UpdateTable', 'UpdateTimeToLive'],
]

it('has no scan in the code of the server', () => {
  const files = globSync('**/*.{ts,mjs}', { cwd: SOURCE }).filter((file) => !/\.test\.ts$|^testing\/|\/conformance\//.test(file))
  expect(files).toContain(join('adapters', 'aws', 'dynamodb', 'client.ts'))
  expect(files.filter((file) => SCANS.test(readFileSync(join(SOURCE, file), 'utf8')))).toEqual([])
})

it.each([
  "import { ScanCommand } from '@aws-sdk/lib-dynamodb'",
  'await client.scan({ TableName })',
  'for await (const page of paginateScan({ client }, input)) {}',
  "'x-amz-target': 'DynamoDB_20120810.Scan'",
  "text: 'SELECT pk FROM $table WHERE n > 1'",
])('would find one: %s', (text) => expect(text).toMatch(SCANS))

const endpointUrl = dynamodbUrl()
const { open } = testTables(endpointUrl)

it('asks DynamoDB for no scan, whatever is asked of the store', async () => {
  const proxy = await startDynamodbProxy(endpointUrl, { countsUnits: false })
  try {
    const { store } = await open({ endpointUrl: proxy.url, settleMs: 500 })
    const asked = new Set<string | symbol>()
    const watched = new Proxy(store, {
      get(target, name) {
        asked.add(name)
        return Reflect.get(target, name)
      },
    })
    await useEvents(watched)
    await useKeys(watched)
    await useWebhooks(watched)
    await moveWorkspace(watched)
    await store.limiter.take('bucket', 1000)
    await watched.sweep(100)
    await watched.close()
    const others = ['limiter', 'onCommit']
    expect([...asked].toSorted()).toEqual(
      Object.keys(store)
        .filter((name) => !others.includes(name))
        .toSorted(),
    )
    const { requests } = proxy.counts()
    expect(Object.keys(requests).filter((operation) => !OPERATIONS.includes(operation))).toEqual([])
    expect(requests).toMatchObject({ Query: expect.any(Number) })
  } finally {
    await proxy.close()
  }
})

async function useEvents(store: Store): Promise<void> {
  const workspaceId = newWorkspace()
  const idempotency = { key: 'k', fingerprint: new Uint8Array(32) }
  const events = [newEventWith({ tenant: 't' }, { idempotency }), newEvent({ priority: 'high' }), newEvent()]
  const ids = await createdIds(store, workspaceId, events)
  await expect.poll(async () => (await store.listEvents(query(workspaceId))).events.length, { timeout: 10_000 }).toBe(3)
  for (const filter of [
    { status: 'pending' as const },
    { source: 'suite' },
    { eventType: 'suite.ran', status: 'acknowledged' as const },
    { priority: 'high' as const },
    { metadata: { tenant: 't' } },
    { createdAfterUs: 1, createdBeforeUs: systemClock.nowUs() },
  ]) {
    for (const order of ['asc', 'desc'] as const) await store.listEvents(query(workspaceId, { filter, order }))
  }
  await store.getEvent(workspaceId, ids[0] ?? '')
  await store.ackEvents(workspaceId, ids.slice(0, 1))
  await store.ackEvents(workspaceId, ids)
  await store.deleteEvents(workspaceId, ids)
}

async function useKeys(store: Store): Promise<void> {
  const workspaceId = newWorkspace()
  await store.createWorkspace(workspaceId, newAuditEntry(workspaceId))
  await store.hasWorkspace(workspaceId)
  await store.listWorkspaces({ limit: 10 })
  const key = newApiKey({ workspaceId })
  await store.saveApiKey(key, newAuditEntry(workspaceId))
  await store.getApiKey(key.keyId)
  await store.findApiKeyByHash(key.versions[0]?.hash ?? '')
  await store.listApiKeys({ limit: 10 })
  await store.listApiKeys({ workspaceId, limit: 10 })
  await store.recordKeyUse([{ keyId: key.keyId, usedAtUs: systemClock.nowUs() }])
  await store.appendAuditEntry(newAuditEntry(workspaceId))
  await store.listAuditEntries({ workspaceId, action: 'suite.ran', limit: 10 })
  await store.rememberSignature(`signature of ${workspaceId}`, systemClock.nowUs() + 60e6)
  const dataKey = await store.dataKey('name', new Uint8Array(32))
  await store.listDataKeys()
  await store.replaceDataKey('name', dataKey, null)
}

async function useWebhooks(store: Store): Promise<void> {
  store.watchOutbox(() => {})()
  const { workspaceId, webhookId, ...rest } = await savedWebhook(store)
  await store.getWebhook(webhookId)
  await store.listWebhooks({ limit: 10 })
  await store.listWebhooks({ workspaceId, isActive: true, limit: 10 })
  const [eventId = ''] = await createdIds(store, workspaceId, [newEvent()])
  const interests = new Map([[workspaceId, ['']]])
  let after: string | undefined
  const read = async () => {
    const { events, mark } = await store.readOutbox({ limit: 1000, maxBytes: 1e6, interests, ...(after !== undefined && { after }) })
    after = mark
    return events.length
  }
  await expect.poll(read, { timeout: 10_000 }).toBeGreaterThan(0)
  await fanOut(store, [newDelivery({ webhookId }, { eventId })])
  await store.listDueLanes({ limit: 10 })
  const heldUntilUs = systemClock.nowUs() + 60e6
  const paces = [{ name: webhookId, perSecond: 1000 }]
  const { deliveries } = await store.claimDeliveries({ webhookId, replayId: null, limit: 10, maxBytes: 1e6, heldUntilUs, paces })
  const deliveryId = deliveries[0]?.deliveryId ?? ''
  const attempt = {
    ...{ attempt: 1, startedAtUs: heldUntilUs, durationMs: 1, statusCode: 500, error: null, responseBody: '' },
    ...{ responseTruncated: false, retryReason: null },
  }
  await store.recordAttempts([
    {
      ...{ deliveryId, heldUntilUs, attempt, status: 'dead', dueAtUs: null, succeeded: false, alarms: true },
      ...{ ownDeliveries: [], recoveredDeliveries: [] },
    },
  ])
  await store.getDelivery(workspaceId, deliveryId)
  await store.listDeliveries({ workspaceId, webhookId, limit: 10, maxBytes: 1e6 })
  await store.listDeliveries({ workspaceId, eventId, status: 'dead', limit: 10, maxBytes: 1e6 })
  await store.deliveryStatuses(webhookId, [eventId])
  await store.retryDelivery(workspaceId, deliveryId, heldUntilUs)
  await store.moveDeliveries({ webhookId, to: 'cancelled', limit: 10 })
  const replay = newReplay({ ...rest, workspaceId, webhookId })
  await store.createReplay(replay, newAuditEntry(workspaceId))
  await store.getReplay(replay.replayId)
  await store.listReplays({ webhookId, limit: 10 })
  await store.listRunningReplays({ limit: 10 })
  const deliveriesOfReplay = [newDelivery({ webhookId }, { eventId, replayId: replay.replayId })]
  await store.advanceReplay({ replayId: replay.replayId, from: null, to: 'x', matched: 1, deliveries: deliveriesOfReplay, isWalked: true })
  await store.moveDeliveries({ webhookId, replayId: replay.replayId, to: 'held', limit: 10 })
  await store.endReplay(replay.replayId, 'cancelled', null)
  await store.deleteWebhook(webhookId, newAuditEntry(workspaceId))
}

async function moveWorkspace(store: Store): Promise<void> {
  const workspaceId = newWorkspace()
  const [eventId = ''] = await createdIds(store, workspaceId, [newEvent({ idempotency: { key: 'k', fingerprint: new Uint8Array(32) } })])
  const { webhookId } = await savedWebhook(store, newWebhook({ workspaceId }))
  await store.settled()
  const { keys } = await store.listIdempotencyKeys({ workspaceId, limit: 10 })
  const { deliveries } = await store.listWholeDeliveries({ workspaceId, webhookId, limit: 10, maxBytes: 1e6 })
  await store.idAt(workspaceId, await store.placeBehind(workspaceId, eventId))
  const event = await store.getEvent(workspaceId, eventId)
  const webhook = await store.getWebhook(webhookId)
  const { apiKeys } = await store.listApiKeys({ limit: 1 })
  const { entries } = await store.listAuditEntries({ workspaceId, limit: 10 })
  const to = newWorkspace()
  await store.importWorkspace(to)
  await store.importEvents(to, event === undefined ? [] : [event])
  await store.importIdempotencyKeys(to, keys)
  await store.importApiKeys(to, apiKeys)
  await store.importWebhooks(to, webhook === undefined ? [] : [webhook])
  await store.importReplays(to, [])
  await store.importDeliveries(to, deliveries)
  await store.importAuditEntries(to, entries)
}
