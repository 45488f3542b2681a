import { microsecondsOf, uuidAt } from '../../uuid-time.ts'

/**
 * The time in an event's id is its `created_at`. Times are unique here, so the id leads to the row without an index of its own; the random
 * tail is stored and compared.
 */
export interface EventAddress {
  seq: number
  tail: string
}

/**
 * A row that came from another store may stand at another place than its time, which is then another row's, or was passed by fan-out before it
 * came. Its tail is its whole id.
 */
export function isMoved(tail: string): boolean {
  return tail.length === ID_CHARACTERS
}

const ID_CHARACTERS = 36

/** @param seq microseconds since the epoch */
export function eventIdOf(seq: number, tail: string): string {
  if (isMoved(tail)) return tail
  return uuidAt(seq, tail)
}

/** The time of the row: its place, unless it was moved. */
export function timeOf(seq: number, tail: string): number {
  return isMoved(tail) ? idAddress(tail).seq : seq
}

/** The time and the random part of a row's id, whatever its place. */
export function idAddressOf(seq: number, tail: string): EventAddress {
  return isMoved(tail) ? idAddress(tail) : { seq, tail }
}

function idAddress(eventId: string): EventAddress {
  const address = addressOf(eventId)
  if (address === undefined) throw new Error(`A row has the id ${eventId}, which has no time.`)
  return address
}

/** Where the event of that id would be; undefined for a UUID that this store never gives. */
export function addressOf(eventId: string): EventAddress | undefined {
  if (eventId[14] !== '7') return undefined
  const seq = microsecondsOf(eventId)
  const tail = eventId.slice(19)
  return Number.isSafeInteger(seq) && eventIdOf(seq, tail) === eventId ? { seq, tail } : undefined
}
