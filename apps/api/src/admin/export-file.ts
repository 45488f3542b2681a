import { type FileHandle, open } from 'node:fs/promises'
import { cursorOf, kindOf, parseHeader } from '../domain/moved-lines.ts'
import type { ExportCursor, ExportHeader } from '../domain/moved-records.ts'

/** Events are nobody else's business on this machine, and secrets even less. */
const OWNER_ONLY = 0o600
const MAX_HEADER_BYTES = 4096
const CHUNK_BYTES = 1_048_576
const LINE_FEED = 0x0a

/** A file that an export goes into. */
export interface ExportFile {
  handle: FileHandle
  /** Of the file that is gone on with; undefined for a new one. */
  header?: ExportHeader
  /** Where it goes on; undefined: behind the header. */
  cursor?: ExportCursor
  /** Nothing is missing. */
  isWhole?: boolean
}

/** @throws Error in words for the operator when it is there already */
export async function newExportFile(path: string): Promise<ExportFile> {
  try {
    return { handle: await open(path, 'wx', OWNER_ONLY) }
  } catch (error) {
    if (!isCode(error, 'EEXIST')) throw cannot('written', error)
    throw new Error(`${path} is there already. To go on with an export that was interrupted, add --resume; else choose another file.`)
  }
}

/**
 * Opens the file of an export that was interrupted, cut off behind the last line that another export can go on from.
 * @throws Error in words for the operator
 */
export async function resumedExportFile(path: string): Promise<ExportFile> {
  const handle = await open(path, 'r+').catch((error) => {
    throw cannot('gone on with', error)
  })
  try {
    const { size, mode } = await handle.stat()
    if ((mode & 0o077) !== 0) throw new Error(`${path} can be read by others. Run chmod 600 ${path}, and repeat this.`)
    const header = await headerOf(handle)
    if (header === undefined)
      throw new Error(`${path} has no header of an exported workspace: there is nothing to go on with. Remove it, and export anew.`)
    const last = await lastPlace(handle, header.end, size)
    await handle.truncate(last.end)
    return { handle, header: header.header, isWhole: last.isWhole, ...(last.cursor !== undefined && { cursor: last.cursor }) }
  } catch (error) {
    await handle.close()
    throw error
  }
}

async function headerOf(handle: FileHandle): Promise<{ header: ExportHeader; end: number } | undefined> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(MAX_HEADER_BYTES), 0, MAX_HEADER_BYTES, 0)
  const end = buffer.subarray(0, bytesRead).indexOf(LINE_FEED)
  return end === -1 ? undefined : { header: parseHeader({ number: 1, bytes: buffer.subarray(0, end) }), end: end + 1 }
}

interface Place {
  end: number
  cursor?: ExportCursor
  isWhole: boolean
}

/** Looks for it from the end on: what was torn there is short. */
async function lastPlace(handle: FileHandle, from: number, size: number): Promise<Place> {
  let tail = Buffer.alloc(0)
  for (let start = size; start > from; ) {
    const length = Math.min(CHUNK_BYTES, start - from)
    start -= length
    const { buffer } = await handle.read(Buffer.alloc(length), 0, length, start)
    tail = Buffer.concat([buffer, tail])
    for (let end = tail.lastIndexOf(LINE_FEED); end > 0; ) {
      const before = tail.lastIndexOf(LINE_FEED, end - 1)
      // Its beginning is not read yet.
      if (before === -1 && start > from) break
      const bytes = tail.subarray(before + 1, end)
      const place = placeOf(bytes)
      if (place !== undefined) return { ...place, end: start + end + 1 }
      end = before
    }
    // What was looked at is not looked at again.
    const first = tail.indexOf(LINE_FEED)
    if (first !== -1) tail = tail.subarray(0, first + 1)
  }
  return { end: from, isWhole: false }
}

function placeOf(bytes: Buffer): Omit<Place, 'end'> | undefined {
  const line = { number: 0, bytes }
  try {
    const kind = kindOf(line)
    if (kind === 'end') return { isWhole: true }
    const cursor = kind === 'cursor' ? cursorOf(line) : undefined
    return cursor && { cursor, isWhole: false }
  } catch {
    // A power cut may leave anything.
    return undefined
  }
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}

function cannot(done: string, error: unknown): Error {
  return new Error(`The file cannot be ${done} (${error instanceof Error ? error.message : error}).`)
}
