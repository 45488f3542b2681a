import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { NewAuditEntry } from '../../../ports.ts'
import type { NewDelivery, StoredWebhook, WebhookRecord, WebhookStore } from '../../../webhook-ports.ts'
import { auditWrite } from './audit.ts'
import { TRANSACTION_WRITES } from './client.ts'
import { jitter } from './connection.ts'
import { DELIVERY_EXTRA_US, type DynamoContext, ttlOf } from './context.ts'
import { insertRows, newDeliveryRows, rowWrites, touchLanes } from './delivery-rows.ts'
import { entryPage } from './entry-page.ts'
import { DynamoError } from './errors.ts'
import type { Item, Key, Write } from './notation.ts'
import { endReplays, endWrite, forgetEntries, type ReplayEnd, runningReplaysOf } from './replay-ends.ts'
import { forgetReplays } from './replay-list.ts'
import { goneKey, readWebhook, readWebhooks, recordOf, webhookItem, webhookKey, webhookOf } from './webhook-item.ts'

/** Its number tells whoever has read the webhooks whether any was written since. */
export const WEBHOOKS_VERSION: Key = { pk: 'webhooks-version', sk: '-' }

/** What goes with a webhook in one transaction at the most, replays and deliveries together: beside them there are up to ten writes. */
const MAX_WITH_IT = TRANSACTION_WRITES - 10
/** How often a write is tried that others' replays come between. */
const MAX_TRIES = 8

type Also = Parameters<WebhookStore['saveWebhook']>[1]
type Saved = Awaited<ReturnType<WebhookStore['saveWebhook']>>

export function createWebhookStore(context: DynamoContext): WebhookStore {
  const { dynamo, clock, commitClock, workspaces } = context

  async function create(record: WebhookRecord, also: Also): Promise<Saved> {
    const { audit, maxPerWorkspace, alarmedAtUs = null } = also
    const { webhookId, workspaceId, isActive } = record
    const own = await ownRows(also.ownDeliveries, record)
    const createdAtUs = commitClock.next()
    const stays = { webhookId, workspaceId, createdAtUs, failingSinceUs: null, offAtUs: null, replaysMade: 0 }
    const item = webhookItem(record, { ...stays, isActive, revision: 1, alarmedAtUs })
    const refusals = await dynamo.transact([
      { table: 'webhooks', put: item, condition: 'attribute_not_exists(pk)' },
      { table: 'webhooks', check: goneKey(webhookId), condition: 'attribute_not_exists(pk)' },
      ...madeWrites({ webhookId, workspaceId, createdAtUs }, maxPerWorkspace),
      workspaces.makeWrite(workspaceId),
      ...auditWrites(audit),
      ...own.inside,
    ])
    if (refusals === undefined) {
      await own.finish()
      return { outcome: 'saved', webhook: webhookOf(item) }
    }
    return { outcome: refusals[0]?.isRefused || refusals[1]?.isRefused ? 'changed' : 'too_many' }
  }

  /** @returns undefined when it is to be tried again */
  async function change(record: WebhookRecord, also: Also): Promise<Saved | undefined> {
    const { webhookId, isActive } = record
    const before = await dynamo.get('webhooks', webhookKey(webhookId))
    if (before === undefined || before['revision'] !== record.revision) return { outcome: 'changed' }
    const isSwitchedOff = before['isActive'] && !isActive
    const changes = {
      isActive,
      revision: record.revision + 1,
      ...(isActive && !before['isActive'] && { failingSinceUs: null }),
      ...(isSwitchedOff && { offAtUs: clock.nowUs() }),
      ...(also.alarmedAtUs !== undefined && { alarmedAtUs: also.alarmedAtUs }),
    }
    const ends = await replayEnds(before, isSwitchedOff ? 'failed' : undefined)
    const own = await ownRows(also.ownDeliveries, record, ends.inside.length)
    const stored = { ...changes, record: recordOf(record) }
    const refusals = await dynamo.transact([
      {
        table: 'webhooks',
        key: webhookKey(webhookId),
        update: `SET ${Object.keys(stored)
          .map((name) => `#${name} = :${name}`)
          .join(', ')}`,
        condition: `revision = :before${ends.condition}`,
        names: Object.fromEntries(Object.keys(stored).map((name) => [name, name])),
        values: { ...stored, before: record.revision, ...ends.values },
      },
      VERSION_WRITE,
      ...auditWrites(also.audit),
      ...ends.inside,
      ...own.inside,
    ])
    if (refusals?.[0]?.isRefused && refusals[0].old?.['revision'] !== record.revision) return { outcome: 'changed' }
    if (refusals !== undefined) return undefined
    await Promise.all([ends.finish(), own.finish()])
    return { outcome: 'saved', webhook: webhookOf({ ...before, ...stored }) }
  }

  /** @returns undefined when it is to be tried again */
  async function remove(webhookId: string, audit: NewAuditEntry): Promise<boolean | undefined> {
    const before = await dynamo.get('webhooks', webhookKey(webhookId))
    if (before === undefined) return false
    const expiresAtUs = clock.nowUs() + context.eventTtlUs + DELIVERY_EXTRA_US
    const ends = await replayEnds(before, 'cancelled')
    const refusals = await dynamo.transact([
      { table: 'webhooks', remove: webhookKey(webhookId), condition: `attribute_exists(pk)${ends.condition}`, values: ends.values },
      { table: 'webhooks', put: { ...goneKey(webhookId), ttl: ttlOf(expiresAtUs) } },
      ...entriesOf(webhookOf(before)).map((key): Write => ({ table: 'webhooks', remove: key })),
      countWrite(before['workspaceId'], -1),
      VERSION_WRITE,
      ...auditWrites(audit),
      ...ends.inside,
    ])
    if (refusals !== undefined) return undefined
    await ends.finish()
    await afterCommit(() => forgetReplays(context, webhookId, expiresAtUs))
    return true
  }

  /** How the running replays of a webhook end with a write of it: so many by the same transaction, the others right behind it. */
  async function replayEnds(webhook: Item, status: ReplayEnd | undefined) {
    if (status === undefined) return { condition: '', values: {}, inside: [], finish: async () => {} }
    const { webhookId } = webhookOf(webhook)
    const running = await runningReplaysOf(context, webhookId)
    const [first, rest] = [[...running].slice(0, MAX_WITH_IT), [...running.keys()].slice(MAX_WITH_IT)]
    const ended = first.map(([id]) => id)
    return {
      // One that begins meanwhile is seen by it.
      condition: ' AND replaysMade = :replaysMade',
      values: { replaysMade: webhook['replaysMade'] },
      inside: first.map(([id, attributes]) => endWrite(context, id, attributes, status)),
      async finish() {
        await afterCommit(() => endReplays(context, rest, status))
        await forgetEntries(dynamo, webhookId, ended)
      },
    }
  }

  /** The rows of own deliveries: so many for the transaction, the others right behind it. */
  async function ownRows(deliveries: readonly NewDelivery[] = [], { webhookId, isActive }: WebhookRecord, taken = 0) {
    const wanted = isActive ? deliveries : deliveries.filter((delivery) => delivery.webhookId !== webhookId)
    if (wanted.length === 0) return { inside: [], finish: async () => {} }
    const us = commitClock.next()
    const { items, lanes } = await newDeliveryRows(context, wanted, { seed: randomUUID(), fromUs: us, toUs: us })
    await touchLanes(context, lanes)
    const room = MAX_WITH_IT - taken
    return {
      inside: rowWrites(items.slice(0, room)),
      finish: () => afterCommit(() => insertRows(context, items.slice(room))),
    }
  }

  const auditWrites = (audit: NewAuditEntry | null): Write[] => (audit === null ? [] : [auditWrite(audit, commitClock.next())])

  return {
    async saveWebhook(record, also) {
      if (record.revision === 0) return await create(record, also)
      return await untilDone(() => change(record, also))
    },

    getWebhook: (webhookId) => readWebhook(context, webhookId),

    async listWebhooks({ workspaceId = '', isActive, limit, after }) {
      const { values, next } = await entryPage(dynamo, { pk: listOf(workspaceId), order: 'desc', limit, after }, async (entries) => {
        const webhooks = await readWebhooks(
          context,
          entries.map((entry) => entry['webhookId']),
        )
        const found = new Map<Item, StoredWebhook>()
        for (const entry of entries) {
          const webhook = webhooks.get(entry['webhookId'])
          if (webhook !== undefined && (isActive === undefined || webhook.isActive === isActive)) found.set(entry, webhook)
        }
        return found
      })
      return { webhooks: values, next }
    },

    deleteWebhook: (webhookId, audit) => untilDone(() => remove(webhookId, audit)),
  }
}

const VERSION_WRITE: Write = { table: 'webhooks', key: WEBHOOKS_VERSION, update: 'ADD n :one', values: { one: 1 } }

/** @param workspaceId empty: of all workspaces */
const listOf = (workspaceId: string): string => `webhooks#${workspaceId}`

/** Where a webhook is listed. As texts, the times sort like numbers. */
function entriesOf({ webhookId, workspaceId, createdAtUs }: Pick<StoredWebhook, 'webhookId' | 'workspaceId' | 'createdAtUs'>): Key[] {
  const sk = `${String(createdAtUs).padStart(16, '0')}#${webhookId}`
  return [listOf(workspaceId), listOf('')].map((pk) => ({ pk, sk }))
}

/** What goes with a webhook that is new here: the first one is refused when the workspace has `most` already. */
export function madeWrites(webhook: Pick<StoredWebhook, 'webhookId' | 'workspaceId' | 'createdAtUs'>, most?: number): Write[] {
  const { webhookId, workspaceId } = webhook
  return [
    countWrite(workspaceId, 1, most),
    ...entriesOf(webhook).map((key): Write => ({ table: 'webhooks', put: { ...key, webhookId } })),
    VERSION_WRITE,
  ]
}

function countWrite(workspaceId: string, change: 1 | -1, most?: number): Write {
  return {
    table: 'webhooks',
    key: { pk: `webhook-count#${workspaceId}`, sk: '-' },
    update: 'ADD n :change',
    values: { change, ...(most !== undefined && { most }) },
    ...(most !== undefined && { condition: 'attribute_not_exists(n) OR n < :most' }),
  }
}

/** What belongs to a write that is stored already: it does not fail any more. What is not done is found by the workers, or is a notice less. */
async function afterCommit(work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    if (!(error instanceof DynamoError)) throw error
  }
}

async function untilDone<Result>(attempt: () => Promise<Result | undefined>): Promise<Result> {
  for (let tries = 1; tries <= MAX_TRIES; tries++) {
    const result = await attempt()
    if (result !== undefined) return result
    await sleep(jitter(tries))
  }
  throw new DynamoError('TransactionConflict', 'DynamoDB: a webhook was changed by others at each try.')
}
