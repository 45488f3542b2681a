import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { type EventAddress, eventIdOf } from './event-id.ts'

/**
 * Events, deliveries and audit entries stand at their time, which is a place that one row alone can have. One that comes from another store may find
 * its place taken, by another workspace's perhaps: then it stands at a place near by, in the order of its workspace, and has its whole id for a tail. Who asks for
 * an id looks at its time first, and only then here: what was made here costs nothing more.
 */
export const PLACES = {
  event: 'SELECT seq FROM event_places WHERE workspace = ? AND created_us = ? AND tail = ?',
  // An event's place is never before its time, so that a workspace's last one up to a time may be behind it.
  lastEvent: 'SELECT seq FROM event_places WHERE workspace = ? AND created_us <= ? ORDER BY created_us DESC, tail DESC LIMIT 1',
  delivery: 'SELECT seq FROM delivery_places WHERE created_us = ? AND tail = ?',
} as const

/** How an event is found: what `find` finds at the address that is in its id, or else at the place that it was given. */
export function eventFinder(db: DatabaseSync) {
  const place = db.prepare(PLACES.event)
  return <Row>(workspace: number, address: EventAddress, find: Find<Row>): Row | undefined =>
    find(address) ?? findAt(place.get(workspace, address.seq, address.tail), address, find)
}

/** The same for a delivery. */
export function deliveryFinder(db: DatabaseSync) {
  const place = db.prepare(PLACES.delivery)
  return <Row>(address: EventAddress, find: Find<Row>): Row | undefined =>
    find(address) ?? findAt(place.get(address.seq, address.tail), address, find)
}

/** The last place of the workspace's events with times up to that one. */
export function lastPlaces(db: DatabaseSync): (workspace: number, us: number) => number {
  const place = db.prepare(PLACES.lastEvent)
  return (workspace, us) => Math.max(us, Number(place.get(workspace, us)?.['seq'] ?? 0))
}

type Find<Row> = (at: EventAddress) => Row | undefined

function findAt<Row>(place: Record<string, unknown> | undefined, { seq, tail }: EventAddress, find: Find<Row>): Row | undefined {
  return place && find({ seq: Number(place['seq']), tail: eventIdOf(seq, tail) })
}

const CHUNK = 256

/**
 * The first place without a row, from there on.
 * @param rows the rows from a place on, at most so many
 * @param each told of every row before it
 */
export function firstFree(rows: StatementSync, from: number, each: (row: Record<string, unknown>) => void = () => {}): number {
  for (let free = from; ; ) {
    const found = rows.all(free, CHUNK)
    for (const row of found) {
      if (Number(row['seq']) !== free) return free
      each(row)
      free++
    }
    if (found.length < CHUNK) return free
  }
}
