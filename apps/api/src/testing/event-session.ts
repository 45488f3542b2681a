/** What tests do with events while DynamoDB fails, and what must hold afterwards. */
import { randomUUID } from 'node:crypto'
import { expect } from 'vitest'
import { allPages, idsOf, newEvent, newWorkspace, query } from '../adapters/conformance/harness.ts'
import type { NewEvent, Store } from '../ports.ts'
import { attempt, type Written, write } from './faulty-store.ts'

export interface Before {
  workspaceId: string
  /** Settled events, to be read and acknowledged. */
  ids: string[]
}

export interface During {
  written: Written[]
  /** What each call came to, in a word. */
  answers: string[]
  acks: { eventId: string; acknowledgedAtUs: number | 'unavailable' }[]
}

export async function prepare(store: Store, settle: () => void): Promise<Before> {
  const workspaceId = newWorkspace()
  const written = await write(store, workspaceId, Array.from({ length: 20 }, markedEvent))
  expect(unavailable(written)).toEqual([])
  settle()
  // What a process asks once in a while is asked here.
  await store.createEvents(newWorkspace(), [newEvent()])
  return { workspaceId, ids: written.map(({ eventId }) => eventId) }
}

/** Creates of every kind, acks, reads and lists, all at once. */
export async function useEvents(store: Store, { workspaceId, ids }: Before): Promise<During> {
  const create = (events: NewEvent[]) => write(store, workspaceId, events)
  const ack = async (eventIds: string[]) => {
    const results = await attempt(() => store.ackEvents(workspaceId, eventIds))
    return eventIds.map((eventId, index) => {
      const result = results === 'unavailable' ? results : results[index]
      if (result === 'unavailable' || result?.outcome === 'unavailable') {
        return { eventId, outcome: 'unavailable', acknowledgedAtUs: 'unavailable' as const }
      }
      // Nobody else acknowledges: a store that meets its own ack must know it.
      expect(result).toEqual({ outcome: 'acknowledged', acknowledgedAtUs: expect.any(Number) })
      return {
        eventId,
        outcome: 'acknowledged',
        acknowledgedAtUs: result !== undefined && 'acknowledgedAtUs' in result ? result.acknowledgedAtUs : 0,
      }
    })
  }
  const get = async (eventId: string) => {
    const event = await attempt(() => store.getEvent(workspaceId, eventId))
    if (event !== 'unavailable') expect(event).toMatchObject({ eventId })
    return event === 'unavailable' ? event : 'found'
  }
  const list = async (filter: object) => {
    const events = await attempt(() => allPages(store, query(workspaceId, { filter, limit: 7 })))
    if (events !== 'unavailable') expect(idsOf(events)).toEqual(expect.arrayContaining(ids.slice(10)))
    return events === 'unavailable' ? events : 'listed'
  }
  const [creates, acks, reads] = await Promise.all([
    Promise.all([
      ...Array.from({ length: 5 }, () => create([markedEvent()])),
      ...Array.from({ length: 3 }, () => create([keyedEvent()])),
      create(Array.from({ length: 25 }, markedEvent)),
      create([keyedEvent(), markedEvent(), keyedEvent()]),
    ]),
    Promise.all([ack(ids.slice(0, 1)), ack(ids.slice(1, 2)), ack(ids.slice(2, 8))]),
    Promise.all([get(ids[18] ?? ''), get(ids[19] ?? ''), list({}), list({ source: 'suite' })]),
  ])
  const written = creates.flat()
  const outcomes = [
    ...written.map(({ eventId }) => (eventId === 'unavailable' ? eventId : 'created')),
    ...acks.flat().map(({ outcome }) => outcome),
  ]
  return { written, answers: [...outcomes, ...reads], acks: acks.flat() }
}

/** What was answered holds, for every server. */
export async function expectKept(other: Store, { workspaceId, ids }: Before, { written, acks }: During): Promise<void> {
  const expected = [...ids, ...createdIdsOf(written)].toSorted()
  // What was answered as not done may take a moment to be undone.
  await expect.poll(() => listed(other, workspaceId), { timeout: 20_000, interval: 200 }).toEqual(expected)
  for (const { eventId, acknowledgedAtUs } of acks) {
    const event = await other.getEvent(workspaceId, eventId)
    if (acknowledgedAtUs !== 'unavailable') expect(event).toMatchObject({ status: 'acknowledged', acknowledgedAtUs })
    const [again] = await other.ackEvents(workspaceId, [eventId])
    if (event?.status === 'acknowledged')
      expect(again).toEqual({ outcome: 'already_acknowledged', acknowledgedAtUs: event.acknowledgedAtUs })
    else expect(again).toMatchObject({ outcome: 'acknowledged' })
  }
  const acked = new Set(acks.map(({ eventId }) => eventId))
  expect(await listed(other, workspaceId, 'pending')).toEqual(expected.filter((id) => !acked.has(id)))
  // Sent again, a key makes the event that is missing, and no second one.
  for (const { event, eventId } of written.filter(({ event }) => event.idempotency !== undefined)) {
    const [again] = await other.createEvents(workspaceId, [event])
    if (eventId === 'unavailable') expect(again).toMatchObject({ outcome: 'created' })
    else expect(again).toMatchObject({ outcome: 'replayed', eventId })
  }
}

export async function expectWorking(store: Store, settle: () => void): Promise<void> {
  const before = await prepare(store, settle)
  const { answers } = await useEvents(store, before)
  expect(answers).not.toContain('unavailable')
}

export async function listed(store: Store, workspaceId: string, status?: 'pending'): Promise<string[]> {
  return idsOf(await allPages(store, query(workspaceId, { filter: { status } }))).toSorted()
}

export const unavailable = (written: readonly Written[]) => written.filter(({ eventId }) => eventId === 'unavailable')
export const createdIdsOf = (written: readonly Written[]) =>
  written.flatMap(({ eventId }) => (eventId === 'unavailable' ? [] : [eventId])).toSorted()
export const markedEvent = (): NewEvent => newEvent({ payload: JSON.stringify({ marker: randomUUID() }) })

export function keyedEvent(): NewEvent {
  const key = randomUUID()
  return { ...markedEvent(), idempotency: { key, fingerprint: Buffer.from(key) } }
}
