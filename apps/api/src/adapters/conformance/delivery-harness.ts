import type { EventRecord, NewEvent } from '../../ports.ts'
import type {
  AttemptOutcome,
  AttemptRecord,
  Claim,
  ClaimedDelivery,
  ClaimQuery,
  DeliveryRecord,
  Lane,
  NewDelivery,
  Outbox,
  StoredWebhook,
} from '../../webhook-ports.ts'
import { anyUuid, createdIds, fanOut, newAuditEntry, newDelivery, newEvent, newReplay, type StoreHarness, savedWebhook } from './harness.ts'

/** Reads all that lies behind the mark, or what was fanned out. */
export async function wholeOutbox(
  { store }: StoreHarness,
  interests: ReadonlyMap<string, readonly string[]>,
  from: { after?: string; limit?: number; maxBytes?: number } = {},
): Promise<Outbox & { reads: number }> {
  const events: Outbox['events'] = []
  let { after } = from
  for (let reads = 1; ; reads++) {
    const outbox = await store.readOutbox({ after, limit: from.limit ?? 500, maxBytes: from.maxBytes ?? 5_000_000, interests })
    events.push(...outbox.events)
    if (!outbox.more) return { ...outbox, events, reads }
    after = outbox.mark
  }
}

/** Moves fan-out to the end of the outbox, storing the deliveries with it. There must be a new event. */
export async function fanOutAll({ store, settle }: StoreHarness, deliveries: readonly NewDelivery[]): Promise<void> {
  await settle()
  await fanOut(store, deliveries)
}

/** Stores that many events, and a delivery of each to the webhook. */
export async function stored(
  harness: StoreHarness,
  webhook: StoredWebhook,
  count: number,
  { event, ...fields }: Partial<NewDelivery> & { event?: NewEvent } = {},
): Promise<DeliveryRecord[]> {
  const events = Array.from({ length: count }, () => event ?? newEvent())
  const eventIds = await createdIds(harness.store, webhook.workspaceId, events)
  await fanOutAll(
    harness,
    eventIds.map((eventId) => newDelivery(webhook, { eventId, ...fields })),
  )
  return await newestOf(harness, webhook, count)
}

/** Starts a replay of the webhook with that many deliveries; its walk is at its end. */
export async function replayed(
  harness: StoreHarness,
  webhook: StoredWebhook,
  count: number,
): Promise<{ replayId: string; deliveries: DeliveryRecord[] }> {
  const replay = newReplay(webhook)
  const { replayId } = replay
  await harness.store.createReplay(replay, newAuditEntry(webhook.workspaceId))
  const events = Array.from({ length: count }, () => newEvent())
  const eventIds = await createdIds(harness.store, webhook.workspaceId, events)
  const deliveries = eventIds.map((eventId) => newDelivery(webhook, { eventId, replayId }))
  await harness.store.advanceReplay({ replayId, from: null, to: 'end', matched: count, deliveries, isWalked: true })
  return { replayId, deliveries: await newestOf(harness, webhook, count) }
}

/** The newest of a webhook, oldest first. */
async function newestOf(harness: StoreHarness, { workspaceId, webhookId }: StoredWebhook, count: number): Promise<DeliveryRecord[]> {
  await harness.settle()
  const { deliveries } = await harness.store.listDeliveries({ workspaceId, webhookId, limit: count, maxBytes: 5_000_000 })
  return deliveries.reverse()
}

/** A claim of all that a lane has, for half a minute. */
export function claimQuery({ clock }: StoreHarness, { webhookId }: StoredWebhook, fields: Partial<ClaimQuery> = {}): ClaimQuery {
  return { webhookId, replayId: null, limit: 100, maxBytes: 5_000_000, heldUntilUs: clock.nowUs() + 30_000_000, paces: [], ...fields }
}

export async function claim(harness: StoreHarness, webhook: StoredWebhook, fields: Partial<ClaimQuery> = {}): Promise<Claim> {
  return await harness.store.claimDeliveries(claimQuery(harness, webhook, fields))
}

export const claimedIds = ({ deliveries }: Pick<Claim, 'deliveries'>): string[] => deliveries.map(({ deliveryId }) => deliveryId)

export const idsOfDeliveries = (deliveries: readonly DeliveryRecord[]): string[] => deliveries.map(({ deliveryId }) => deliveryId)

/** The outcome of a claimed delivery's attempt that began now: an answer 200 by default. */
export function outcome(
  { clock }: Pick<StoreHarness, 'clock'>,
  { deliveryId, attemptCount }: Pick<ClaimedDelivery, 'deliveryId' | 'attemptCount'>,
  { attempt, ...fields }: Partial<Omit<AttemptOutcome, 'attempt'>> & { attempt?: Partial<AttemptRecord> } = {},
): AttemptOutcome {
  const record: AttemptRecord = {
    attempt: attemptCount + 1,
    startedAtUs: clock.nowUs(),
    durationMs: 12,
    statusCode: 200,
    error: null,
    responseBody: 'ok',
    responseTruncated: false,
    retryReason: null,
    ...attempt,
  }
  return {
    deliveryId,
    heldUntilUs: clock.nowUs() + 30_000_000,
    attempt: record,
    status: 'delivered',
    dueAtUs: null,
    succeeded: true,
    alarms: false,
    ownDeliveries: [],
    recoveredDeliveries: [],
    ...fields,
  }
}

/** The same for one that is tried again 5 s from now. */
export function failure(harness: StoreHarness, claimed: ClaimedDelivery, fields: Parameters<typeof outcome>[2] = {}): AttemptOutcome {
  const attempt = { statusCode: 500, responseBody: 'broken', retryReason: 'status_500', ...fields.attempt }
  const again = { status: 'pending', dueAtUs: harness.clock.nowUs() + 5_000_000, succeeded: false } as const
  return outcome(harness, claimed, { ...again, ...fields, attempt })
}

/** Claims all that a lane has, and records the same kind of outcome for each. */
export async function attemptAll(
  harness: StoreHarness,
  webhook: StoredWebhook,
  make: (claimed: ClaimedDelivery) => AttemptOutcome,
  fields: Partial<ClaimQuery> = {},
): Promise<void> {
  const { deliveries } = await claim(harness, webhook, fields)
  const results = await harness.store.recordAttempts(deliveries.map(make))
  if (results.some((result) => result.outcome === 'lost')) throw new Error('A claim was lost.')
}

/** Holds what is pending of the webhook, as switching it off does; then it is active again. Its running replays have failed by that. */
export async function holdAll({ store }: Pick<StoreHarness, 'store'>, { webhookId }: StoredWebhook, replayId?: string): Promise<void> {
  const webhook = await store.getWebhook(webhookId)
  if (webhook === undefined) throw new Error('The webhook is gone.')
  const off = await savedWebhook(store, { ...webhook, isActive: false })
  while (await store.moveDeliveries({ webhookId, replayId, to: 'held', limit: 100 }));
  await savedWebhook(store, { ...off, isActive: true })
}

export async function read(
  { store, settle }: StoreHarness,
  { workspaceId }: StoredWebhook,
  deliveryId: string,
): Promise<DeliveryRecord | undefined> {
  await settle()
  return await store.getDelivery(workspaceId, deliveryId)
}

/** The statuses of deliveries, in their order. */
export async function statusesOf(harness: StoreHarness, webhook: StoredWebhook, deliveries: readonly DeliveryRecord[]): Promise<unknown[]> {
  return await Promise.all(deliveries.map(async ({ deliveryId }) => (await read(harness, webhook, deliveryId))?.status))
}

export function newOwnEvent(createdAtUs: number): EventRecord {
  return {
    eventId: anyUuid(),
    createdAtUs,
    source: 'triggers',
    eventType: 'triggers.delivery.dead',
    payload: '{"webhook_id":"w"}',
    status: 'pending',
    metadata: '{"priority":"normal"}',
    acknowledgedAtUs: null,
  }
}

export const live = ({ webhookId }: StoredWebhook): Lane => ({ webhookId, replayId: null })
