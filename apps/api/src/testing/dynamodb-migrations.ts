/** Tables of DynamoDB with events in them, for tests of what changes such tables. */
import type { Dynamo } from '../adapters/aws/dynamodb/client.ts'
import { eventItems, fieldKey } from '../adapters/aws/dynamodb/event-item.ts'
import { migrate } from '../adapters/aws/dynamodb/migrations.ts'
import type { Item } from '../adapters/aws/dynamodb/notation.ts'
import { eventIndexOf } from '../adapters/aws/dynamodb/tables.ts'
import { createWorkspaces, partitionOf } from '../adapters/aws/dynamodb/workspaces.ts'
import { systemClock } from '../adapters/system-clock.ts'
import type { EventRecord } from '../ports.ts'
import { newUuid } from '../uuid.ts'
import { testTables } from './dynamodb-tables.ts'

export const DAY_US = 86_400e6
const SHARDS = 4

/**
 * For the top of a file.
 * @param endpointUrl of a DynamoDB Local that no other file uses: it has ten threads, of which each table with a TTL keeps one, and makes indexes with those left.
 */
export function tablesWithoutTtl(endpointUrl: string) {
  const tables = testTables(endpointUrl)

  function dynamoOf(prefix: string): Dynamo {
    const dynamo = tables.dynamoOf(prefix)
    Object.assign(dynamo.raw, { updateTimeToLive: async () => ({}) })
    return dynamo
  }

  return {
    dynamoOf,
    dynamoWithTtlOf: tables.dynamoOf,
    newPrefix: tables.newPrefix,

    /** Tables as a server with these indexes has them, and the way to them. */
    async newTables(fields: readonly string[] = []): Promise<Dynamo> {
      const dynamo = dynamoOf(tables.newPrefix())
      await migrate(dynamo, { clock: systemClock, eventFields: fields })
      return dynamo
    },
  }
}

export const PRIORITIES = ['low', 'normal', 'high']

/** Events of all kinds, half of them acknowledged, as a server with indexes by `fields` writes them. @returns their ids */
export async function writeEvents(
  dynamo: Dynamo,
  fields: readonly string[],
  { workspaceId = 'shop', count = 100, atUs = systemClock.nowUs(), payload = '{}' } = {},
): Promise<string[]> {
  const workspace = await createWorkspaces(dynamo, systemClock, SHARDS).findOrMake(workspaceId)
  const context = { eventTtlUs: 7 * DAY_US, indexes: { all: fields, ready: [] } }
  const records = Array.from({ length: count }, (_, index): EventRecord => {
    const createdAtUs = atUs + index
    return {
      eventId: newUuid(createdAtUs),
      createdAtUs,
      source: `source-${index % 3}`,
      eventType: 'order.placed',
      payload,
      metadata: JSON.stringify({ priority: PRIORITIES[index % 3], ...(index % 5 > 0 && { region: `r${index % 5}` }) }),
      status: index % 2 === 0 ? 'pending' : 'acknowledged',
      acknowledgedAtUs: index % 2 === 0 ? null : createdAtUs + 1,
    }
  })
  const items = records
    .map((record) => eventItems(workspace, record, record.eventId, context))
    .flatMap(({ item, parts }) => [...parts, item])
  for (let from = 0; from < items.length; from += 25) {
    await dynamo.batchWrite(
      'events',
      items.slice(from, from + 25).map((put) => ({ put })),
    )
  }
  return records.map(({ eventId }) => eventId)
}

async function collected(items: AsyncIterable<Item>): Promise<Item[]> {
  const found: Item[] = []
  for await (const item of items) found.push(item)
  return found
}

/** What the table has in a workspace. */
export async function eventsOf(dynamo: Dynamo, workspaceId: string) {
  const partitions = Array.from({ length: SHARDS }, (_, shard) => partitionOf({ workspaceId, shards: [] }, shard))
  const pages = partitions.map((pk) => collected(dynamo.queryAll({ table: 'events', where: 'pk = :pk', values: { pk } })))
  return (await Promise.all(pages)).flat()
}

/** What is in the index under a value, as `state` has it: the status, and the id. */
export async function indexedUnder(dynamo: Dynamo, field: string, workspaceId: string, value: string): Promise<string[]> {
  const { name: index, attribute } = eventIndexOf(field)
  const shards = Array.from({ length: SHARDS }, (_, shard) =>
    collected(
      dynamo.queryAll({
        table: 'events',
        index,
        where: '#by = :by',
        names: { by: attribute },
        values: { by: fieldKey(partitionOf({ workspaceId, shards: [] }, shard), value) },
      }),
    ),
  )
  return (await Promise.all(shards))
    .flat()
    .map(({ state }) => String(state))
    .sort()
}
