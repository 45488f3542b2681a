import type { DatabaseSync } from 'node:sqlite'
import type { ImportOutcome } from '../../move-ports.ts'
import { metadataTerms } from '../metadata-terms.ts'
import type { CommitClock } from './commit-clock.ts'
import { prepareAll } from './database.ts'
import { type EventAddress, eventIdOf, idAddressOf, isMoved } from './event-id.ts'
import type { MovedEvent, MoveWriterCalls } from './move-protocol.ts'
import { MOVE_EVENTS } from './move-sql.ts'
import { firstFree } from './places.ts'
import type { InputOf } from './protocol.ts'
import type { Workspaces } from './workspaces.ts'

/**
 * How the writer takes in events. Each stands at its time where it can; else at a place behind it, so that its workspace's events are in the order of their
 * times and ids all the same (`places.ts`). One whose time fan-out has not passed has its whole id for a tail too: by that fan-out knows it.
 */
export function eventImporter(db: DatabaseSync, workspaces: Workspaces, clock: CommitClock) {
  const sql = prepareAll(db, MOVE_EVENTS)

  function importEvents({ workspaceId, events }: InputOf<MoveWriterCalls, 'importEvents'>): Outcome[] {
    const workspace = workspaces.findOrAdd(workspaceId)
    const mark = markBefore(events)
    return events.map((event) => importEvent(workspace, event, mark))
  }

  /** How far fan-out has come. Where nothing waits for it, it passes this moment: what is older then needs no sign. */
  function markBefore(events: readonly MovedEvent[]): number {
    const mark = Number(sql.mark.get()?.['mark_seq'])
    const isPassed = events.every(({ address }) => address === null || address.seq <= mark)
    if (isPassed || Number(sql.newest.get()?.['seq']) > mark) return mark
    const moved = clock.next()
    sql.moveMark.run(moved)
    return moved
  }

  function importEvent(workspace: number, { address, row, status, acknowledgedAtUs }: MovedEvent, mark: number): Outcome {
    if (address === null) return 'refused'
    const { seq, tail } = address
    const at = sql.at.get(seq)
    const isMine = at?.['workspace'] === workspace
    if ((isMine && at['tail'] === tail) || sql.place.get(workspace, seq, tail) !== undefined) return 'there'
    const before = Number(sql.placeBefore.get(workspace, seq, tail)?.['seq'] ?? 0)
    const isBehindOne = isMine && !isMoved(String(at['tail'])) && String(at['tail']) < tail
    const place = freed(workspace, Math.max(seq + Number(isBehindOne), before + 1), mark)
    if (place === undefined) return 'busy'
    const isAtItsTime = place === seq && seq <= mark
    const [source, eventType, priority, metadata, payload] = row
    const storedTail = isAtItsTime ? tail : eventIdOf(seq, tail)
    sql.insert.run(place, storedTail, workspace, status, priority, acknowledgedAtUs ?? place, source, eventType, metadata, payload)
    for (const [key, value] of metadataTerms(metadata)) sql.insertTerm.run(workspace, key, value, status, place)
    if (!isAtItsTime) sql.setPlace.run(workspace, seq, tail, place)
    clock.pass(place)
    return 'written'
  }

  /**
   * The first place from there on that the workspace's order allows. Where one of its own events comes before a free one, that and those of its own behind it move
   * on, each to the place of the next: this happens when a workspace gets events from two sources at the same microseconds.
   * @returns undefined where one of them waits for fan-out, which would take it for one that came in
   */
  function freed(workspace: number, from: number, mark: number): number | undefined {
    const own: number[] = []
    const free = firstFree(sql.from, from, (row) => {
      if (row['workspace'] === workspace) own.push(Number(row['seq']))
    })
    const isNew = (seq: number) => seq > mark && !isMoved(String(sql.at.get(seq)?.['tail']))
    if (own.some(isNew)) return undefined
    return own.reduceRight((to, seq) => {
      move(workspace, seq, to)
      return seq
    }, free)
  }

  function move(workspace: number, seq: number, to: number): void {
    const row = sql.toMove.get(seq)
    const tail = String(row?.['tail'])
    const address: EventAddress = idAddressOf(seq, tail)
    sql.move.run(to, eventIdOf(address.seq, address.tail), seq)
    sql.setPlace.run(workspace, address.seq, address.tail, to)
    for (const [key, value] of metadataTerms(String(row?.['metadata']))) {
      sql.moveTerm.run(to, workspace, key, value, Number(row?.['status']), seq)
    }
    clock.pass(to)
  }

  return importEvents
}

/** `busy`: a new event must be fanned out before. */
type Outcome = ImportOutcome | 'busy'
