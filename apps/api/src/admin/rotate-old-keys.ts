import type { Deps } from '../deps.ts'
import { rotateApiKey } from '../domain/api-keys.ts'
import type { ChangedBy } from '../domain/audit.ts'
import { eachOf, PAGE } from '../domain/pages.ts'
import { DAY_US, formatTime } from '../domain/time.ts'
import { ApiError } from '../errors.ts'
import type { StoredApiKey } from '../ports.ts'
import { command } from './command.ts'
import { required } from './input.ts'
import { DEFAULT_TRANSITION_DAYS, MAX_TRANSITION_DAYS, rotationDocument, rotationLines } from './rotation.ts'
import { checkWorkspaceId, requireWorkspace } from './workspace-option.ts'

const MAX_DAYS = 36_500

export const rotateOldKeys = command({
  name: 'rotate-old-keys',
  summary: 'Gives every API key whose secret is older than some days a new one, and prints them, this once.',
  options: {
    'older-than-days': { value: 'N', help: `How old a secret must be: 1 to ${MAX_DAYS}.` },
    'transition-days': {
      value: 'N',
      help: `How long the former secrets go on working: 1 to ${MAX_TRANSITION_DAYS}, ${DEFAULT_TRANSITION_DAYS} without this option.`,
    },
    workspace: { value: 'ID', help: 'Only keys of this workspace.' },
    'dry-run': { help: 'Only list the keys that would be rotated.' },
  },
  notes: [
    'Revoked and expired keys are left alone. Each secret is printed as soon as it is made. Interrupted, the command can be',
    'run again: what was rotated is no longer old.',
  ],
  run: async (input, { open, print, by }) => {
    const olderThanDays = required(input.wholeNumber('older-than-days', 1, MAX_DAYS), 'older-than-days')
    const transitionDays = input.wholeNumber('transition-days', 1, MAX_TRANSITION_DAYS) ?? DEFAULT_TRANSITION_DAYS
    const given = input.text('workspace')
    const workspaceId = given === undefined ? undefined : checkWorkspaceId(given, '--workspace')
    const deps = await open()
    if (workspaceId !== undefined) await requireWorkspace(deps.store, workspaceId)
    const old = oldKeys(deps, workspaceId, deps.clock.nowUs() - olderThanDays * DAY_US)
    if (input.flag('dry-run')) {
      await print.list('api_keys', old, {
        document: (apiKey) => ({
          key_id: apiKey.keyId,
          workspace_id: apiKey.workspaceId,
          name: apiKey.name,
          secret_created_at: madeAt(apiKey),
        }),
        lines: (apiKey) => [`${apiKey.keyId}  ${apiKey.workspaceId}  ${apiKey.name}  secret made ${madeAt(apiKey)}`],
        closing: (count) => [`${count} would be rotated.`],
      })
    } else {
      await print.list('rotated', rotations(deps, by, old, transitionDays), {
        document: ({ apiKey, rotation }) => ({
          ...rotationDocument(apiKey.keyId, rotation),
          workspace_id: apiKey.workspaceId,
          name: apiKey.name,
        }),
        lines: ({ apiKey, rotation }) => [`${apiKey.workspaceId}, ${apiKey.name}:`, ...rotationLines(apiKey.keyId, rotation)],
        closing: (count) => [`${count} rotated.`],
      })
    }
  },
})

/** Keys that work, with a secret made before that time. The list's order is that of the keys' making, so rotating moves none of them. */
async function* oldKeys({ store, clock }: Deps, workspaceId: string | undefined, madeBeforeUs: number): AsyncGenerator<StoredApiKey> {
  const apiKeys = eachOf(async (after) => {
    const { apiKeys, next } = await store.listApiKeys({ workspaceId, limit: PAGE, after })
    return { items: apiKeys, next }
  })
  for await (const apiKey of apiKeys) {
    const isOver = apiKey.revokedAtUs !== null || (apiKey.expiresAtUs !== null && apiKey.expiresAtUs <= clock.nowUs())
    if (!isOver && (apiKey.versions[0]?.createdAtUs ?? 0) < madeBeforeUs) yield apiKey
  }
}

async function* rotations(deps: Deps, by: ChangedBy, apiKeys: AsyncIterable<StoredApiKey>, transitionDays: number) {
  for await (const apiKey of apiKeys) {
    try {
      yield { apiKey, rotation: await rotateApiKey(deps, by, null, apiKey.keyId, { transitionDays }) }
    } catch (error) {
      // It was revoked, or has expired, since it was listed.
      if (!(error instanceof ApiError && error.code === 'CONFLICT')) throw error
    }
  }
}

function madeAt({ versions, createdAtUs }: StoredApiKey): string {
  return formatTime(versions[0]?.createdAtUs ?? createdAtUs)
}
