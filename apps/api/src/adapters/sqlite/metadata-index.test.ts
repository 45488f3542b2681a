import { expect, it, onTestFinished, vi } from 'vitest'
import { EVENT_STATUSES, type EventStatus } from '../../ports.ts'
import { ack, create, failingWriter, importAmong, lister, openBeside, remove, temporaryFile } from '../../testing/event-file.ts'
import { newEventWith } from '../conformance/harness.ts'
import { metadataTerms } from '../metadata-terms.ts'
import type { EventAddress } from './event-id.ts'
import { openWriter, type Writer } from './writer.ts'

const TENANTS = 50
const LOT = 8192

/** A file with a look at its tables, beside writers. */
function openFile(path: string, writer = openWriter(path)) {
  const { db, count } = openBeside(path, writer)
  const workspaceIndex = () => db.prepare('SELECT workspace, key, value, status, seq FROM event_metadata ORDER BY 1, 2, 3, 4, 5').all()
  return {
    writer,
    waiting: () => count('SELECT count(*) AS n FROM event_metadata_new'),
    merged: () => count('SELECT count(*) AS n FROM event_metadata'),
    /** Whether some of the terms that wait have been merged already. */
    isAmidLot: () => count('SELECT count(*) AS n FROM event_metadata_new JOIN event_metadata USING (workspace, key, value, seq)') > 0,
    async expectWholeIndex() {
      await vi.waitFor(() => expect(count('SELECT count(*) AS n FROM event_metadata_new')).toBe(0), { timeout: 10_000 })
      const events = db.prepare('SELECT workspace, status, seq, metadata FROM events').all()
      const expected = events.flatMap(({ metadata, ...event }) =>
        metadataTerms(String(metadata)).map(([key, value]) => ({ ...event, key, value })),
      )
      const keyOf = (row: Record<string, unknown>) => [row['workspace'], row['key'], row['value'], row['status'], row['seq']].join()
      expect(workspaceIndex().map(keyOf).sort()).toEqual(expected.map(keyOf).sort())
      expect(expected.length).toBeGreaterThan(0)
    },
  }
}

let made = 0

/** One transaction of events, tenant by tenant, at two terms each. @returns their places, and whose they are */
function createTenants(writer: Writer, count: number): { address: EventAddress; tenant: string }[] {
  const tenants = Array.from({ length: count }, () => `t${made++ % TENANTS}`)
  const addresses = create(
    writer,
    tenants.map((tenant) => newEventWith({ tenant, run: made })),
  )
  return addresses.map((address, index) => ({ address, tenant: tenants[index] ?? '' }))
}

it('finds events by their metadata, in order, wherever it is at that moment', async () => {
  const path = temporaryFile()
  const file = openFile(path)
  const list = lister(path)
  const events = new Map<number, { tenant: string; status: EventStatus; address: EventAddress }>()
  const found = (tenant: string, status: EventStatus | undefined, order: 'asc' | 'desc') =>
    list({ metadata: { tenant }, ...(status !== undefined && { status }), source: 'suite' }, order)
  const moments = { waiting: 0, amidLot: 0 }
  for (let round = 0; round < 60; round++) {
    const created = createTenants(file.writer, 150)
    for (const { address, tenant } of created) events.set(address.seq, { tenant, address, status: 'pending' })
    // Of this round, and of former ones.
    const some = [...events.values()].filter((_, index) => index % 7 === round % 7).slice(-120)
    const acked = some.filter((_, index) => index % 3 === 0)
    const removed = some.filter((_, index) => index % 3 === 1)
    ack(
      file.writer,
      acked.map(({ address }) => address),
    )
    for (const event of acked) event.status = 'acknowledged'
    remove(
      file.writer,
      removed.map(({ address }) => address),
    )
    for (const { address } of removed) events.delete(address.seq)
    if (file.waiting() > 0) moments.waiting++
    if (file.isAmidLot()) moments.amidLot++
    for (const status of [undefined, ...EVENT_STATUSES]) {
      const tenant = `t${(round * 11) % TENANTS}`
      const expected = [...events].filter(([, event]) => event.tenant === tenant && (status ?? event.status) === event.status)
      const seqs = expected.map(([seq]) => seq).sort((a, b) => a - b)
      expect(found(tenant, status, 'asc')).toEqual(seqs)
      expect(found(tenant, status, 'desc')).toEqual(seqs.toReversed())
    }
  }
  expect(moments.waiting).toBeGreaterThan(10)
  expect(moments.amidLot).toBeGreaterThan(10)
  await file.expectWholeIndex()
  expect(found('t0', undefined, 'asc')).toHaveLength([...events.values()].filter(({ tenant }) => tenant === 't0').length)
})

it('keeps what waits within two lots, however long events come', () => {
  const file = openFile(temporaryFile())
  let most = 0
  for (let round = 0; round < 300; round++) {
    createTenants(file.writer, 100)
    most = Math.max(most, file.waiting())
  }
  expect(most).toBeGreaterThan(LOT)
  expect(most).toBeLessThanOrEqual(2 * LOT + 200)
  expect(file.merged()).toBeGreaterThan(20_000)
})

it('merges the last few when nothing else comes', async () => {
  const file = openFile(temporaryFile())
  createTenants(file.writer, 3)
  expect([file.waiting(), file.merged()]).toEqual([6, 0])
  await file.expectWholeIndex()
  expect([file.waiting(), file.merged()]).toEqual([0, 6])
})

it('merges while events keep coming, however few', async () => {
  const file = openFile(temporaryFile())
  const trickle = setInterval(() => createTenants(file.writer, 3), 40)
  onTestFinished(() => clearInterval(trickle))
  await vi.waitFor(() => expect(file.merged()).toBeGreaterThan(100), { timeout: 10_000 })
  await vi.waitFor(() => expect(file.waiting()).toBeLessThan(file.merged() / 2), { timeout: 10_000 })
})

it('merges what a writer left amid a lot, once', async () => {
  const path = temporaryFile()
  const left = openWriter(path)
  const created = Array.from({ length: 45 }, () => createTenants(left, 100)).flat()
  left.close()
  const file = openFile(path)
  expect(file.isAmidLot()).toBe(true)
  ack(
    file.writer,
    created.filter((_, index) => index % 2 === 0).map(({ address }) => address),
  )
  await file.expectWholeIndex()
})

it('merges beside another writer on the file, as another process has it', async () => {
  const path = temporaryFile()
  const file = openFile(path)
  const other = openWriter(path)
  onTestFinished(() => other.close())
  for (let round = 0; round < 60; round++) {
    const mine = createTenants(file.writer, 60).map(({ address }) => address)
    const theirs = createTenants(other, 70).map(({ address }) => address)
    ack(other, mine.slice(0, 20))
    remove(file.writer, theirs.slice(0, 20))
    ack(file.writer, theirs.slice(20, 30))
  }
  await file.expectWholeIndex()
})

it('merges anew what a rollback took back', async () => {
  const path = temporaryFile()
  const { writer, failing } = failingWriter(path)
  const file = openFile(path, writer)
  for (let round = 0; round < 45; round++) createTenants(file.writer, 100)
  expect(file.isAmidLot()).toBe(true)
  failing(() => expect(() => createTenants(file.writer, 100)).toThrow(/not authorized/))
  createTenants(file.writer, 100)
  await file.expectWholeIndex()
})

it('merges before an import, which moves events to other places', async () => {
  const file = openFile(temporaryFile())
  const addresses = createTenants(file.writer, 3).map(({ address }) => address)
  // At the first one's time and behind it: at the second one's place.
  importAmong(file.writer, addresses, newEventWith({ tenant: 'moved' }))
  createTenants(file.writer, 1)
  await file.expectWholeIndex()
})
