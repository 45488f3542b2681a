/** Stores in a real DynamoDB for tests, each on tables of its own; all of them go away at the end of the file. */
import { randomUUID } from 'node:crypto'
import { afterAll } from 'vitest'
import { createDynamo, type Dynamo } from '../adapters/aws/dynamodb/client.ts'
import { TABLES } from '../adapters/aws/dynamodb/notation.ts'
import { type DynamoStore, type DynamoStoreOptions, openDynamoStore } from '../adapters/aws/dynamodb/store.ts'
import { TTL_ATTRIBUTE } from '../adapters/aws/dynamodb/tables.ts'
import { systemClock } from '../adapters/system-clock.ts'

export interface TestTables {
  /** Opens a store; without a prefix on new tables, made as a server makes them. */
  open(options?: Partial<DynamoStoreOptions>): Promise<{ store: DynamoStore; tablePrefix: string; settleMs: number }>
  /** The tables of a prefix without a store. */
  dynamoOf(tablePrefix: string): Dynamo
  newPrefix(): string
  /** Has DynamoDB remove nothing from tables that are there: it does so by its own clock. `open` does this for a clock of the test's. */
  endTtl(tablePrefix: string): Promise<void>
}

/** For the top of a file. @param endpointUrl of the server */
export function testTables(endpointUrl: string): TestTables {
  const access = { endpointUrl, region: 'us-east-1', madeUpCredentials: true }
  const opened: DynamoStore[] = []
  const dynamos: Dynamo[] = []
  const prefixes = new Set<string>()
  const withoutTtl = new Set<string>()

  function dynamoOf(tablePrefix: string): Dynamo {
    const dynamo = createDynamo({ ...access, tablePrefix, clock: systemClock })
    dynamos.push(dynamo)
    prefixes.add(tablePrefix)
    return dynamo
  }

  function newPrefix(): string {
    const prefix = `test-${randomUUID()}-`
    prefixes.add(prefix)
    return prefix
  }

  /** DynamoDB removes by its own clock: what lives on by a test's clock must not vanish in the middle of it. */
  async function endTtl(tablePrefix: string): Promise<void> {
    const dynamo = dynamoOf(tablePrefix)
    const TimeToLiveSpecification = { AttributeName: TTL_ATTRIBUTE, Enabled: false }
    for (const table of TABLES) await dynamo.raw.updateTimeToLive({ TableName: dynamo.tableName(table), TimeToLiveSpecification })
    withoutTtl.add(tablePrefix)
  }

  afterAll(async () => {
    await Promise.all(opened.map((store) => store.close()))
    for (const prefix of prefixes) {
      const dynamo = dynamoOf(prefix)
      // One that the server has no longer is as good as removed.
      for (const table of TABLES) await dynamo.raw.deleteTable({ TableName: dynamo.tableName(table) }).catch(() => undefined)
    }
    for (const dynamo of dynamos) dynamo.close()
  })

  return {
    newPrefix,
    dynamoOf,
    endTtl,
    async open(options = {}) {
      const tablePrefix = options.tablePrefix ?? newPrefix()
      // Longer than the slowest commit of a busy machine.
      const { settleMs = 10_000 } = options
      const store = await openDynamoStore({
        ...access,
        clock: systemClock,
        eventTtlDays: 7,
        eventIndexes: ['source', 'event_type'],
        shards: 4,
        // They would be given their TTL again.
        makeTables: !withoutTtl.has(tablePrefix),
        ...options,
        settleMs,
        tablePrefix,
      })
      opened.push(store)
      const { clock = systemClock } = options
      if (clock !== systemClock && !withoutTtl.has(tablePrefix)) await endTtl(tablePrefix)
      return { store, tablePrefix, settleMs }
    },
  }
}
