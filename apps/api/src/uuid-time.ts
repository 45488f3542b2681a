/**
 * UUIDs of version 7 whose first 60 bits beside the version are a time: 48 bits of milliseconds, then the microseconds as a 12-bit fraction
 * (RFC 9562, section 6.2, method 3). As texts they sort by time. Every id that the program gives is one, whichever store keeps it.
 */

/** Of what is behind the time. */
export const TAIL_BYTES = 8

/**
 * @param us microseconds since the epoch
 * @param tail the 64 bits behind the time, as an id spells them: `8xxx-xxxxxxxxxxxx`
 */
export function uuidAt(us: number, tail: string): string {
  const ms = Math.floor(us / 1000)
  const time = ms.toString(16).padStart(12, '0')
  const fraction = Math.floor(((us - ms * 1000) * 4096) / 1000)
  return `${time.slice(0, 8)}-${time.slice(8)}-7${fraction.toString(16).padStart(3, '0')}-${tail}`
}

/** Eight bytes as the tail of an id, the first two bits being the RFC's variant, which is written into them. */
export function tailOf(bytes: Buffer): string {
  bytes.writeUInt8((bytes.readUInt8(0) & 0x3f) | 0x80, 0)
  const hex = bytes.toString('hex', 0, TAIL_BYTES)
  return `${hex.slice(0, 4)}-${hex.slice(4)}`
}

/** The time in such a UUID, in microseconds; of any other text a number that means nothing, perhaps NaN. */
export function microsecondsOf(uuid: string): number {
  const ms = Number.parseInt(uuid.slice(0, 8) + uuid.slice(9, 13), 16)
  return ms * 1000 + Math.ceil((Number.parseInt(uuid.slice(15, 18), 16) * 1000) / 4096)
}

/** The same; undefined for a UUID that has none. */
export function uuidTime(uuid: string): number | undefined {
  const us = microsecondsOf(uuid)
  return Number.isSafeInteger(us) && uuidAt(us, uuid.slice(19)) === uuid ? us : undefined
}
