import type { Command } from './command.ts'

const EXIT_CODES = 'Exit codes: 0 done, 1 failed, 2 wrong usage.'
const ALWAYS = {
  json: { help: 'Print one JSON document instead of text.' },
  help: { help: 'Print this.' },
}

export function overview(commands: readonly Command[]): string {
  const rows = commands.map(({ name, summary }): [string, string] => [name, summary])
  return lines(
    'Usage: pnpm admin <command> [options]',
    '',
    "The operator's commands. They work on the server's database (with STORE, DATA_DIR or DYNAMODB_…, ENCRYPTION_KEY and AUTH_MODE",
    'as the server has them), without the server, and beside one that runs.',
    '',
    ...columns(rows),
    '',
    "`pnpm admin <command> --help` tells more. Standard output is the command's alone; `pnpm --silent admin …` leaves out what pnpm itself",
    'prints on standard error.',
    EXIT_CODES,
  )
}

export function helpOf({ name, summary, argument, options, notes = [] }: Command): string {
  const rows = Object.entries({ ...options, ...ALWAYS }).map(([option, { help, ...rest }]): [string, string] => [
    `--${option}${'value' in rest ? ` ${rest.value}` : ''}`,
    help,
  ])
  return lines(
    `Usage: ${usageOf(name, argument)} [options]`,
    '',
    summary,
    '',
    ...columns([...(argument ? [[argument.name, argument.help] satisfies [string, string]] : []), ...rows]),
    ...notes.flatMap((note) => ['', note]),
    '',
    EXIT_CODES,
  )
}

function usageOf(name: string, argument: Command['argument']): string {
  return ['pnpm admin', name, ...(argument ? [argument.name] : [])].join(' ')
}

function columns(rows: readonly [string, string][]): string[] {
  const width = Math.max(...rows.map(([left]) => left.length))
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`)
}

function lines(...texts: string[]): string {
  return `${texts.join('\n')}\n`
}
