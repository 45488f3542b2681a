import type { DatabaseSync } from 'node:sqlite'
import { parentPort } from 'node:worker_threads'
import { isStorageFault, openDatabase } from './database.ts'
import type { ThreadWork } from './thread.ts'

const CACHE_KIB = 1024
/** Seldom, as a page that many commits wrote is copied once; not so seldom that the commits beside a copy wait long for the disk. */
const BUSY_MS = 50
const IDLE_MS = 250
/** WAL pages (of 4 KiB) from which the writer is asked to finish, so that the WAL starts anew instead of growing. */
const FINISH_PAGES = 16_384

/**
 * Copies committed pages from the WAL into the main file beside the writer, which goes on meanwhile. Only when there is
 * nothing left to copy does SQLite write the WAL from its beginning again; under load that takes the writer itself, which
 * copies the few pages that came since. Its file then need not grow, which makes every commit's fsync cheaper.
 */
export function openCheckpointer(path: string): ThreadWork<Record<never, never>> {
  const db = openDatabase(path, { cacheKiB: CACHE_KIB })
  let lastPages = 0
  const copy = () => {
    let pages = 0
    try {
      pages = checkpoint(db, 'PASSIVE')
    } catch (error) {
      // A full disk or a lock: the pages stay in the WAL, nothing is lost, the next turn tries again.
      if (!isStorageFault(error)) throw error
    }
    if (pages > FINISH_PAGES && pages !== lastPages) parentPort?.postMessage(null)
    timer = setTimeout(copy, pages === lastPages ? IDLE_MS : BUSY_MS)
    lastPages = pages
  }
  let timer = setTimeout(copy, IDLE_MS)
  return {
    run: () => [],
    close: () => {
      clearTimeout(timer)
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
function checkpoint(db: DatabaseSync, mode: 'PASSIVE' | 'TRUNCATE'): number {
  return Number(db.prepare(`PRAGMA wal_checkpoint(${mode})`).get()?.['log'])
}
