import { createHmac, timingSafeEqual } from 'node:crypto'

/** What a cursor holds for: following it with anything else would skip or repeat events. */
export interface CursorBinding {
  call: string
  workspaceId: string
  order: 'asc' | 'desc'
  /** The filters as the store gets them. */
  filter: Readonly<Record<string, unknown>>
}

/** 128 bits: more than enough against forging, and the cursor stays short. */
const TAG_BYTES = 16

/** An opaque, unforgeable cursor (base64url) for the store's position. */
export function encodeCursor(key: Uint8Array, binding: CursorBinding, position: string): string {
  return Buffer.concat([tagOf(key, binding, position), Buffer.from(position)]).toString('base64url')
}

/** The position in a cursor; undefined when this server did not make it for just this binding. */
export function decodeCursor(key: Uint8Array, binding: CursorBinding, cursor: string): string | undefined {
  const bytes = Buffer.from(cursor, 'base64url')
  if (bytes.length <= TAG_BYTES || bytes.toString('base64url') !== cursor) return undefined
  const position = bytes.toString('utf8', TAG_BYTES)
  return timingSafeEqual(bytes.subarray(0, TAG_BYTES), tagOf(key, binding, position)) ? position : undefined
}

function tagOf(key: Uint8Array, { call, workspaceId, order, filter }: CursorBinding, position: string): Buffer {
  const bound = JSON.stringify([call, workspaceId, order, sortedEntries(filter), position])
  return createHmac('sha256', key).update(bound).digest().subarray(0, TAG_BYTES)
}

/** Filters in one order, however the query had them; the absent ones left out. */
function sortedEntries(record: Readonly<Record<string, unknown>>): unknown[] {
  return Object.entries(record)
    .filter(([, value]) => value !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => [name, typeof value === 'object' && value !== null ? sortedEntries({ ...value }) : value])
}
