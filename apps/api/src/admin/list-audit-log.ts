import { PAGE } from '../domain/pages.ts'
import { formatTime } from '../domain/time.ts'
import type { AuditEntry, AuditQuery, Store } from '../ports.ts'
import { presentAuditEntry } from '../routes/audit-log/schemas.ts'
import { command } from './command.ts'
import { checkWorkspaceId, requireWorkspace } from './workspace-option.ts'

const DEFAULT_LIMIT = 100
const MAX_LIMIT = 1_000_000

export const listAuditLog = command({
  name: 'list-audit-log',
  summary: 'Lists what was changed, by whom and from where, the newest first.',
  options: {
    workspace: { value: 'ID', help: "A workspace's entries; without this option those of the whole installation." },
    action: { value: 'NAME', help: 'Only these, such as api_key.rotated.' },
    'created-after': { value: 'TIME', help: 'Only entries from this time on: ISO 8601.' },
    'created-before': { value: 'TIME', help: 'Only entries up to this time: ISO 8601.' },
    limit: { value: 'N', help: `How many at the most; ${DEFAULT_LIMIT} without this option.` },
  },
  run: async (input, { open, print }) => {
    const given = input.text('workspace')
    const workspaceId = given === undefined ? null : checkWorkspaceId(given, '--workspace')
    const query = {
      workspaceId,
      action: input.text('action'),
      createdAfterUs: input.time('created-after', 'up'),
      createdBeforeUs: input.time('created-before', 'down'),
    }
    const limit = input.wholeNumber('limit', 1, MAX_LIMIT) ?? DEFAULT_LIMIT
    const { store } = await open()
    if (workspaceId !== null) await requireWorkspace(store, workspaceId)
    await print.list('entries', entries(store, query, limit), {
      document: presentAuditEntry,
      lines: (entry) => [lineOf(entry)],
      closing: (count) => (count === 0 ? ['There is no such entry.'] : []),
    })
  },
})

async function* entries(store: Store, query: Omit<AuditQuery, 'limit' | 'after'>, limit: number): AsyncGenerator<AuditEntry> {
  let left = limit
  let after: string | undefined
  do {
    const { entries, next } = await store.listAuditEntries({ ...query, limit: Math.min(left, PAGE), after })
    yield* entries
    left -= entries.length
    after = next ?? undefined
  } while (after !== undefined && left > 0)
}

function lineOf({ createdAtUs, action, actor, target, changes, ip }: AuditEntry): string {
  const who = actor.keyId ?? actor.type
  return [formatTime(createdAtUs), action, target.id, `by ${who}${ip === null ? '' : ` from ${ip}`}`, JSON.stringify(changes)].join('  ')
}
