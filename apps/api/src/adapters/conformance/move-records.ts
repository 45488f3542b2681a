/** Records as another store has them. */
import { randomBytes } from 'node:crypto'
import type { EventRecord } from '../../ports.ts'

/** A new id of that time: a UUID of version 7 with the microseconds as a 12-bit fraction (RFC 9562, section 6.2, method 3). */
export function eventIdAt(us: number): string {
  const ms = Math.floor(us / 1000)
  const time = ms.toString(16).padStart(12, '0')
  const fraction = Math.floor(((us - ms * 1000) * 4096) / 1000)
  const tail = randomBytes(8)
  tail.writeUInt8((tail.readUInt8(0) & 0x3f) | 0x80, 0)
  const hex = tail.toString('hex')
  return `${time.slice(0, 8)}-${time.slice(8)}-7${fraction.toString(16).padStart(3, '0')}-${hex.slice(0, 4)}-${hex.slice(4)}`
}

/** A pending event of that time. */
export function movedEvent(us: number, fields: Partial<EventRecord> = {}): EventRecord {
  return {
    eventId: eventIdAt(us),
    createdAtUs: us,
    source: 'suite',
    eventType: 'suite.ran',
    payload: '{"n":1}',
    status: 'pending',
    metadata: '{"priority":"normal"}',
    acknowledgedAtUs: null,
    ...fields,
  }
}

/** Events so many microseconds behind a time. */
export function movedEvents(us: number, behind: readonly number[]): EventRecord[] {
  return behind.map((by) => movedEvent(us + by))
}
