import type { ImportOutcome, WholeDelivery } from '../../../move-ports.ts'
import type { ReplayRecord } from '../../../webhook-ports.ts'
import { compressed } from './compressed.ts'
import { DELIVERY_EXTRA_US, type DynamoContext, ttlOf } from './context.ts'
import {
  deliveryKey,
  deliveryRowOf,
  dueAttributes,
  duePlace,
  heldShard,
  newDeliveryItem,
  shardOfDelivery,
  withAttempt,
} from './delivery-item.ts'
import { touchLanes } from './delivery-rows.ts'
import { timeOf } from './ids.ts'
import { insertItems } from './insert-items.ts'
import type { Item, Write } from './notation.ts'
import { replayOfWebhookKey, runningReplayKey } from './replay-counts.ts'
import { newReplayItem } from './replay-item.ts'
import { replayEntryKey } from './replay-list.ts'
import { readWebhooks, webhookKey } from './webhook-item.ts'

export async function importReplays(
  context: DynamoContext,
  workspaceId: string,
  replays: readonly ReplayRecord[],
): Promise<ImportOutcome[]> {
  const webhooks = await readWebhooks(
    context,
    replays.map(({ webhookId }) => webhookId),
  )
  const outcomes: ImportOutcome[] = []
  for (const replay of replays) {
    const isMine = webhooks.get(replay.webhookId)?.workspaceId === workspaceId
    outcomes.push(isMine ? await importReplay(context, workspaceId, replay) : 'refused')
  }
  return outcomes
}

async function importReplay(context: DynamoContext, workspaceId: string, replay: ReplayRecord): Promise<ImportOutcome> {
  const { replayId, webhookId, createdAtUs, status, isWalked } = replay
  const isRunning = status === 'running'
  const refusals = await context.dynamo.transact([
    {
      table: 'webhooks',
      put: replayItem(context, workspaceId, replay),
      // One that was only counted in has no record.
      condition: 'attribute_not_exists(#record)',
      names: { record: 'record' },
    },
    {
      table: 'webhooks',
      key: webhookKey(webhookId),
      update: 'ADD replaysMade :one',
      condition: 'attribute_exists(pk)',
      values: { one: 1 },
    },
    { table: 'webhooks', put: { ...replayEntryKey(webhookId, replayId, createdAtUs), replayId } },
    ...(isRunning ? [{ table: 'webhooks', put: replayOfWebhookKey(webhookId, replayId) } satisfies Write] : []),
    ...(isRunning && !isWalked ? [{ table: 'webhooks', put: runningReplayKey(replayId) } satisfies Write] : []),
  ])
  if (refusals === undefined) return 'written'
  return refusals[0]?.old?.['webhookId'] === webhookId ? 'there' : 'refused'
}

function replayItem({ clock }: DynamoContext, workspaceId: string, replay: ReplayRecord): Item {
  const { replayId, webhookId, sinceUs, untilUs, filter, selection, rate } = replay
  const { status, matched, enqueued, delivered, dead, cancelled, position, isWalked, createdAtUs, completedAtUs } = replay
  return {
    ...newReplayItem({ replayId, webhookId, workspaceId, sinceUs, untilUs, filter, selection, rate }, createdAtUs),
    ...{ status, matched, enqueued, delivered, dead, cancelled, isWalked },
    open: enqueued - delivered - dead - cancelled,
    ...(position !== null && { position }),
    ...(completedAtUs !== null && { completedAtUs }),
    // None of its deliveries is younger.
    ...(enqueued > 0 && { madeAtUs: clock.nowUs() }),
  }
}

/** Each is written on its own, after the entries of their lanes. */
export async function importDeliveries(
  context: DynamoContext,
  workspaceId: string,
  deliveries: readonly WholeDelivery[],
): Promise<ImportOutcome[]> {
  const webhooks = await readWebhooks(
    context,
    deliveries.map(({ webhookId }) => webhookId),
  )
  const possible = deliveries.filter(({ deliveryId, eventId, webhookId, ownEvent }) => {
    const hasTimes = timeOf(deliveryId) !== undefined && (timeOf(eventId) !== undefined || ownEvent !== null)
    return hasTimes && webhooks.get(webhookId)?.workspaceId === workspaceId
  })
  await touchLanes(context, lanesOf(possible))
  const written = await insertItems(
    context.dynamo,
    'deliveries',
    possible.map((delivery) => deliveryItem(context, workspaceId, delivery)),
  )
  const there = possible.filter((_, index) => !written[index])
  const items =
    there.length === 0
      ? []
      : await context.dynamo.batchGet(
          'deliveries',
          there.map(({ deliveryId }) => deliveryKey(deliveryId)),
        )
  const owners = new Map(items.map(deliveryRowOf).map(({ deliveryId, webhookId }) => [deliveryId, webhookId]))
  const outcomes = new Map(
    possible.map((delivery, index): [WholeDelivery, ImportOutcome] => {
      const isOther = !written[index] && owners.get(delivery.deliveryId) !== delivery.webhookId
      return [delivery, written[index] ? 'written' : isOther ? 'refused' : 'there']
    }),
  )
  return deliveries.map((delivery) => outcomes.get(delivery) ?? 'refused')
}

const laneOf = ({ webhookId, replayId, isInReplayLane }: WholeDelivery) => ({ webhookId, replayId: isInReplayLane ? replayId : null })

/** Where they are due, and when the first of each is. */
function lanesOf(deliveries: readonly WholeDelivery[]): Parameters<typeof touchLanes>[1] {
  const pending = deliveries.filter(({ status }) => status === 'pending')
  const byLane = Map.groupBy(pending, (delivery) => Object.values(laneOf(delivery)).join('#'))
  return [...byLane.values()].flatMap((group) => {
    const [first] = group
    return first === undefined ? [] : [{ lane: laneOf(first), dueAtUs: Math.min(...group.map(({ dueAtUs }) => dueAtUs ?? 0)) }]
  })
}

function deliveryItem({ eventTtlUs }: DynamoContext, workspaceId: string, delivery: WholeDelivery): Item {
  const { deliveryId, webhookId, eventId, eventType, status, attemptCount, scheduleStart, replayId, ownEvent, completedAtUs } = delivery
  const createdAtUs = timeOf(deliveryId) ?? 0
  const dueAtUs = delivery.dueAtUs ?? createdAtUs
  const expiresAtUs = createdAtUs + eventTtlUs + DELIVERY_EXTRA_US
  const names = {
    deliveryId,
    webhookId,
    workspaceId,
    eventId,
    eventType,
    dueAtUs,
    replayId,
    ownEvent,
    expiresAtUs,
    ttl: ttlOf(expiresAtUs),
  }
  const { lane: _, due: __, laneReplayId: ___, ...item } = newDeliveryItem(names)
  const last = delivery.attempts.at(-1)
  const before = compressed(JSON.stringify(delivery.attempts.slice(0, -1)))
  return {
    ...item,
    pk: deliveryId,
    sk: item.sk,
    status,
    attemptCount,
    scheduleStart,
    ...(delivery.isInReplayLane && replayId !== null && { laneReplayId: replayId }),
    ...(status === 'pending' && dueAttributes(deliveryId, laneOf(delivery), dueAtUs)),
    ...(status === 'held' && { lane: heldShard(webhookId, shardOfDelivery(deliveryId)), due: duePlace(dueAtUs, deliveryId) }),
    ...(completedAtUs !== null && { completedAtUs }),
    ...(last !== undefined && { attempts: withAttempt({ attempts: before }, last) }),
  }
}
