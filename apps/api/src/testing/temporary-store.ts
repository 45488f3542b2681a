import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { openSqliteStore, type SqliteOptions, type SqliteStore } from '../adapters/sqlite/store.ts'
import type { Clock } from '../ports.ts'
import { FakeClock } from './fake-clock.ts'

/** A store in a folder of its own, gone with the test; `reopen` opens it once more, as another process does. */
export async function temporaryStore(
  clock: Clock = new FakeClock(),
  options: Pick<SqliteOptions, 'maxReceives'> = {},
): Promise<{ store: SqliteStore; reopen: () => Promise<SqliteStore>; directory: string }> {
  const directory = mkdtempSync(join(tmpdir(), 'triggers-store-'))
  const opened: SqliteStore[] = []
  const open = async () => {
    const store = await openSqliteStore({ directory, eventTtlDays: 7, clock, ...options })
    opened.push(store)
    return store
  }
  onTestFinished(async () => {
    for (const store of opened) await store.close()
    rmSync(directory, { recursive: true, force: true })
  })
  return { store: await open(), reopen: open, directory }
}
