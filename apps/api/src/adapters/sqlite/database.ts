import { DatabaseSync, type StatementSync } from 'node:sqlite'

/** How long a statement waits for another process's lock before it gives up, in milliseconds. */
const BUSY_TIMEOUT_MS = 1000

/** Opens the file in WAL mode, an answered commit being on the disk (`synchronous = FULL`). */
export function openDatabase(path: string, options: { cacheKiB: number; readOnly?: boolean }): DatabaseSync {
  try {
    const db = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS, readOnly: options.readOnly ?? false })
    if (!options.readOnly) db.exec('PRAGMA journal_mode = WAL')
    // The checkpoint thread does them: in the writer they would hold up every create behind them.
    db.exec(`PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0; PRAGMA cache_size = -${options.cacheKiB}`)
    return db
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new Error(`Cannot open ${path} (${reason}). Set DATA_DIR to a directory that can be written.`, { cause: error })
  }
}

/** A table of statements, each under its name. */
export function prepareAll<Name extends string>(db: DatabaseSync, table: Readonly<Record<Name, string>>): Record<Name, StatementSync> {
  const prepared = Object.entries<string>(table).map(([name, sql]) => [name, db.prepare(sql)])
  // `fromEntries` forgets which names there are; they are the table's.
  return Object.fromEntries(prepared) as Record<Name, StatementSync>
}

/** SQLite's primary result codes that say "not now": https://sqlite.org/rescode.html */
const UNAVAILABLE = new Set([
  5 /* BUSY */, 6 /* LOCKED */, 7 /* NOMEM */, 8 /* READONLY */, 10 /* IOERR */, 13 /* FULL */, 14 /* CANTOPEN */,
])

/** True for a fault of the storage, false for one of the program. */
export function isStorageFault(error: unknown): boolean {
  const code = error instanceof Error && 'errcode' in error ? Number(error.errcode) : 0
  return UNAVAILABLE.has(code & 0xff)
}
