import { parseArgs } from 'node:util'
import { parseTime } from '../domain/time.ts'
import { type Command, UsageError } from './command.ts'

/** What stood behind the command's name. */
export interface Input<Name extends string> {
  help: boolean
  json: boolean
  /** The one word beside the options; empty where the command takes none. */
  argument: string
  flag(option: Name): boolean
  text(option: Name): string | undefined
  /** Separated by commas. */
  list(option: Name): string[] | undefined
  wholeNumber(option: Name, least: number, most: number): number | undefined
  /** Microseconds. */
  time(option: Name, round: 'up' | 'down'): number | undefined
}

/** @throws UsageError */
export function parseInput(command: Command, words: readonly string[]): Input<string> {
  const { values, positionals } = parseWords(command, words)
  const help = values['help'] === true
  if (!help) checkArgument(command, positionals)
  const text = (option: string) => {
    const value = values[option]
    if (typeof value !== 'string') return undefined
    if (value.trim() === '') throw new UsageError(`--${option} needs a value that is not empty.`)
    return value
  }
  return {
    help,
    json: values['json'] === true,
    argument: positionals[0] ?? '',
    flag: (option) => values[option] === true,
    text,
    list: (option) => {
      const value = text(option)
      return value?.split(',').map((item) => item.trim())
    },
    wholeNumber: (option, least, most) => {
      const value = text(option)
      if (value === undefined) return undefined
      const number = /^\d{1,15}$/.test(value) ? Number(value) : Number.NaN
      if (number >= least && number <= most) return number
      throw new UsageError(`--${option} must be a whole number from ${least} to ${most}.`)
    },
    time: (option, round) => {
      const value = text(option)
      if (value === undefined) return undefined
      const us = parseTime(value, round)
      if (us === undefined) throw new UsageError(`--${option} must be an ISO 8601 date or time, such as 2027-01-31T08:00:00Z.`)
      return us
    },
  }
}

function parseWords(command: Command, words: readonly string[]) {
  const options = Object.fromEntries(
    Object.entries({ ...command.options, help: {}, json: {} }).map(([name, option]) => {
      const type: 'string' | 'boolean' = 'value' in option ? 'string' : 'boolean'
      return [name, { type, ...(name === 'help' && { short: 'h' }) }]
    }),
  )
  try {
    const { values, positionals, tokens } = parseArgs({ args: [...words], options, allowPositionals: true, tokens: true })
    const given = tokens.flatMap((token) => (token.kind === 'option' ? [token.name] : []))
    const twice = given.find((name, index) => given.indexOf(name) !== index)
    if (twice !== undefined) throw new UsageError(`--${twice} is given twice.`)
    return { values, positionals }
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    // The first sentence names the option; the rest is about positional arguments.
    throw new UsageError(`${error.message.split(/\.\s/)[0]?.replace(/\.$/, '')}.`)
  }
}

function checkArgument({ argument }: Command, positionals: readonly string[]): void {
  const expected = argument === undefined ? 0 : 1
  if (positionals.length > expected) throw new UsageError('Too many arguments.')
  if (argument !== undefined && positionals.length === 0) throw new UsageError(`${argument.name} is missing: ${argument.help}`)
}

/** @throws UsageError for an option without which the command cannot do anything */
export function required<Value>(value: Value | undefined, option: string): Value {
  if (value === undefined) throw new UsageError(`--${option} is missing.`)
  return value
}
