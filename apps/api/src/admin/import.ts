import { createReadStream } from 'node:fs'
import { readKeyFile } from '../adapters/key-file.ts'
import { auditEntry } from '../domain/audit.ts'
import { type ImportReport, importWorkspace } from '../domain/import-workspace.ts'
import { LineError } from '../domain/text-lines.ts'
import { type MasterKey, parseMasterKeys } from '../domain/vault.ts'
import { type CommandContext, command } from './command.ts'
import { countsText, moveProgress } from './move-progress.ts'

const MAX_LINE = 999_999_999_999_999

export const importCommand = command({
  name: 'import',
  summary: 'Takes in a workspace that `export` has written, with its ids and times.',
  argument: { name: 'FILE', help: 'The file; - reads standard input.' },
  options: {
    'take-over': { help: 'The workspace goes on here: its webhooks stay active, and what is pending is sent.' },
    'from-line': { value: 'N', help: 'Passes over what is before this line of the file: it was imported.' },
  },
  notes: [
    'What is there already stays as it is. So an import that was interrupted is run again, perhaps with --from-line to save time: standard',
    'error says how far it was.',
    'With --take-over, no server may run any more with the workspace that was exported: both would send what was pending. Without it,',
    'webhooks come switched off, what is pending is held, and replays that ran have failed: switch the webhooks on, and replay what was held.',
    'A file with secrets needs the master key of where it comes from in ENCRYPTION_KEY (or the key file), and a database with the same data',
    'keys: one without API keys and webhooks takes them from the file. Restart the servers afterwards.',
    'From a file without secrets, API keys work after `rotate-key`. Webhooks get other secrets, and lose their own headers.',
  ],
  run: async (input, context) => {
    const { argument } = input
    const fromLine = input.wholeNumber('from-line', 1, MAX_LINE) ?? 1
    const deps = await context.open()
    const progress = moveProgress(context.progress, context.streams.stderr.isTTY === true)
    const report = await importWorkspace(
      {
        ...{ store: deps.store, clock: deps.clock, masterKeys: masterKeysOf(context), fromLine },
        eventTtlDays: deps.config.eventTtlDays,
        takeOver: input.flag('take-over'),
        onProgress: (read, line) => progress(read, ` up to line ${line}`),
      },
      bytesOf(argument === '-' ? context.streams.stdin : createReadStream(argument)),
    ).catch((error) => {
      throw inWords(error, argument)
    })
    await audit(context, report)
    print(context, report, input.flag('take-over'))
  },
})

async function* bytesOf(stream: AsyncIterable<string | Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const chunk of stream) yield Buffer.from(chunk)
}

function masterKeysOf({ config }: CommandContext): readonly MasterKey[] {
  // The file is there: it is made when the database is opened.
  return config.masterKeys ?? parseMasterKeys(readKeyFile(config.dataDirectory) ?? '')
}

function inWords(error: unknown, file: string): unknown {
  if (error instanceof LineError) {
    return new Error(
      `${error.message}. What is before it was imported; run it again with the whole file, or a correct one: what is there is skipped.`,
    )
  }
  const isOfFile = error instanceof Error && 'code' in error && 'syscall' in error
  return isOfFile ? new Error(`The file ${file} cannot be read (${error.message}).`) : error
}

/** That it was done is nothing of the workspace, whose log came with it. */
async function audit({ open, by }: CommandContext, { header, written }: ImportReport): Promise<void> {
  const { store } = await open()
  const target = { type: 'workspace', id: header.workspaceId }
  const changes = { with_secrets: { from: null, to: header.withSecrets }, events: { from: null, to: written.event } }
  await store.appendAuditEntry(auditEntry(by, { workspaceId: null, action: 'workspace.imported', target, changes }))
}

function print({ print }: CommandContext, report: ImportReport, takeOver: boolean): void {
  const { header, written, there, expired, hasOtherDataKeys } = report
  const { workspaceId, withSecrets } = header
  const next = [
    ...(hasOtherDataKeys ? ['The data keys of the file were taken over: restart the servers of this database.'] : []),
    ...(withSecrets || written.api_key === 0 ? [] : ['The API keys have no secrets: give each one with `pnpm admin rotate-key KEY_ID`.']),
    ...(withSecrets || written.webhook === 0
      ? []
      : ['The webhooks have new secrets and no headers of their own: rotate the secrets, and set the headers.']),
    ...(takeOver || written.webhook === 0
      ? []
      : ['The webhooks are switched off, and what was pending is held: switch them on, and replay what is held.']),
    ...(withSecrets ? ['Delete the file: with the master key, it gives its secrets away.'] : []),
  ]
  print.one({ workspace_id: workspaceId, imported: written, there_already: there, expired, took_data_keys: hasOtherDataKeys, next }, [
    `The workspace ${workspaceId}: ${countsText(written)} imported; ${countsText(there)} there already; ${countsText(expired)} expired.`,
    ...next,
  ])
}
