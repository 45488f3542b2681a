import type { Config } from '../config.ts'
import type { Deps } from '../deps.ts'
import type { ChangedBy } from '../domain/audit.ts'
import type { Input } from './input.ts'
import type { Printer } from './print.ts'

/** What a command takes, beside `--help` and `--json`. */
export interface Option {
  /** What stands for its value in the help; absent for one that takes none. */
  value?: string
  help: string
}

export interface Command {
  name: string
  /** One line. */
  summary: string
  /** The one word that it takes beside options. */
  argument?: { name: string; help: string }
  options: Readonly<Record<string, Option>>
  /** Paragraphs below the options in its help. */
  notes?: readonly string[]
  run(input: Input<string>, context: CommandContext): Promise<void>
}

export interface CommandContext {
  config: Config
  print: Printer
  /** Says how far it is: a line on standard error. */
  progress(line: string): void
  /** What the audit log says of whatever the command changes. */
  by: ChangedBy
  /** Opens the database; it is closed after the command. */
  open(): Promise<Deps>
  readStdin(): Promise<string>
  /** For what is larger than memory; all else is said with `print` and `progress`. */
  streams: Streams
}

/** The process's, or a test's. */
export interface Streams {
  stdout: Output
  stderr: Output
  stdin: NodeJS.ReadableStream
}

interface Output {
  /** False: it has enough for now, and says `drain` when it has not. */
  write(text: string): unknown
  isTTY?: boolean
}

/** A command whose options are known by name to its `run`. */
export function command<const Name extends string>(
  definition: Omit<Command, 'options' | 'run'> & {
    options: Readonly<Record<Name, Option>>
    run(input: Input<Name>, context: CommandContext): Promise<void>
  },
): Command {
  return definition
}

/** The command was called wrongly; the message says what was expected. */
export class UsageError extends Error {
  override name = 'UsageError'
}
