import { createHash, randomBytes } from 'node:crypto'

/**
 * Ids are UUIDs of version 7 whose first 60 bits after the version are a time: 48 bits of milliseconds, then the microseconds as a 12-bit fraction
 * (RFC 9562, section 6.2, method 3). As texts they sort by time, so an id is a place in the order, too.
 */

/** @param tail the 64 bits behind the time, as an id spells them: `8xxx-xxxxxxxxxxxx` */
function idWith(us: number, tail: string): string {
  const ms = Math.floor(us / 1000)
  const time = ms.toString(16).padStart(12, '0')
  const fraction = Math.floor(((us - ms * 1000) * 4096) / 1000)
  return `${time.slice(0, 8)}-${time.slice(8)}-7${fraction.toString(16).padStart(3, '0')}-${tail}`
}

function tailOf(bytes: Buffer): string {
  bytes.writeUInt8((bytes.readUInt8(0) & 0x3f) | 0x80, 0)
  const hex = bytes.toString('hex', 0, 8)
  return `${hex.slice(0, 4)}-${hex.slice(4)}`
}

/** @param us microseconds since the epoch */
export function newId(us: number): string {
  return idWith(us, tailOf(randomBytes(8)))
}

/** The same id for the same time and text. */
export function derivedId(us: number, text: string): string {
  return idWith(us, tailOf(createHash('sha256').update(text).digest().subarray(0, 8)))
}

/** Before every id of that time, and behind every id of an earlier one. */
export function lowestId(us: number): string {
  return idWith(Math.max(0, us), '0000-000000000000')
}

/** The time of an id; undefined for one that is not of this form. */
export function timeOf(id: string): number | undefined {
  if (!/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/.test(id)) return undefined
  const ms = Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16)
  const us = ms * 1000 + Math.ceil((Number.parseInt(id.slice(15, 18), 16) * 1000) / 4096)
  return Number.isSafeInteger(us) ? us : undefined
}

/** A number from 0 to 255, as good as random for each id; the same for the same id. */
export function spreadOf(id: string): number {
  return Number.parseInt(id.slice(-2), 16)
}

/** The same for any text. */
export function spreadOfText(text: string): number {
  return createHash('sha256').update(text).digest().readUInt8(0)
}
