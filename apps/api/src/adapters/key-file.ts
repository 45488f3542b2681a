import { randomBytes } from 'node:crypto'
import { closeSync, existsSync, fstatSync, fsyncSync, linkSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

const NAME = 'encryption.key'
const KEY_BYTES = 32
/** Any right of the group or of others. */
const RIGHTS_OF_OTHERS = 0o077

/**
 * The text of the key file in the directory of the data, of the form of `ENCRYPTION_KEY`: the master keys of a server that is given none.
 * Processes that make it together end with one key.
 * @throws Error in words for the operator when others may read it, or it is empty
 */
export function readOrMakeKeyFile(directory: string): string {
  const existing = readKeyFile(directory)
  if (existing !== undefined) return existing
  const path = join(directory, NAME)
  withTemporaryFile(path, newMasterKey(), (temporary) => {
    try {
      // Unlike a rename, a link never takes the place of what another process has just made.
      linkSync(temporary, path)
    } catch (error) {
      if (!hasCode(error, 'EEXIST')) throw error
    }
  })
  syncDirectory(directory)
  const made = readKeyFile(directory)
  if (made === undefined) throw new Error(`${path} was removed while it was made. Start again.`)
  return made
}

/**
 * The text of the key file; undefined where there is none.
 * @throws Error in words for the operator when others may read it, or it is empty
 */
export function readKeyFile(directory: string): string | undefined {
  const path = join(directory, NAME)
  if (!existsSync(path)) return undefined
  const file = openSync(path, 'r')
  try {
    // Windows knows no such modes.
    if (process.platform !== 'win32' && (fstatSync(file).mode & RIGHTS_OF_OTHERS) !== 0) {
      throw new Error(`Other users may read or write ${path}, which opens every secret in the database. Run: chmod 600 ${path}`)
    }
    const text = readFileSync(file, 'utf8').trim()
    if (text === '') throw new Error(`${path} is empty. Put the file back from your backup: without its key nothing can be decrypted.`)
    return text
  } finally {
    closeSync(file)
  }
}

/** Replaces the key file whole: a power cut leaves the former one or this one. */
export function writeKeyFile(directory: string, text: string): void {
  const path = join(directory, NAME)
  withTemporaryFile(path, text, (temporary) => renameSync(temporary, path))
  syncDirectory(directory)
}

/** A new master key as the file has it. Its id tells it from every other one that was ever made. */
export function newMasterKey(): string {
  return `file-${randomBytes(6).toString('hex')}:${randomBytes(KEY_BYTES).toString('base64')}`
}

/**
 * Keeps other processes from changing the key file: two changes at once could drop a key that the other one has just used.
 * The lock is SQLite's on a file of its own, because the system gives it back however the process ends.
 * @returns gives it back
 * @throws Error in words for the operator when another process has it
 */
export function lockKeyFile(directory: string): () => void {
  const lock = new DatabaseSync(join(directory, `${NAME}.lock`), { timeout: 0 })
  try {
    lock.exec('BEGIN EXCLUSIVE')
  } catch (error) {
    lock.close()
    throw new Error('Another process is changing the encryption key of this data directory. Wait until it is done, then run this again.', {
      cause: error,
    })
  }
  return () => lock.close()
}

/** Calls `use` with a durable file beside the path, readable by its owner alone, which is gone afterwards. */
function withTemporaryFile(path: string, text: string, use: (temporary: string) => void): void {
  const temporary = `${path}.${randomBytes(8).toString('hex')}.tmp`
  try {
    const file = openSync(temporary, 'wx', 0o600)
    try {
      writeFileSync(file, `${text}\n`)
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
    use(temporary)
  } finally {
    rmSync(temporary, { force: true })
  }
}

/** A name is durable only when its directory is. */
function syncDirectory(directory: string): void {
  if (process.platform === 'win32') return
  const handle = openSync(directory, 'r')
  try {
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
