import { EventEmitter, once } from 'node:events'
import { auditEntry } from '../domain/audit.ts'
import { exportHeader, exportWorkspace } from '../domain/export-workspace.ts'
import { lineOf } from '../domain/moved-out.ts'
import { type Counts, type ExportHeader, noCounts } from '../domain/moved-records.ts'
import { finishFanOut } from '../workers/finish-fan-out.ts'
import { type CommandContext, command, UsageError } from './command.ts'
import { type ExportFile, newExportFile, resumedExportFile } from './export-file.ts'
import { required } from './input.ts'
import { countsText, moveProgress } from './move-progress.ts'
import { checkWorkspaceId, requireWorkspace } from './workspace-option.ts'

export const exportCommand = command({
  name: 'export',
  summary: 'Writes all of a workspace as JSON lines, for `import` into another database.',
  options: {
    workspace: { value: 'ID', help: 'The workspace.' },
    to: { value: 'FILE', help: 'A new file, for its owner alone; without this option standard output.' },
    'with-secrets': { help: 'Also the hashes of API keys, sealed secrets, and the data keys that these need.' },
    resume: { help: 'Goes on with the file of an export that was interrupted.' },
  },
  notes: [
    'To move a workspace: stop the servers that have it, export it with --with-secrets, and import it with --take-over. Servers may run while',
    'it is only copied; what changes meanwhile is in the file or not.',
    'Events without their deliveries yet get them first, as from a server.',
    'Without --with-secrets, the API keys in the file work nowhere until they are rotated. With it, whoever has the file and the master key has',
    'the secrets: delete the file afterwards.',
    'Standard output has the lines alone: then the report, and with --json its document, is left out.',
  ],
  run: async (input, context) => {
    const workspaceId = checkWorkspaceId(required(input.text('workspace'), 'workspace'), '--workspace')
    const [path, withSecrets, isResumed] = [input.text('to'), input.flag('with-secrets'), input.flag('resume')]
    if (isResumed && path === undefined) throw new UsageError('--resume needs --to.')
    if (path === undefined && withSecrets && context.streams.stdout.isTTY) {
      throw new UsageError('--with-secrets writes no secrets to a terminal: name a file with --to.')
    }
    if (path === undefined) await exportToOutput(context, workspaceId, withSecrets)
    else await exportToFile(context, { workspaceId, withSecrets }, path, isResumed)
  },
})

interface Wanted {
  workspaceId: string
  withSecrets: boolean
}

async function exportToOutput(context: CommandContext, workspaceId: string, withSecrets: boolean): Promise<void> {
  const { stdout } = context.streams
  const header = await begin(context, { workspaceId, withSecrets })
  const counts = await copy(context, header, undefined, async (text) => {
    // Whoever reads it slowly must not have all of it in our memory.
    if (stdout.write(text) === false && stdout instanceof EventEmitter) await once(stdout, 'drain')
  })
  await finish(context, header, counts)
}

async function exportToFile(context: CommandContext, wanted: Wanted, path: string, isResumed: boolean): Promise<void> {
  let file = isResumed ? await resumedExportFile(path) : undefined
  try {
    if (file?.header !== undefined) checkSame(file.header, wanted, path)
    if (file?.isWhole) {
      print(context, path, wanted, undefined)
      return
    }
    const header = await begin(context, wanted)
    file ??= await newExportFile(path)
    const counts = await writeTo(context, file, file.header ?? header)
    await finish(context, wanted, counts)
    print(context, path, wanted, counts)
  } finally {
    await file?.handle.close()
  }
}

async function writeTo(context: CommandContext, { handle, header: former, cursor }: ExportFile, header: ExportHeader): Promise<Counts> {
  const { size } = await handle.stat()
  let position = size
  const write = async (text: string) => {
    const bytes = Buffer.from(text)
    for (let from = 0; from < bytes.length; ) {
      const { bytesWritten } = await handle.write(bytes, from, bytes.length - from, position)
      from += bytesWritten
      position += bytesWritten
    }
  }
  const counts = await copy(context, header, former === undefined ? undefined : (cursor ?? null), write)
  await handle.sync()
  return counts
}

/** @param from where it goes on: null for behind the header; undefined: the header is written, too */
async function copy(
  context: CommandContext,
  header: ExportHeader,
  from: ExportFile['cursor'] | null,
  write: (text: string) => Promise<void>,
): Promise<Counts> {
  const { store } = await context.open()
  const progress = moveProgress(context.progress, context.streams.stderr.isTTY === true)
  if (from === undefined) await write(lineOf('header', header))
  let counts = noCounts()
  for await (const step of exportWorkspace({ store, ...header }, from ?? undefined)) {
    await write(step.text)
    counts = step.counts
    progress(counts)
  }
  return counts
}

/** What must be so before anything is read. */
async function begin(context: CommandContext, { workspaceId, withSecrets }: Wanted): Promise<ExportHeader> {
  const deps = await context.open()
  await requireWorkspace(deps.store, workspaceId)
  await deps.store.settled()
  await finishFanOut(deps)
  return exportHeader({ workspaceId, withSecrets }, deps.clock)
}

/** That it was done is nothing of the workspace, whose log is in the file. */
async function finish({ open, by }: CommandContext, { workspaceId, withSecrets }: Wanted, counts: Counts): Promise<void> {
  const { store } = await open()
  const target = { type: 'workspace', id: workspaceId }
  const changes = { with_secrets: { from: null, to: withSecrets }, events: { from: null, to: counts.event } }
  await store.appendAuditEntry(auditEntry(by, { workspaceId: null, action: 'workspace.exported', target, changes }))
}

function checkSame(header: ExportHeader, { workspaceId, withSecrets }: Wanted, path: string): void {
  if (header.workspaceId !== workspaceId) throw new Error(`${path} is of the workspace ${header.workspaceId}, not of ${workspaceId}.`)
  if (header.withSecrets !== withSecrets) {
    throw new Error(`${path} was begun ${header.withSecrets ? 'with' : 'without'} --with-secrets: go on with it in the same way.`)
  }
}

/** @param counts undefined: there was nothing left to do */
function print({ print }: CommandContext, path: string, { workspaceId, withSecrets }: Wanted, counts: Counts | undefined): void {
  const next = withSecrets
    ? 'Whoever has the file and the master key has its secrets: delete it when it is imported.'
    : 'It has no secrets: its API keys work after they are rotated, its webhooks after their secrets are.'
  print.one({ workspace_id: workspaceId, file: path, with_secrets: withSecrets, ...(counts !== undefined && { exported: counts }), next }, [
    counts === undefined ? `${path} is whole already.` : `The workspace ${workspaceId} is in ${path}: ${countsText(counts)}.`,
    next,
  ])
}
