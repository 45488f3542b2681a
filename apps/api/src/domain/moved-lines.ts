import type { z } from 'zod'
import {
  CursorLine,
  End,
  type ExportCursor,
  type ExportHeader,
  FORMAT,
  Header,
  MOVED_KINDS,
  MOVED_RECORDS,
  type MovedKind,
  type MovedRecord,
} from './moved-records.ts'
import { LineError, type TextLine } from './text-lines.ts'

export type ParsedRecord = { [Kind in MovedKind]: { kind: Kind; record: MovedRecord<Kind> } }[MovedKind]

const NOT_OURS = 'is not the header of an exported workspace'

/** @throws LineError for what is no header, or one of a format that is not known */
export function parseHeader(line: TextLine): ExportHeader {
  const value = jsonOf(line)
  const format = isObject(value) && isObject(value['header']) ? value['header']['format'] : undefined
  if (typeof format === 'number' && format > FORMAT) {
    throw new LineError(
      line.number,
      `is of format ${format}, and this program knows ${FORMAT}: a newer version of Triggers wrote it. Use that or a later one`,
    )
  }
  const parsed = Header.safeParse(value)
  if (!parsed.success) throw new LineError(line.number, NOT_OURS)
  return parsed.data.header
}

/** What the line begins with; the rest is not looked at. @throws LineError */
export function kindOf({ number, bytes }: TextLine): MovedKind | 'cursor' | 'end' {
  const [, name] = /^\{"([a-z_]{1,20})":/.exec(bytes.toString('latin1', 0, 24)) ?? []
  const kind = name === 'cursor' || name === 'end' ? name : MOVED_KINDS.find((known) => known === name)
  if (kind === undefined) throw new LineError(number, 'is no record of a kind that is known')
  return kind
}

/** @throws LineError */
export function parseRecord(line: TextLine, kind: MovedKind): ParsedRecord {
  const value = jsonOf(line)
  const parsed = MOVED_RECORDS[kind].safeParse(isObject(value) && Object.keys(value).length === 1 ? value[kind] : undefined)
  if (!parsed.success) throw new LineError(line.number, `(${kind}) ${problemOf(parsed.error.issues)}`)
  // Kind and schema go together in the table.
  return { kind, record: parsed.data } as ParsedRecord
}

/** @throws LineError */
export function parseEnd(line: TextLine): z.output<typeof End>['end'] {
  const parsed = End.safeParse(jsonOf(line))
  if (!parsed.success) throw new LineError(line.number, 'is no closing line')
  return parsed.data.end
}

/** Undefined for another line. */
export function cursorOf(line: TextLine): ExportCursor | undefined {
  const parsed = CursorLine.safeParse(jsonOf(line))
  return parsed.success ? parsed.data.cursor : undefined
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** The parser's own words would show a piece of the line, and that could be of a secret. */
function jsonOf({ number, bytes }: TextLine): unknown {
  try {
    return JSON.parse(utf8.decode(bytes))
  } catch {
    throw new LineError(number, number === 1 ? NOT_OURS : 'is no JSON text in UTF-8')
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Names the place, and no value. */
function problemOf([issue]: readonly z.core.$ZodIssue[]): string {
  const place = issue?.path.length ? `${issue.path.join('.')}: ` : ''
  if (issue?.code === 'unrecognized_keys') return `${place}has a field that is not known`
  return `${place}${issue?.message ?? 'is not of the form that is known'}`
}
