import { createHash } from 'node:crypto'
import { microsecondsOf, tailOf, uuidAt } from '../../../uuid-time.ts'

/** The same id for the same time and text. */
export function derivedId(us: number, text: string): string {
  return uuidAt(us, tailOf(createHash('sha256').update(text).digest().subarray(0, 8)))
}

/** Before every id of that time, and behind every id of an earlier one. */
export function lowestId(us: number): string {
  return uuidAt(Math.max(0, us), '0000-000000000000')
}

/** The time of an id; undefined for one that is not of this form. */
export function timeOf(id: string): number | undefined {
  if (!/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/.test(id)) return undefined
  const us = microsecondsOf(id)
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
