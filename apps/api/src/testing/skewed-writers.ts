/** Servers whose clocks differ, and a reader that follows what they write. */
import { createdIds, idsOf, newEvent, newWorkspace } from '../adapters/conformance/harness.ts'
import type { EventRecord, Store } from '../ports.ts'
import type { TestTables } from './dynamodb-tables.ts'
import { FakeClock } from './fake-clock.ts'

/**
 * Three servers write, of which one is 2 s late and one 2 s ahead, while the one whose clock is right reads on.
 * @param read what is behind `after`, and from where to go on
 * @returns the ids in the order in which they were written, and seen
 */
export async function followed(
  open: TestTables['open'],
  read: (
    reader: Store,
    workspaceId: string,
    after: string | undefined,
  ) => Promise<{ events: readonly EventRecord[]; next: string | undefined }>,
): Promise<{ written: string[]; seen: string[] }> {
  const [right, slow, fast] = [new FakeClock(), new FakeClock(), new FakeClock()]
  slow.advance({ seconds: -2 })
  fast.advance({ seconds: 2 })
  const { store: reader, tablePrefix } = await open({ clock: right })
  const writers = [reader, (await open({ clock: slow, tablePrefix })).store, (await open({ clock: fast, tablePrefix })).store]
  const workspaceId = newWorkspace()
  const written: string[] = []
  const seen: string[] = []
  let after: string | undefined
  for (let round = 0; round < 30; round++) {
    for (const writer of writers) if (round < 12) written.push(...(await createdIds(writer, workspaceId, [newEvent()])))
    for (const clock of [right, slow, fast]) clock.advance({ us: 900_000 })
    const { events, next } = await read(reader, workspaceId, after)
    seen.push(...idsOf(events))
    after = next
  }
  return { written, seen }
}
