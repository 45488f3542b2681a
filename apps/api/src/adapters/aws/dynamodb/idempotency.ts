import { createHash } from 'node:crypto'
import { type NewEvent, StoreUnavailableError } from '../../../ports.ts'
import { newUuid } from '../../../uuid.ts'
import { type DynamoContext, ttlOf } from './context.ts'
import { type EventItems, eventItems } from './event-item.ts'
import { type EventWriteDeps, lateness, type TimedEvent, timeLeftMs, type Written, writeParts } from './event-write.ts'
import { timeOf } from './ids.ts'
import type { Condition, Item, Key } from './notation.ts'

const LIFETIME_US = 86_400e6
/** A longer key is stored as its hash: DynamoDB takes 2048 bytes. */
const KEY_BYTES = 1000
/** So long after an event's time it may be taken back, if its write was late: longer than all the waits of `undo-writes.ts` together. */
const UNDO_US = 600e6
/** Between two tries another request's write of the same key is met: each tells something new. */
const MAX_TRIES = 5

/** An idempotency key, and what it was used for. */
interface Use extends Item {
  eventId: string
  fingerprint: Uint8Array
  expiresAtUs: number
  /** That event was taken back, or never came: its key is free, for those who know of this very use. */
  isVoid?: true
  /** It was answered to a second request, so the event must stay. */
  isSeen?: true
}

type Idempotency = NonNullable<NewEvent['idempotency']>

/** What became of an event with a key. */
export type KeyedWrite = Written | { outcome: 'replayed'; eventId: string; createdAtUs: number } | { outcome: 'key_reused' }

/** Where a workspace's use of a key is stored. */
export function useKey(workspaceId: string, key: string): Key {
  if (Buffer.byteLength(key) <= KEY_BYTES && key.isWellFormed()) return { pk: `idempotency#${workspaceId}#${key}`, sk: '-' }
  // As JSON, which tells lone surrogates apart.
  const hash = createHash('sha256').update(JSON.stringify(key)).digest('base64url')
  return { pk: `idempotency-hash#${workspaceId}#${hash}`, sk: '-' }
}

/** Writes an event and the use of its key together, or finds what the key was used for. */
export async function writeKeyed(deps: EventWriteDeps, timed: TimedEvent, idempotency: Idempotency): Promise<KeyedWrite> {
  const { context, undo } = deps
  const items = eventItems(timed.workspace, timed.event, newUuid(timed.us), context)
  const { parts } = items
  try {
    const error = parts.length === 0 ? undefined : await writeParts(deps, parts, timed)
    const written: KeyedWrite = error === undefined ? await writeOrFind(deps, timed, items, idempotency) : { outcome: 'failed', error }
    // A failed write is taken back with its event; here only the answer is another event.
    if (written.outcome === 'replayed' || written.outcome === 'key_reused') undo.remove(parts, false)
    return written
  } catch (error) {
    return { outcome: 'failed', error }
  }
}

async function writeOrFind(
  deps: EventWriteDeps,
  timed: TimedEvent,
  items: EventItems,
  { key, fingerprint }: Idempotency,
): Promise<KeyedWrite> {
  const { context } = deps
  const { item } = items
  const expiresAtUs = timed.us + LIFETIME_US
  const use: Use = {
    ...useKey(timed.workspace.workspaceId, key),
    eventId: item.sk,
    fingerprint,
    expiresAtUs,
    ttl: ttlOf(expiresAtUs),
  }
  let free = freeUnless(context)
  for (let tries = 1; tries <= MAX_TRIES; tries++) {
    const written = await writeBoth(deps, timed, items, use, free)
    if ('outcome' in written) return written
    const { found } = written
    if (found.isVoid) free = freeUnless(context, found)
    else if (Buffer.compare(found.fingerprint, fingerprint) !== 0) return { outcome: 'key_reused' }
    else if (await isToStay(context, found)) return { outcome: 'replayed', eventId: found.eventId, createdAtUs: timeOf(found.eventId) ?? 0 }
  }
  return { outcome: 'failed', error: new StoreUnavailableError('DynamoDB: too many requests use one idempotency key at once.') }
}

/** That the key was not used, or long ago; or is the void use that was found. */
function freeUnless({ clock }: DynamoContext, found?: Use): Condition {
  const free = { condition: 'attribute_not_exists(pk) OR expiresAtUs <= :now', values: { now: clock.nowUs() } }
  if (found === undefined) return free
  return {
    condition: `${free.condition} OR (eventId = :void AND isVoid = :true)`,
    values: { ...free.values, void: found.eventId, true: true },
  }
}

/** @returns what became of it, or the use of the key that is in its way */
async function writeBoth(
  { context, undo }: EventWriteDeps,
  timed: TimedEvent,
  { item, parts }: EventItems,
  use: Use,
  free: Condition,
): Promise<Written | { found: Use }> {
  let isUncertain = false
  const undoBoth = () => undo.until(() => takeBack(context, use, [item, ...parts]))
  try {
    const refusals = await context.dynamo.transact(
      [
        { table: 'events', put: item },
        { table: 'events', put: use, ...free },
      ],
      {
        timeoutMs: timeLeftMs(context, timed),
        onUncertain: () => {
          isUncertain = true
        },
      },
    )
    // What is stored under these keys was stored by this file.
    const found = refusals?.[1]?.old as Use | undefined
    if (refusals !== undefined && found === undefined) throw new StoreUnavailableError('DynamoDB: a refusal shows no item.')
    // Else it met itself: an earlier try was carried out after all.
    if (found !== undefined && found.eventId !== item.sk) return { found }
    const error = lateness(context, timed)
    if (error === undefined) return { outcome: 'created', eventId: item.sk, createdAtUs: timed.us }
    undoBoth()
    return { outcome: 'failed', error }
  } catch (error) {
    if (isUncertain || parts.length > 0) undoBoth()
    return { outcome: 'failed', error }
  }
}

/** Whether the event of that use will stay: from now on, if it was not certain yet. */
async function isToStay({ dynamo, clock }: DynamoContext, found: Use): Promise<boolean> {
  const { pk, sk, eventId, isSeen } = found
  if (isSeen || clock.nowUs() - (timeOf(eventId) ?? 0) > UNDO_US) return true
  const marked = await dynamo.update(
    'events',
    { pk, sk },
    {
      update: 'SET isSeen = :true',
      condition: 'eventId = :eventId AND attribute_not_exists(isVoid)',
      values: { eventId, true: true },
    },
    true,
  )
  return marked.isDone
}

/**
 * Takes back an event and the use of its key, written or not. The use stays as void, so that a write that is still on its way finds it and fails.
 * @returns whether it is done for good: also when a second request was told of the event, which then stays
 */
async function takeBack({ dynamo, clock }: DynamoContext, use: Use, [event, ...parts]: readonly Item[]): Promise<boolean> {
  if (event === undefined) return true
  const { pk, sk, ttl, eventId, fingerprint, expiresAtUs } = use
  const refusals = await dynamo.transact([
    {
      table: 'events',
      put: { pk, sk, ttl, eventId, fingerprint, expiresAtUs, isVoid: true },
      condition: 'attribute_not_exists(pk) OR expiresAtUs <= :now OR (eventId = :eventId AND attribute_not_exists(isSeen))',
      values: { now: clock.nowUs(), eventId },
    },
    { table: 'events', remove: { pk: event.pk, sk: event.sk } },
  ])
  const old = refusals?.[0]?.old
  if (old?.['eventId'] === eventId) return true
  return (
    parts.length === 0 ||
    !(
      await dynamo.batchWrite(
        'events',
        parts.map((remove) => ({ remove })),
      )
    ).includes(false)
  )
}
