import { createHash } from 'node:crypto'
import { zstdCompressSync } from 'node:zlib'
import type { EventRecord, NewEvent } from '../../../ports.ts'
import { metadataTerms } from '../../metadata-terms.ts'
import { compressed, textOf } from './compressed.ts'
import { type DynamoContext, ttlOf } from './context.ts'
import { timeOf } from './ids.ts'
import type { Item, Key } from './notation.ts'
import { eventIndexOf } from './tables.ts'
import { partitionOf, shardOf, type Workspace } from './workspaces.ts'

/** DynamoDB takes 400 KiB for an item, names of attributes included; numbers are counted roughly here. */
const ITEM_BYTES = 400_000
const PART_BYTES = 350_000
/** A longer value of a key is stored as its hash: DynamoDB takes 2048 bytes. */
const FIELD_BYTES = 1000
/** An event's JSON beside its payload and metadata: names, id, times, and 2 strings of at most 400 bytes. */
const EVENT_OVERHEAD_BYTES = 1100

/** An event as items: `parts` are written before `item`, and removed after it. */
export interface EventItems {
  item: Item
  parts: Item[]
}

export function eventKey(workspace: Workspace, eventId: string): Key {
  return { pk: partitionOf(workspace, shardOf(workspace, eventId)), sk: eventId }
}

/** The keys of an event's parts; none for one that fits an item. */
export function partKeys({ pk, sk, ...item }: Item): Key[] {
  return Array.from({ length: Number(item['parts'] ?? 0) }, (_, index) => partKey({ pk, sk }, index))
}

const partKey = ({ pk, sk }: Key, index: number): Key => ({ pk: `${pk}#parts`, sk: `${sk}#${String(index + 1).padStart(4, '0')}` })

/** The range key of the indexes by a field: `0#` before a pending event's id, `1#` before an acknowledged one's. */
export const stateOf = (status: EventRecord['status'], eventId: string): string => `${status === 'pending' ? 0 : 1}#${eventId}`

/** The hash key of an index by a field. @param partition of `partitionOf` @param value a text; of metadata as in `EventFilter.metadata` */
export function fieldKey(partition: string, value: string): string {
  // No lone surrogate is stored as such. Two values may so become one key: who reads an index compares the events themselves.
  const text = value.toWellFormed()
  return `${partition}#${Buffer.byteLength(text) <= FIELD_BYTES ? text : createHash('sha256').update(text).digest('base64url')}`
}

/** The attributes that the indexes of `fields` are made of; none without such indexes. */
export function indexAttributes(fields: readonly string[], { pk, sk }: Key, event: IndexedEvent): Record<string, string> {
  if (fields.length === 0) return {}
  const attributes: Record<string, string> = { state: stateOf(event.status, sk) }
  const terms = fields.some((field) => field.startsWith('metadata.')) ? new Map(metadataTerms(event.metadata)) : new Map<string, string>()
  for (const field of fields) {
    const value = fieldValue(field, event, terms)
    if (value !== undefined) attributes[eventIndexOf(field).attribute] = fieldKey(pk, value)
  }
  return attributes
}

type IndexedEvent = Pick<EventRecord, 'source' | 'eventType' | 'metadata' | 'status'>

function fieldValue(field: string, { source, eventType, metadata }: IndexedEvent, terms: ReadonlyMap<string, string>): string | undefined {
  if (field === 'source') return source
  if (field === 'event_type') return eventType
  if (field === 'priority') return priorityOf(metadata)
  return terms.get(field.slice('metadata.'.length))
}

/** The `priority` that every event's metadata has. */
function priorityOf(metadata: string): string {
  const { priority }: { priority?: unknown } = JSON.parse(metadata)
  return String(priority)
}

/**
 * An event as it is stored.
 * @param event a new one, which is pending, or one that is moved here as it was
 */
export function eventItems(
  workspace: Workspace,
  event: NewEvent | EventRecord,
  eventId: string,
  context: Pick<DynamoContext, 'eventTtlUs' | 'indexes'>,
): EventItems {
  const key = eventKey(workspace, eventId)
  const { source, eventType, metadata, payload } = event
  const status = 'status' in event ? event.status : 'pending'
  const ttl = ttlOf((timeOf(eventId) ?? 0) + context.eventTtlUs)
  const head: Item = {
    ...key,
    ttl,
    ...(status === 'pending' && { pending: key.pk }),
    ...indexAttributes(context.indexes.all, key, { source, eventType, metadata, status }),
    source,
    type: eventType,
    ...('acknowledgedAtUs' in event && event.acknowledgedAtUs !== null && { ackedAtUs: event.acknowledgedAtUs }),
  }
  const text = bodyOf(metadata, payload)
  const packed = compressed(text)
  const item: Item = typeof packed === 'string' ? { ...head, metadata, payload } : { ...head, z: packed }
  if (itemBytes(item) <= ITEM_BYTES) return { item, parts: [] }
  const bytes = typeof packed === 'string' ? zstdCompressSync(Buffer.from(text)) : packed
  const count = Math.ceil(bytes.length / PART_BYTES)
  return {
    item: { ...head, parts: count },
    parts: Array.from({ length: count }, (_, index) => ({
      ...partKey(key, index),
      ttl,
      data: bytes.subarray(index * PART_BYTES, (index + 1) * PART_BYTES),
    })),
  }
}

/** What is compressed, as one text: the length of the metadata, the metadata, the payload. */
const bodyOf = (metadata: string, payload: string): string => `${metadata.length}:${metadata}${payload}`

function partsOfBody(text: string): { metadata: string; payload: string } {
  const from = text.indexOf(':') + 1
  const to = from + Number(text.slice(0, from - 1))
  return { metadata: text.slice(from, to), payload: text.slice(to) }
}

/** About what DynamoDB counts for an item, rather more than less. */
export function itemBytes(item: Item): number {
  return Object.entries(item).reduce((sum, [name, value]) => sum + Buffer.byteLength(name) + valueBytes(value), 0)
}

function valueBytes(value: unknown): number {
  if (typeof value === 'string') return Buffer.byteLength(value)
  return value instanceof Uint8Array ? value.length : 21
}

/** @param item as the table has it, whole @param parts its parts, in any order: needed where `partKeys` gives some */
export function eventRecordOf(item: Item, parts: readonly Item[] = []): EventRecord {
  const ackedAtUs: number | undefined = item['ackedAtUs']
  return {
    eventId: item.sk,
    createdAtUs: timeOf(item.sk) ?? 0,
    source: item['source'],
    eventType: item['type'],
    ...contentOf(item, parts),
    status: ackedAtUs === undefined ? 'pending' : 'acknowledged',
    acknowledgedAtUs: ackedAtUs ?? null,
  }
}

function contentOf(item: Item, parts: readonly Item[]): { metadata: string; payload: string } {
  const { z, parts: count, metadata, payload } = item
  if (count === undefined) return z === undefined ? { metadata, payload } : partsOfBody(textOf(z))
  if (parts.length !== count) throw new Error(`An event of ${count} parts was read with ${parts.length}.`)
  const sorted = [...parts].sort((a, b) => (a.sk < b.sk ? -1 : 1))
  return partsOfBody(textOf(Buffer.concat(sorted.map((part) => part['data']))))
}

/** Whether an event's life has not ended: the id tells. */
export function isAlive({ clock, eventTtlUs }: DynamoContext, eventId: string): boolean {
  const createdAtUs = timeOf(eventId)
  return createdAtUs !== undefined && createdAtUs >= clock.nowUs() - eventTtlUs
}

/**
 * Events by their ids, strongly consistent, with their parts; those that are gone or expired are left out.
 * @param wanted ids, each once; or items of the table as a Query gave them, whole: just their parts are read then
 */
export async function readEvents(
  context: DynamoContext,
  workspace: Workspace,
  wanted: readonly (string | Item)[],
): Promise<Map<string, EventRecord>> {
  const { dynamo } = context
  const items = wanted.filter((one) => typeof one !== 'string')
  const keys = wanted.flatMap((one) => (typeof one === 'string' && isAlive(context, one) ? [eventKey(workspace, one)] : []))
  const found = [...items, ...(keys.length === 0 ? [] : await dynamo.batchGet('events', keys))].filter(({ sk }) => isAlive(context, sk))
  const wantedParts = found.flatMap(partKeys)
  const parts = new Map((wantedParts.length === 0 ? [] : await dynamo.batchGet('events', wantedParts)).map((part) => [part.sk, part]))
  const records = new Map<string, EventRecord>()
  for (const item of found) {
    const own = partKeys(item).flatMap(({ sk }) => parts.get(sk) ?? [])
    // A part that is missing tells of an event that was deleted since: its parts go last.
    if (own.length === Number(item['parts'] ?? 0)) records.set(item.sk, eventRecordOf(item, own))
  }
  return records
}

/** About what the event weighs as JSON. */
export function eventBytes({ payload, metadata }: EventRecord): number {
  return Buffer.byteLength(payload) + Buffer.byteLength(metadata) + EVENT_OVERHEAD_BYTES
}
