import type { DatabaseSync } from 'node:sqlite'
import { parentPort } from 'node:worker_threads'
import { isStorageFault, openDatabase } from './database.ts'
import type { ThreadWork } from './thread.ts'

const CACHE_KIB = 1024
const EVERY_MS = 200
/** WAL pages (of 4 KiB) above which writers wait a moment, so that the WAL starts anew instead of growing. */
const RESTART_PAGES = 16_384

/**
 * Copies committed pages from the WAL into the main file beside the writer, which never waits for it but in the rare
 * restart. For a thread of its own, since a checkpoint is long disk work.
 */
export function openCheckpointer(path: string): ThreadWork<Record<never, never>> {
  const db = openDatabase(path, { cacheKiB: CACHE_KIB })
  const timer = setInterval(() => {
    try {
      // A passive one first in either case: what is left for the restart, which holds up writers, is then little.
      if (checkpoint(db, 'PASSIVE') > RESTART_PAGES) checkpoint(db, 'RESTART')
    } catch (error) {
      // A full disk or a lock: the pages stay in the WAL, nothing is lost, the next turn tries again.
      if (!isStorageFault(error)) throw error
    }
  }, EVERY_MS)
  return {
    run: () => [],
    close: () => {
      clearInterval(timer)
      try {
        checkpoint(db, 'TRUNCATE')
      } finally {
        db.close()
        parentPort?.close()
      }
    },
  }
}

/** @returns the pages that the WAL holds */
function checkpoint(db: DatabaseSync, mode: 'PASSIVE' | 'RESTART' | 'TRUNCATE'): number {
  return Number(db.prepare(`PRAGMA wal_checkpoint(${mode})`).get()?.['log'])
}
