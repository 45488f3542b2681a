import { randomBytes } from 'node:crypto'
import type { EventRecord } from '../../../ports.ts'
import type { Claim, ClaimedDelivery, ClaimQuery, StoredWebhook } from '../../../webhook-ports.ts'
import { type Pace, paceKey, pacesOf, placesNow, readPaces, takePlaces } from './claim-paces.ts'
import { BATCH_READS, chunksOf } from './client.ts'
import type { DynamoContext } from './context.ts'
import { type ChangeResult, changeRows, changeRowsOrFail, claimed, ended } from './delivery-changes.ts'
import { type DeliveryRow, deliveryKey, deliveryRowOf, duePlace, isForgotten, laneOf } from './delivery-item.ts'
import { type DuePlace, type DuePlaces, duePlaces } from './due-places.ts'
import { eventBytes, readEvents } from './event-item.ts'
import type { HeldRows } from './held-rows.ts'
import type { LeftPlaces } from './left-places.ts'
import type { Key } from './notation.ts'
import { replayKey } from './replay-counts.ts'
import { isRunning } from './replay-ends.ts'
import { replayAttributes } from './replay-item.ts'
import { webhookKey, webhookOf } from './webhook-item.ts'

/** Rows that one claim looks at, at the most: many may be without their events. */
const MAX_EXAMINED = 1000
/** Events that are read at once: they may weigh much, and a claim takes no more than its bytes. */
const EVENTS_AT_ONCE = 25

/** What this process knows from one claim to the next, and to the record. */
export interface ClaimMemory {
  heldRows: HeldRows
  leftPlaces: LeftPlaces
}

interface Due {
  row: DeliveryRow
  event: EventRecord
}

/** A claim under way. */
interface Progress {
  deliveries: { place: string; row: DeliveryRow; claimed: ClaimedDelivery }[]
  bytes: number
  /** Whether the next event would be too much. */
  isFull: boolean
  examined: number
  /** How often somebody else was faster. */
  losses: number
  /** When those are due that were looked at, and are the lane's still. */
  leftUs: number[]
}

/**
 * How deliveries are claimed. The index says what may be due, the table what is, and the condition of its write whose it is. What the index does not know
 * yet the next claim finds; a claim whose answer is lost keeps its deliveries until its hold ends, as if its process had died.
 */
export async function claimDeliveries(context: DynamoContext, { heldRows, leftPlaces }: ClaimMemory, query: ClaimQuery): Promise<Claim> {
  const { webhookId, replayId, limit, heldUntilUs } = query
  const nowUs = context.clock.nowUs()
  const places = duePlaces(context, query, nowUs, limit, leftPlaces.take(query))
  const keys = [webhookKey(webhookId), ...(replayId === null ? [] : [replayKey(replayId)]), ...query.paces.map(({ name }) => paceKey(name))]
  // The places are read with the others, for they are needed nearly always.
  const [items] = await Promise.all([context.dynamo.batchGet('webhooks', keys), places.nextUs()])
  const itemOf = ({ pk }: Key) => items.find((item) => item.pk === pk)
  const webhookItem = itemOf(webhookKey(webhookId))
  if (webhookItem === undefined) return { webhook: null, deliveries: [], nextAtUs: null }
  const webhook = webhookOf(webhookItem)
  const replay = replayId === null ? undefined : replayAttributes(itemOf(replayKey(replayId)))
  const told = toldOf(webhook)
  if (!webhook.isActive || (replayId !== null && replay === undefined)) return { webhook: told, deliveries: [], nextAtUs: null }
  if (replay !== undefined && !isRunning(replay, context)) {
    // It has ended, and nobody came to say so to each.
    const { rows, leftUs } = await rowsAt(context, query, places, Math.min(limit, BATCH_READS), 0)
    await cancel(context, rows)
    return { webhook: told, deliveries: [], nextAtUs: earliest(leftUs, await places.nextUs()) }
  }
  const progress: Progress = { deliveries: [], bytes: 0, isFull: false, examined: 0, losses: 0, leftUs: [] }
  const paces = await claimAll(context, query, webhook, places, pacesOf(items, query.paces, nowUs), progress)
  const dueUs = earliest(progress.leftUs, await places.nextUs())
  for (const { row } of progress.deliveries) heldRows.keep(row, heldUntilUs)
  // Where others are at work, too, they take what is left; and nothing that was looked at may be passed over by the next claim.
  if (progress.losses === 0 && progress.leftUs.every((us) => us > nowUs)) leftPlaces.keep(query, places.left())
  const deliveries = progress.deliveries.sort((a, b) => (a.place < b.place ? -1 : 1)).map(({ claimed }) => claimed)
  return { webhook: told, deliveries, nextAtUs: dueUs === null ? null : Math.max(dueUs, ...paces.map((pace) => pace.places.firstUs)) }
}

function toldOf({ revision, isActive, failingSinceUs, alarmedAtUs }: StoredWebhook): Claim['webhook'] {
  return { revision, isActive, failingSinceUs, alarmedAtUs }
}

/**
 * Claims until it has as many as it may. Of those that others were faster with it goes on to the next.
 * @returns the paces as they are then
 */
async function claimAll(
  context: DynamoContext,
  query: ClaimQuery,
  webhook: StoredWebhook,
  places: DuePlaces,
  firstPaces: readonly Pace[],
  progress: Progress,
): Promise<readonly Pace[]> {
  const claimId = randomBytes(9).toString('base64url')
  let paces = firstPaces
  // Places that were taken for deliveries that others were faster with.
  let spare = 0
  while (!progress.isFull && progress.examined < MAX_EXAMINED) {
    const count = Math.min(query.limit - progress.deliveries.length, spare + placesNow(paces))
    const found = await find(context, query, webhook, places, count, progress)
    const withPlaces = await takePlacesFor(context, query, paces, found.length, spare)
    paces = withPlaces.paces
    const due = found.slice(0, withPlaces.count)
    progress.leftUs.push(...found.slice(due.length).map(({ row }) => row.dueAtUs))
    if (due.length === 0) break
    const before = progress.deliveries.length
    await take(context, query, due, claimId, progress)
    spare = withPlaces.count - (progress.deliveries.length - before)
    if (spare > 0) progress.losses++
  }
  return paces
}

/** @returns for how many there are places, which are taken */
async function takePlacesFor(
  context: DynamoContext,
  { paces: asked }: ClaimQuery,
  firstPaces: readonly Pace[],
  wanted: number,
  spare: number,
): Promise<{ count: number; paces: readonly Pace[] }> {
  for (let paces = firstPaces; ; paces = await readPaces(context, asked)) {
    const count = Math.min(wanted, spare + placesNow(paces))
    const taken = await takePlaces(context, paces, Math.max(0, count - spare))
    // Else another claim was faster; it ends when no place is left.
    if (taken !== undefined) return { count, paces: taken }
  }
}

/** The next due deliveries with their events; those without are cancelled. */
async function find(
  context: DynamoContext,
  query: ClaimQuery,
  { workspaceId }: StoredWebhook,
  places: DuePlaces,
  count: number,
  progress: Progress,
): Promise<Due[]> {
  const found: Due[] = []
  while (found.length < count && !progress.isFull && progress.examined < MAX_EXAMINED) {
    const { rows, leftUs, looked, isBehind } = await rowsAt(
      context,
      query,
      places,
      Math.min(count - found.length, BATCH_READS),
      progress.losses,
    )
    if (looked === 0) break
    progress.examined += looked
    if (isBehind) progress.losses++
    progress.leftUs.push(...leftUs)
    const gone: DeliveryRow[] = []
    for (const chunk of chunksOf(rows, EVENTS_AT_ONCE)) {
      const events = progress.isFull ? undefined : await eventsOf(context, workspaceId, chunk)
      for (const row of chunk) {
        const event = events?.(row)
        if (event === undefined && !progress.isFull) gone.push(row)
        if (event === undefined) continue
        progress.bytes += eventBytes(event)
        progress.isFull ||= progress.bytes > query.maxBytes && progress.deliveries.length + found.length > 0
        if (!progress.isFull) found.push({ row, event })
      }
    }
    const kept = new Set([...found.map(({ row }) => row), ...gone])
    progress.leftUs.push(...rows.filter((row) => !kept.has(row)).map(({ dueAtUs }) => dueAtUs))
    await cancel(context, gone)
  }
  return found
}

async function cancel(context: DynamoContext, rows: readonly DeliveryRow[]): Promise<void> {
  const nowUs = context.clock.nowUs()
  await changeRowsOrFail(
    context,
    rows.map((row) => ended(row, 'cancelled', nowUs)),
  )
}

/**
 * The rows at the next places that are due, as they stand in the table; those that stand elsewhere by now are passed over.
 * @param losses who has met others looks farther and begins anywhere, so that they do not go on side by side
 */
async function rowsAt(
  { dynamo }: DynamoContext,
  { webhookId, replayId }: ClaimQuery,
  places: DuePlaces,
  count: number,
  losses: number,
): Promise<{ rows: DeliveryRow[]; leftUs: number[]; looked: number; isBehind: boolean }> {
  const due = await places.take(Math.min(count * 4 ** losses, BATCH_READS))
  const ids = new Set(due.map(({ deliveryId }) => deliveryId))
  const items = ids.size === 0 ? [] : await dynamo.batchGet('deliveries', [...ids].map(deliveryKey))
  const byId = new Map(items.map((item) => [item.pk, deliveryRowOf(item)]))
  const standing: { row: DeliveryRow; place: DuePlace }[] = []
  const leftUs: number[] = []
  for (const place of due) {
    const row = byId.get(place.deliveryId)
    const lane = row && laneOf(row)
    if (row?.status !== 'pending' || lane?.webhookId !== webhookId || lane.replayId !== replayId) continue
    if (duePlace(row.dueAtUs, row.deliveryId) === place.place) standing.push({ row, place })
    else leftUs.push(row.dueAtUs)
  }
  const from = losses === 0 ? 0 : Math.floor(Math.random() * (Math.max(0, standing.length - count) + 1))
  const chosen = standing.splice(from, count)
  places.giveBack(standing.map(({ place }) => place))
  return { rows: chosen.map(({ row }) => row), leftUs, looked: due.length, isBehind: chosen.length + standing.length < due.length }
}

/** Reads the events. @returns the event of a row; undefined when it is gone, or the delivery's own time is over */
async function eventsOf(
  context: DynamoContext,
  workspaceId: string,
  rows: readonly DeliveryRow[],
): Promise<(row: DeliveryRow) => EventRecord | undefined> {
  const ids = new Set(rows.filter(({ ownEvent }) => ownEvent === null).map(({ eventId }) => eventId))
  const workspace = ids.size === 0 ? undefined : await context.workspaces.find(workspaceId)
  const events = workspace && (await readEvents(context, workspace, [...ids]))
  const nowUs = context.clock.nowUs()
  return (row) => (isForgotten(row, nowUs) ? undefined : (row.ownEvent ?? events?.get(row.eventId)))
}

/**
 * Makes them this claim's.
 * @throws DynamoError when nothing is claimed, and it is not known of one of them
 */
async function take(
  context: DynamoContext,
  { heldUntilUs, replayId }: ClaimQuery,
  due: readonly Due[],
  claimId: string,
  progress: Progress,
): Promise<void> {
  const results = await changeRows(
    context,
    due.map(({ row }) => claimed(row, heldUntilUs, claimId)),
  )
  for (const [index, { row, event }] of due.entries()) {
    // Whoever has it: it comes again when the hold ends.
    progress.leftUs.push(heldUntilUs)
    if (results[index] !== 'done') continue
    const { deliveryId, createdAtUs, attemptCount, scheduleStart } = row
    const delivery = { deliveryId, event, replayId: replayId ?? row.replayId, createdAtUs, attemptCount, scheduleStart }
    progress.deliveries.push({ place: duePlace(row.dueAtUs, deliveryId), row, claimed: delivery })
  }
  const failure = results.find((result): result is Exclude<ChangeResult, string> => typeof result !== 'string')
  if (failure === undefined) return
  if (progress.deliveries.length === 0) throw failure
  // Those that it has are sent; the rest is another claim's.
  progress.isFull = true
}

function earliest(some: readonly number[], other: number | null): number | null {
  const all = other === null ? some : [...some, other]
  return all.length === 0 ? null : Math.min(...all)
}
