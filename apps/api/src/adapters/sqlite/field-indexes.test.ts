import { expect, it, onTestFinished, vi } from 'vitest'
import { EVENT_STATUSES, type EventStatus } from '../../ports.ts'
import { ack, create, failingWriter, importAmong, lister, openBeside, remove, temporaryFile } from '../../testing/event-file.ts'
import { newEvent } from '../conformance/harness.ts'
import type { EventAddress } from './event-id.ts'
import { openWriter } from './writer.ts'

const LOT = 1024
const MANY = 128

/** A file with a look at its tables, beside writers. */
function openFile(path = temporaryFile(), writer = openWriter(path)) {
  const { db, count } = openBeside(path, writer)
  return {
    path,
    writer,
    waiting: () => count('SELECT count(*) AS n FROM events WHERE is_indexed = 0'),
    /** Events that a reader must look through. */
    behindMark: () => count('SELECT count(*) AS n FROM events WHERE seq > (SELECT indexed_seq FROM commit_clock)'),
    version: () => Number(db.prepare('PRAGMA data_version').get()?.['data_version']),
    expectMerged: () =>
      vi.waitFor(() => expect(count('SELECT count(*) AS n FROM events WHERE is_indexed = 0')).toBe(0), { timeout: 10_000 }),
  }
}

const sources = (count: number, source: (index: number) => string = (index) => `s${index % 5}`) =>
  Array.from({ length: count }, (_, index) => newEvent({ source: source(index), eventType: `t${index % 3}` }))

it('finds events by source and type, in order, whether the indexes have them or not', async () => {
  const { path, writer, waiting, expectMerged } = openFile()
  const list = lister(path)
  const events = new Map<number, { source: string; eventType: string; status: EventStatus; address: EventAddress }>()
  const expectFound = (round: number) => {
    const [source, eventType] = [`s${round % 5}`, `t${round % 3}`]
    for (const status of [undefined, ...EVENT_STATUSES]) {
      for (const wanted of [{ source }, { eventType }, { source, eventType }]) {
        const filter = { ...wanted, ...(status && { status }) }
        const matches = [...events].filter(([, event]) =>
          Object.entries(filter).every(([name, value]) => Reflect.get(event, name) === value),
        )
        const seqs = matches.map(([seq]) => seq).sort((a, b) => a - b)
        expect(list(filter, 'asc')).toEqual(seqs)
        expect(list(filter, 'desc')).toEqual(seqs.toReversed())
      }
    }
  }
  const moments = { waiting: 0, merged: 0 }
  for (let round = 0; round < 40; round++) {
    // Now and then one that goes to the indexes at once.
    const made = sources(round % 10 === 9 ? MANY + 2 : 60)
    const addresses = create(writer, made)
    for (const [index, address] of addresses.entries()) {
      const { source = '', eventType = '' } = made[index] ?? {}
      events.set(address.seq, { source, eventType, address, status: 'pending' })
    }
    const some = [...events.values()].filter((_, index) => index % 7 === round % 7).slice(-60)
    const acked = some.filter((_, index) => index % 3 === 0)
    const removed = some.filter((_, index) => index % 3 === 1).map(({ address }) => address)
    ack(
      writer,
      acked.map(({ address }) => address),
    )
    for (const event of acked) event.status = 'acknowledged'
    remove(writer, removed)
    for (const { seq } of removed) events.delete(seq)
    if (waiting() > 0) moments.waiting++
    else moments.merged++
    expectFound(round)
  }
  expect(moments.waiting).toBeGreaterThan(10)
  expect(moments.merged).toBeGreaterThan(2)
  await expectMerged()
  expectFound(0)
})

it('keeps what waits within a lot and one transaction, however long events come', () => {
  const file = openFile()
  let most = 0
  for (let round = 0; round < 60; round++) {
    create(file.writer, sources(100))
    most = Math.max(most, file.waiting())
    expect(file.behindMark()).toBe(file.waiting())
  }
  expect(most).toBeGreaterThan(LOT / 2)
  expect(most).toBeLessThan(LOT)
})

it('merges the last few when nothing else comes, and then writes nothing', async () => {
  const file = openFile()
  const [first] = create(file.writer, sources(3))
  expect(file.waiting()).toBe(3)
  await file.expectMerged()
  expect(file.behindMark()).toBe(0)
  if (first === undefined) throw new Error('Three events gave no place.')
  ack(file.writer, [first])
  const version = file.version()
  await new Promise((resolve) => setTimeout(resolve, 700))
  expect(file.version()).toBe(version)
})

it('gives the events of a large transaction their entries at once, and those that waited before it', () => {
  const file = openFile()
  create(file.writer, sources(MANY - 1))
  expect(file.waiting()).toBe(MANY - 1)
  create(file.writer, sources(MANY))
  expect([file.waiting(), file.behindMark()]).toEqual([0, 0])
})

it('finds, and merges, what another run has left', async () => {
  const path = temporaryFile()
  const left = openWriter(path)
  const [first] = create(left, sources(5))
  left.close()
  const file = openFile(path)
  expect(lister(path)({ source: 's0' }, 'asc')).toEqual([first?.seq])
  expect(file.waiting()).toBe(5)
  await file.expectMerged()
  expect(lister(path)({ source: 's0' }, 'asc')).toEqual([first?.seq])
})

it('merges beside another writer on the file, as another process has it', async () => {
  const file = openFile()
  const other = openWriter(file.path)
  onTestFinished(() => other.close())
  const list = lister(file.path)
  const seqs: number[] = []
  for (let round = 0; round < 30; round++) {
    for (const address of create(
      file.writer,
      sources(60, () => 'mine'),
    ))
      seqs.push(address.seq)
    const theirs = create(
      other,
      sources(round % 8 === 7 ? MANY : 70, () => 'theirs'),
    )
    ack(file.writer, theirs.slice(0, 5))
  }
  expect(list({ source: 'mine' }, 'asc')).toEqual(seqs)
  await file.expectMerged()
  expect(list({ source: 'mine' }, 'asc')).toEqual(seqs)
})

it('merges anew what a rollback took back', async () => {
  const path = temporaryFile()
  const { writer, failing } = failingWriter(path)
  const file = openFile(path, writer)
  for (let round = 0; round < 10; round++) create(file.writer, sources(100))
  failing(() => expect(() => create(file.writer, sources(100))).toThrow(/not authorized/))
  expect([file.waiting(), file.behindMark()]).toEqual([1000, 1000])
  expect(lister(path)({ eventType: 't0' }, 'asc')).toHaveLength(340)
  await file.expectMerged()
  expect(lister(path)({ eventType: 't0' }, 'asc')).toHaveLength(340)
})

it('finds imported events, which may move others to new places', async () => {
  const file = openFile()
  const list = lister(file.path)
  const mine = create(
    file.writer,
    sources(3, () => 'mine'),
  )
  const theirs = importAmong(file.writer, mine, newEvent({ source: 'theirs' }))
  const [last] = create(
    file.writer,
    sources(1, () => 'theirs'),
  )
  for (let time = 0; time < 2; time++) {
    expect(list({ source: 'mine' }, 'asc')).toHaveLength(3)
    expect(list({ source: 'theirs' }, 'asc')).toEqual([theirs, last?.seq])
    await file.expectMerged()
  }
})
