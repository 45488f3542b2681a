import { setTimeout as sleep } from 'node:timers/promises'
import type {
  AttemptOutcome,
  DeliveryStatus,
  DeliveryStore,
  NewDelivery,
  RecordResult,
  StoredWebhook,
  WebhookHealth,
} from '../../../webhook-ports.ts'
import { BATCH_READS } from './client.ts'
import { jitter } from './connection.ts'
import type { DynamoContext } from './context.ts'
import { countedChanges } from './counted-changes.ts'
import { counterOf, countWrite, ended, heldBack, type RowChange, sharedChanges, waiting, writeOf } from './delivery-changes.ts'
import { type DeliveryRow, deliveryKey, deliveryRowOf, laneOf, withAttempt } from './delivery-item.ts'
import { insertRows, type NewRows, newDeliveryRows, rowWrites, touchLanes } from './delivery-rows.ts'
import { DynamoError } from './errors.ts'
import type { HeldRows } from './held-rows.ts'
import type { Item, Write } from './notation.ts'
import { completeReplay } from './replay-counts.ts'
import { isRunning, readReplay } from './replay-ends.ts'
import { shareCalls } from './shared-calls.ts'
import { readWebhook, readWebhooks, webhookKey } from './webhook-item.ts'

/** Own deliveries in the transaction of the attempt, at the most; the others are written right behind it. */
const OWN_TOGETHER = 90
/** Each try but the last met a change by somebody else. */
const TRIES = 30
/** Looks at webhooks that are under way at once. */
const LOOKS_AT_ONCE = 2

/**
 * Records outcomes, each in a commit of its own, in order. One whose row, webhook and replay stay as they are but for the row is a single update, which shares
 * its request with others; else all that changes is one transaction, under the condition that it is as it was read, and is read again when it is not.
 * @param heldRows those that were claimed here
 */
export function attemptRecorder(context: DynamoContext, heldRows: HeldRows): DeliveryStore['recordAttempts'] {
  const { dynamo, clock } = context
  const changeCounted = countedChanges(context)
  const changeAlone = sharedChanges(context)
  const findWebhook = shareCalls({ most: BATCH_READS, atOnce: LOOKS_AT_ONCE }, async (webhookIds: readonly string[]) => {
    const webhooks = await readWebhooks(context, webhookIds)
    return webhookIds.map((webhookId) => ({ webhook: webhooks.get(webhookId) }))
  })

  async function record(outcome: AttemptOutcome): Promise<RecordResult> {
    let known = heldRows.take(outcome.deliveryId, outcome.heldUntilUs)
    for (let tries = 1; tries <= TRIES; tries++) {
      const item = known ? undefined : await dynamo.get('deliveries', deliveryKey(outcome.deliveryId))
      const row = known ?? (item && deliveryRowOf(item))
      known = undefined
      if (row === undefined) return { outcome: 'lost' }
      if (item !== undefined && isRecorded(item, outcome)) return await recordedBefore(context, item, outcome)
      if (row.status !== 'pending' || !row.isHeld || row.dueAtUs !== outcome.heldUntilUs) return { outcome: 'lost' }
      const { webhook } = await findWebhook(row.webhookId)
      const health = healthAfter(webhook, outcome, clock.nowUs())
      if (await write(outcome, row, webhook, health)) return { outcome: 'recorded', failingSinceUs: health?.failingSinceUs ?? null }
      await sleep(jitter(Math.min(tries, 3)))
    }
    throw new DynamoError('TransactionConflict', 'DynamoDB: an attempt was overtaken by others at each try.')
  }

  /** @returns false when something is no longer as it was read, and nothing was written */
  async function write(
    outcome: AttemptOutcome,
    row: DeliveryRow,
    webhook: StoredWebhook | undefined,
    health: WebhookHealth | undefined,
  ): Promise<boolean> {
    const change = await changeOf(context, outcome, row, webhook)
    const isRecovery = isRecovered(webhook, outcome)
    const own = await ownRows(context, outcome, isRecovery)
    change.set['attempts'] = withAttempt(row, outcome.attempt)
    change.set['attemptCount'] = outcome.attempt.attempt
    change.set['recordedHoldUs'] = outcome.heldUntilUs
    if (own.items.length > OWN_TOGETHER) change.set['recordedRecovery'] = isRecovery
    if (change.set['status'] === undefined) await touchLanes(context, [{ lane: laneOf(row), dueAtUs: outcome.dueAtUs ?? clock.nowUs() }])
    await touchLanes(context, own.lanes)

    const replayId = counterOf(change)
    const also: Write[] = [...healthWrites(webhook, health), ...rowWrites(own.items.slice(0, OWN_TOGETHER))]
    if (also.length === 0 && replayId !== undefined) return await changeCounted(replayId, change)
    if (also.length === 0) {
      const result = await changeAlone(change)
      if (result !== 'done' && result !== 'changed') throw result
      return result === 'done'
    }
    const count = replayId === undefined ? [] : [countWrite(replayId, [change])]
    if ((await dynamo.transact([writeOf(change), ...also, ...count])) !== undefined) return false
    await insertRows(context, own.items.slice(OWN_TOGETHER))
    if (replayId !== undefined) await completeReplay(context, replayId)
    return true
  }

  return async (outcomes) => {
    const results: RecordResult[] = []
    const here = new Set<string>()
    for (const outcome of outcomes) {
      const claim = `${outcome.deliveryId}#${outcome.heldUntilUs}`
      const result: RecordResult = here.has(claim) ? { outcome: 'lost' } : await record(outcome)
      if (result.outcome === 'recorded') here.add(claim)
      results.push(result)
    }
    return results
  }
}

/** What becomes of the row, apart from the attempt. */
async function changeOf(
  context: DynamoContext,
  outcome: AttemptOutcome,
  row: DeliveryRow,
  webhook: StoredWebhook | undefined,
): Promise<RowChange> {
  const nowUs = context.clock.nowUs()
  const status = outcome.status === 'pending' ? await statusOfOpen(context, row, webhook) : outcome.status
  if (status === 'pending') return waiting(row, outcome.dueAtUs ?? nowUs)
  return status === 'held' ? heldBack(row) : ended(row, status, nowUs)
}

/** What becomes of one that would be tried again. What changes after this look is found when it is claimed next. */
async function statusOfOpen(
  context: DynamoContext,
  { laneReplayId }: DeliveryRow,
  webhook: StoredWebhook | undefined,
): Promise<DeliveryStatus> {
  if (webhook === undefined) return 'cancelled'
  if (laneReplayId === null) return webhook.isActive ? 'pending' : 'held'
  const replay = await readReplay(context, laneReplayId)
  if (replay?.status === 'cancelled') return 'cancelled'
  if (!webhook.isActive) return 'held'
  return replay !== undefined && isRunning(replay, context) ? 'pending' : 'cancelled'
}

function healthAfter(
  webhook: StoredWebhook | undefined,
  { succeeded, alarms, attempt }: AttemptOutcome,
  nowUs: number,
): WebhookHealth | undefined {
  if (webhook === undefined) return undefined
  return {
    failingSinceUs: succeeded ? null : (webhook.failingSinceUs ?? attempt.startedAtUs),
    alarmedAtUs: alarms ? nowUs : succeeded ? null : webhook.alarmedAtUs,
  }
}

const isRecovered = (webhook: StoredWebhook | undefined, { succeeded }: AttemptOutcome): boolean =>
  succeeded && webhook !== undefined && webhook.alarmedAtUs !== null

/** None while all is as it was: most attempts succeed like the one before. */
function healthWrites(webhook: StoredWebhook | undefined, health: WebhookHealth | undefined): Write[] {
  if (webhook === undefined || health === undefined) return []
  const { failingSinceUs, alarmedAtUs, webhookId } = webhook
  if (failingSinceUs === health.failingSinceUs && alarmedAtUs === health.alarmedAtUs) return []
  return [
    {
      table: 'webhooks',
      key: webhookKey(webhookId),
      update: 'SET failingSinceUs = :failing, alarmedAtUs = :alarmed',
      // Of one that is deleted, nothing is.
      condition: 'failingSinceUs = :failingWas AND alarmedAtUs = :alarmedWas',
      values: {
        failing: health.failingSinceUs,
        alarmed: health.alarmedAtUs,
        failingWas: failingSinceUs,
        alarmedWas: alarmedAtUs,
      },
    },
  ]
}

/** The rows of own deliveries: the same for the same outcome, whenever they are made. */
async function ownRows(context: DynamoContext, outcome: AttemptOutcome, isRecovery: boolean): Promise<NewRows> {
  const { deliveryId, heldUntilUs, attempt } = outcome
  const deliveries: NewDelivery[] = [...outcome.ownDeliveries, ...(isRecovery ? outcome.recoveredDeliveries : [])]
  if (deliveries.length === 0) return { items: [], lanes: [] }
  const us = deliveries[0]?.ownEvent?.createdAtUs ?? attempt.startedAtUs
  return await newDeliveryRows(context, deliveries, { seed: `${deliveryId}\n${heldUntilUs}`, fromUs: us, toUs: us })
}

/** Whether this very outcome was written before, and its answer lost. */
function isRecorded(item: Item, { heldUntilUs, attempt }: AttemptOutcome): boolean {
  return item['recordedHoldUs'] === heldUntilUs && item['attemptCount'] === attempt.attempt
}

/** It may have been broken off behind its transaction: what follows that is done again, which changes nothing where it was done. */
async function recordedBefore(context: DynamoContext, item: Item, outcome: AttemptOutcome): Promise<RecordResult> {
  const { webhookId, laneReplayId } = deliveryRowOf(item)
  if (item['recordedRecovery'] !== undefined) {
    const { items } = await ownRows(context, outcome, item['recordedRecovery'])
    await insertRows(context, items)
  }
  if (laneReplayId !== null) await completeReplay(context, laneReplayId)
  return { outcome: 'recorded', failingSinceUs: (await readWebhook(context, webhookId))?.failingSinceUs ?? null }
}
