import { randomUUID } from 'node:crypto'
import { text as readText } from 'node:stream/consumers'
import { parseConfig } from '../config.ts'
import { buildDeps, type Deps } from '../deps.ts'
import { withoutSecrets } from '../domain/api-key-secret.ts'
import { ApiError } from '../errors.ts'
import { StoreUnavailableError } from '../ports.ts'
import { type Command, type Streams, UsageError } from './command.ts'
import { commands } from './commands.ts'
import { helpOf, overview } from './help.ts'
import { type Input, parseInput } from './input.ts'
import { createPrinter } from './print.ts'

const DONE = 0
const FAILED = 1
const WRONG_USAGE = 2

type Environment = Record<string, string | undefined>

/**
 * Runs one of the operator's commands.
 * @param words what stood behind `pnpm admin`
 * @param environment the process's
 * @param streams the process
 * @returns the exit code
 */
export async function runAdmin(words: readonly string[], environment: Environment, streams: Streams): Promise<number> {
  const [name = '', ...rest] = words
  const write = (text: string) => streams.stdout.write(text)
  const complain = (text: string) => streams.stderr.write(`${withoutSecrets(text)}\n`)
  if (name === '--help' || name === '-h' || name === 'help') {
    write(overview(commands))
    return DONE
  }
  const found = commands.find((command) => command.name === name)
  if (found === undefined) {
    complain(name === '' ? overview(commands).trimEnd() : 'There is no such command. `pnpm admin --help` lists them.')
    return WRONG_USAGE
  }
  try {
    const input = parseInput(found, rest)
    if (input.help) write(helpOf(found))
    else await runCommand(found, input, environment, streams)
    return DONE
  } catch (error) {
    const isUsage = error instanceof UsageError
    complain(isUsage ? `${error.message} \`pnpm admin ${name} --help\` tells more.` : failureText(error))
    return isUsage ? WRONG_USAGE : FAILED
  }
}

async function runCommand(command: Command, input: Input<string>, environment: Environment, streams: Streams): Promise<void> {
  const { stdout, stderr, stdin } = streams
  // Standard output is the command's: nothing is logged there. No command has jobs for the workers.
  const config = { ...parseConfig(environment), logLevel: 'silent' as const }
  let deps: Deps | undefined
  try {
    await command.run(input, {
      config,
      print: createPrinter(input.json, (text) => stdout.write(text)),
      progress: (line) => void stderr.write(`${withoutSecrets(line)}\n`),
      by: { principal: null, ip: null, requestId: randomUUID() },
      open: async () => {
        deps ??= await buildDeps(config, { hasJobs: false })
        return deps
      },
      readStdin: () => readText(stdin),
      streams,
    })
  } finally {
    await deps?.store.close()
  }
}

/** What went wrong, and what to do. */
function failureText(error: unknown): string {
  if (error instanceof StoreUnavailableError) {
    return `The database cannot take it now (${error.message}). Try again; when it goes on, see whether the disk is full or another program has locked it.`
  }
  if (error instanceof ApiError) {
    const { suggestion } = error.details
    return typeof suggestion === 'string' ? `${error.message} ${suggestion}` : error.message
  }
  return error instanceof Error ? error.message : String(error)
}
