/** What a DynamoDB was asked, and what it cost there: for tests and the benchmark. */
import type { BatchExecuteStatementInput, Capacity, ConsumedCapacity } from '@aws-sdk/client-dynamodb'

export interface DynamodbCounts {
  /** By operation: `PutItem`. */
  requests: Record<string, number>
  /** Of the tables and their indexes together. */
  writeUnits: number
  readUnits: number
  /** The same by table and index: `prefix-events`, `prefix-events/pending`. */
  byTable: Record<string, Units>
  /** PartiQL statements in batches, by verb and table: `UPDATE prefix-events`. Their units are missing: DynamoDB tells them, DynamoDB Local does not. */
  statements: Record<string, number>
}

export interface Units {
  write: number
  read: number
}

/** The operations that tell, when asked, what they consumed. */
const MEASURED =
  /^(BatchExecuteStatement|BatchGetItem|BatchWriteItem|DeleteItem|ExecuteStatement|GetItem|PutItem|Query|Scan|Transact\w+|UpdateItem)$/
const READS = /Get|^Query$|^Scan$/
const ASK = Buffer.from('{"ReturnConsumedCapacity":"INDEXES",')

export interface DynamodbCounter {
  counts(): DynamodbCounts
  reset(): void
  request(operation: string): void
  /** Has the answer tell what the request consumes. @returns the body to send instead */
  asking(operation: string, body: Buffer): Buffer
  answer(operation: string, body: Buffer): void
}

export function createDynamodbCounter(): DynamodbCounter {
  let counts = empty()

  function addUnits(table: string, kind: keyof Units, { CapacityUnits = 0 }: Capacity): void {
    counts.byTable[table] ??= { write: 0, read: 0 }
    counts.byTable[table][kind] += CapacityUnits
    counts[kind === 'write' ? 'writeUnits' : 'readUnits'] += CapacityUnits
  }

  function addCapacity(kind: keyof Units, { TableName = '', Table, GlobalSecondaryIndexes = {} }: ConsumedCapacity): void {
    if (Table !== undefined) addUnits(TableName, kind, Table)
    for (const [index, capacity] of Object.entries(GlobalSecondaryIndexes)) addUnits(`${TableName}/${index}`, kind, capacity)
  }

  return {
    counts: () => structuredClone(counts),
    reset: () => {
      counts = empty()
    },
    request: (operation) => add(counts.requests, operation),
    asking: (operation, body) => {
      if (operation === 'BatchExecuteStatement') for (const statement of statementsOf(body)) add(counts.statements, statement)
      if (!MEASURED.test(operation) || body.includes('"ReturnConsumedCapacity"')) return body
      return Buffer.concat([ASK, body.subarray(body.indexOf('{') + 1)])
    },
    answer: (operation, body) => {
      if (!body.includes('"ConsumedCapacity"')) return
      const { ConsumedCapacity = [] }: { ConsumedCapacity?: ConsumedCapacity | ConsumedCapacity[] } = JSON.parse(body.toString())
      for (const consumed of [ConsumedCapacity].flat()) addCapacity(READS.test(operation) ? 'read' : 'write', consumed)
    },
  }
}

const empty = (): DynamodbCounts => ({ requests: {}, writeUnits: 0, readUnits: 0, byTable: {}, statements: {} })

function add(counts: Record<string, number>, name: string): void {
  counts[name] = (counts[name] ?? 0) + 1
}

function statementsOf(body: Buffer): string[] {
  const { Statements = [] }: Partial<BatchExecuteStatementInput> = JSON.parse(body.toString())
  return Statements.map(({ Statement = '' }) => `${/^\w+/.exec(Statement)?.[0]} ${/"([^"]+)"/.exec(Statement)?.[1]}`)
}
