import type { Dynamo } from '../adapters/aws/dynamodb/client.ts'
import { systemClock } from '../adapters/system-clock.ts'
import { auditEntry, type ChangedBy } from '../domain/audit.ts'
import { formatTime } from '../domain/time.ts'
import { command, UsageError } from './command.ts'
import { withDynamo } from './dynamodb.ts'
import { required } from './input.ts'
import { checkWorkspaceId } from './workspace-option.ts'

const MAX_SHARDS = 256
/** Beyond what every server needs to read of it: clocks differ. */
const SLACK_US = 5_000_000

export const setShards = command({
  name: 'set-shards',
  summary: "Spreads a workspace's new events over another number of DynamoDB's partitions.",
  options: {
    workspace: { value: 'WORKSPACE_ID', help: 'The workspace.' },
    shards: { value: 'N', help: `Over how many: a power of two, at most ${MAX_SHARDS}.` },
  },
  notes: [
    'A partition takes some 1,000 events a second, or fewer with indexes and large payloads: docs/PERFORMANCE.md has the rule. More shards',
    'make each list ask more partitions. It holds for events from a minute later on, when every server knows; those before stay where they',
    'are, and nothing is moved. DYNAMODB_SHARDS is what new workspaces begin with.',
  ],
  run: async ({ text, wholeNumber }, { config, print, by }) => {
    const workspaceId = checkWorkspaceId(required(text('workspace'), 'workspace'), '--workspace')
    const count = required(wholeNumber('shards', 1, MAX_SHARDS), 'shards')
    if (!Number.isInteger(Math.log2(count))) throw new UsageError(`--shards must be a power of two: 1, 2, 4, … ${MAX_SHARDS}.`)
    await withDynamo(config, 'With STORE=sqlite a workspace has no shards.', async (dynamo) => {
      const { checkTables } = await import('../adapters/aws/dynamodb/schema.ts')
      await checkTables(dynamo, config.dynamodb.eventIndexes)
      const shards = await change(dynamo, by, workspaceId, count)
      print.one({ workspace_id: workspaceId, shards: count, from: formatTime(shards.fromUs), changed: shards.isChanged }, [
        shards.isChanged
          ? `Events of ${workspaceId} from ${formatTime(shards.fromUs)} on are spread over ${count} shards.`
          : `Events of ${workspaceId} are spread over ${count} shards already.`,
      ])
    })
  },
})

/** @throws Error in words for the operator */
async function change(dynamo: Dynamo, by: ChangedBy, workspaceId: string, count: number): Promise<{ fromUs: number; isChanged: boolean }> {
  const { createWorkspaces, WORKSPACE_LIFETIME_US } = await import('../adapters/aws/dynamodb/workspaces.ts')
  const { auditWrite } = await import('../adapters/aws/dynamodb/audit.ts')
  const workspaces = createWorkspaces(dynamo, systemClock, 1)
  const before = (await workspaces.find(workspaceId))?.shards.at(-1)
  const nowUs = systemClock.nowUs()
  const fromUs = nowUs + 2 * WORKSPACE_LIFETIME_US + SLACK_US
  const entry = auditEntry(by, {
    workspaceId,
    action: 'workspace.shards_changed',
    target: { type: 'workspace', id: workspaceId },
    changes: { shards: { from: before?.count ?? null, to: count } },
  })
  const outcome = await workspaces.setShards(workspaceId, count, fromUs, [auditWrite(entry, nowUs)])
  const after = (await workspaces.find(workspaceId))?.shards.at(-1)
  switch (outcome) {
    case 'set':
      return { fromUs: after?.fromUs ?? 0, isChanged: before?.count !== count }
    case 'unknown':
      throw new Error(
        `There is no workspace ${workspaceId} yet. Make it with \`pnpm admin create-workspace ${workspaceId}\`, or see \`pnpm admin list-workspaces\`.`,
      )
    case 'pending':
      throw new Error(`${after?.count} shards are to hold from ${formatTime(after?.fromUs ?? 0)} on. Change it after that.`)
    case 'changed':
      throw new Error('Somebody else has changed it at this moment. See what holds by running this again.')
    default:
      throw new TypeError(`No such outcome: ${outcome satisfies never}`)
  }
}
