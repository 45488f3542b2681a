import { unmarshall } from '@aws-sdk/util-dynamodb'
import type { Dynamo } from '../adapters/aws/dynamodb/client.ts'
import { textOf } from '../adapters/aws/dynamodb/compressed.ts'
import { type Item, TABLES } from '../adapters/aws/dynamodb/notation.ts'

/** What a workspace of 4 shards has in the table of events: events and their parts. */
export async function storedItems(dynamo: Dynamo, workspaceId: string): Promise<Item[]> {
  const found: Item[] = []
  for (let shard = 0; shard < 4; shard++) {
    for (const pk of [`${workspaceId}#${shard}`, `${workspaceId}#${shard}#parts`]) {
      for await (const item of dynamo.queryAll({ table: 'events', where: 'pk = :pk', values: { pk } })) found.push(item)
    }
  }
  return found
}

/** Every item of every table as JSON text; what is compressed in the clear. */
export async function scanAll(dynamo: Dynamo): Promise<Buffer[]> {
  const found: Buffer[] = []
  for (const table of TABLES) {
    const { Items = [] } = await dynamo.raw.scan({ TableName: dynamo.tableName(table) })
    for (const item of Items)
      found.push(Buffer.from(JSON.stringify(unmarshall(item), (_, value) => (value instanceof Uint8Array ? plain(value) : value))))
  }
  return found
}

function plain(bytes: Uint8Array): string {
  try {
    return textOf(bytes)
  } catch {
    return Buffer.from(bytes).toString('latin1')
  }
}
