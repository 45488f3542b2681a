import { randomBytes } from 'node:crypto'

/** A new UUID of version 7, lower case: ids sort by time, as event ids do. */
export function newUuid(nowUs: number): string {
  const ms = Math.floor(nowUs / 1000)
  // As in event ids: the microseconds are a 12-bit fraction of the millisecond (RFC 9562, section 6.2, method 3).
  const fraction = Math.floor(((nowUs - ms * 1000) * 4096) / 1000)
  const tail = randomBytes(8)
  tail.writeUInt8((tail.readUInt8(0) & 0x3f) | 0x80, 0)
  const time = ms.toString(16).padStart(12, '0')
  const random = tail.toString('hex')
  return `${time.slice(0, 8)}-${time.slice(8)}-7${fraction.toString(16).padStart(3, '0')}-${random.slice(0, 4)}-${random.slice(4)}`
}

/** The time of a UUID that was made like this, in microseconds; undefined for one that was not. */
export function uuidTime(uuid: string): number | undefined {
  const ms = Number.parseInt(uuid.slice(0, 8) + uuid.slice(9, 13), 16)
  const fraction = Number.parseInt(uuid.slice(15, 18), 16)
  const microseconds = Math.ceil((fraction * 1000) / 4096)
  return uuid[14] === '7' && microseconds < 1000 && Math.floor((microseconds * 4096) / 1000) === fraction
    ? ms * 1000 + microseconds
    : undefined
}
