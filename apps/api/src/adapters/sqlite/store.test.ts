import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import type { Store } from '../../ports.ts'
import { FakeClock } from '../../testing/fake-clock.ts'
import { storeConformance } from '../conformance/store.ts'
import { openSqliteStore } from './store.ts'

const opened: { store: Store; directory: string }[] = []

storeConformance('SQLite', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'triggers-sqlite-'))
  const clock = new FakeClock()
  const open = () => openSqliteStore({ directory, eventTtlDays: 7, clock })
  const store = await open()
  opened.push({ store, directory })
  return { store, clock, reopen: open, settle: async () => {} }
})

afterAll(async () => {
  for (const { store, directory } of opened) {
    await store.close()
    rmSync(directory, { recursive: true, force: true })
  }
})
