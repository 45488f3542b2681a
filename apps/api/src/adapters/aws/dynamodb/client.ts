import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { DynamoDBDocument, type QueryCommandInput, type TransactWriteCommandInput } from '@aws-sdk/lib-dynamodb'
import { unmarshall } from '@aws-sdk/util-dynamodb'
import { isThrottled } from '../errors.ts'
import { mapAtOnce } from './at-once.ts'
import { CALL_MS, type CallOptions, createConnection, type DynamoOptions, isRefusal, jitter } from './connection.ts'
import { DynamoError, dynamoErrorOf } from './errors.ts'
import {
  attributesOf,
  type Condition,
  cancellationsOf,
  conditionOf,
  expressionOf,
  type Item,
  itemOf,
  type Key,
  keyText,
  projectionOf,
  type Query,
  type Refusal,
  refusalOf,
  requestKey,
  type Statement,
  type StatementResult,
  statementResultOf,
  type Table,
  transactItemOf,
  type Update,
  updateOf,
  type Write,
  type WriteResult,
} from './notation.ts'

/** DynamoDB's own limits. */
export const BATCH_WRITES = 25
export const BATCH_READS = 100
export const TRANSACTION_WRITES = 100
/** Requests of one caller's statements that are under way at once: thousands of rows at once would run into the time limits of all. */
const STATEMENT_CALLS = 8

/**
 * The way to DynamoDB: every call ends in time, and fails as `DynamoError` and nothing else. What was throttled is asked again with jitter for as
 * long as the call may take; so is what may have been done without our knowledge, where doing it twice is as good as once.
 */
export type Dynamo = ReturnType<typeof createDynamo>

export function createDynamo(options: DynamoOptions) {
  const { raw, call, close } = createConnection(options)
  const client = DynamoDBDocument.from(raw, { marshallOptions: { removeUndefinedValues: true } })
  const tableName = (table: Table): string => options.tablePrefix + table

  /** A single conditional write, as a result. Not asked again when it may have been done: it would meet itself. */
  async function write(
    ask: (options: { abortSignal: AbortSignal }) => Promise<{ Attributes?: Record<string, unknown> | undefined }>,
    isRepeatable: boolean,
    options?: CallOptions,
  ) {
    try {
      const { Attributes } = await call(ask, isRepeatable, options)
      return { isDone: true, ...(Attributes !== undefined && { item: itemOf(Attributes) }) } satisfies WriteResult
    } catch (error) {
      if (!isRefusal(error)) throw error
      return {
        isDone: false,
        old: 'Item' in error && error.Item !== undefined ? itemOf(unmarshall(attributesOf(error.Item))) : undefined,
      } satisfies WriteResult
    }
  }

  async function query(input: Query): Promise<{ items: Item[]; next: Record<string, unknown> | undefined }> {
    const { table, index, where, filter, order = 'asc', limit, from, attributes, isConsistent = index === undefined } = input
    const command: QueryCommandInput = {
      TableName: tableName(table),
      ...(index !== undefined && { IndexName: index }),
      KeyConditionExpression: where,
      ...(filter !== undefined && { FilterExpression: filter }),
      ...(attributes !== undefined && { ProjectionExpression: attributes }),
      ...expressionOf(input),
      ScanIndexForward: order === 'asc',
      ...(limit !== undefined && { Limit: limit }),
      ...(from !== undefined && { ExclusiveStartKey: from }),
      ConsistentRead: isConsistent,
    }
    const { Items = [], LastEvaluatedKey } = await call((options) => client.query(command, options), true)
    return { items: Items.map(itemOf), next: LastEvaluatedKey }
  }

  return {
    /** For the tables themselves. */
    raw,
    tableName,
    call,
    query,

    /** Strongly consistent. */
    async get(table: Table, { pk, sk }: Key, options?: CallOptions): Promise<Item | undefined> {
      const input = { TableName: tableName(table), Key: { pk, sk }, ConsistentRead: true }
      const { Item } = await call((also) => client.get(input, also), true, options)
      return Item && itemOf(Item)
    },

    /**
     * Strongly consistent, in any order; those that are not there are left out. Any number of keys, none twice.
     * @param attributes only these, beside the key: of no use for the units, but for the network
     */
    async batchGet(table: Table, keys: readonly Key[], attributes?: readonly string[]): Promise<Item[]> {
      const name = tableName(table)
      const read = async (chunk: readonly Key[]): Promise<Item[]> => {
        const found: Item[] = []
        let left: Record<string, unknown>[] = chunk.map(({ pk, sk }) => ({ pk, sk }))
        const endMs = performance.now() + CALL_MS
        for (let tries = 1; left.length > 0; tries++) {
          const input = { RequestItems: { [name]: { Keys: left, ConsistentRead: true, ...(attributes && projectionOf(attributes)) } } }
          const { Responses, UnprocessedKeys } = await call((also) => client.batchGet(input, also), true)
          const items = Responses?.[name] ?? []
          found.push(...items.map(itemOf))
          left = UnprocessedKeys?.[name]?.Keys ?? []
          if (left.length === 0) break
          if (performance.now() > endMs) throw throttled()
          // Items of 16 MB come in several answers: no throttling, so no wait.
          if (items.length === 0) await sleep(jitter(tries))
        }
        return found
      }
      return (await Promise.all(chunksOf(keys, BATCH_READS).map(read))).flat()
    },

    /** The items of all pages. */
    async *queryAll(input: Omit<Query, 'from'>): AsyncGenerator<Item> {
      let from: Query['from']
      do {
        const page = await query({ ...input, from })
        yield* page.items
        from = page.next
      } while (from !== undefined)
    },

    async put(table: Table, item: Item, condition?: Condition, options?: CallOptions): Promise<WriteResult> {
      return await write(
        (also) =>
          client.put(
            {
              TableName: tableName(table),
              Item: item,
              ...conditionOf(condition),
            },
            also,
          ),
        condition === undefined,
        options,
      )
    },

    /** @param isRepeatable whether doing it twice is as good as once @returns the item as it is after the update */
    async update(table: Table, { pk, sk }: Key, update: Update, isRepeatable = false, options?: CallOptions): Promise<WriteResult> {
      const ReturnValues = update.isSilent ? 'NONE' : 'ALL_NEW'
      return await write(
        (also) => client.update({ TableName: tableName(table), Key: { pk, sk }, ...updateOf(update), ReturnValues }, also),
        isRepeatable,
        options,
      )
    },

    async remove(table: Table, { pk, sk }: Key, condition?: Condition): Promise<WriteResult> {
      return await write(
        (also) => client.delete({ TableName: tableName(table), Key: { pk, sk }, ...conditionOf(condition) }, also),
        condition === undefined,
      )
    },

    /**
     * All of it or nothing, at most 100 writes; another transaction in the way is waited for.
     * @returns undefined when it is done; else, for each write, whether it was refused
     */
    async transact(writes: readonly Write[], options?: CallOptions): Promise<Refusal[] | undefined> {
      const input: TransactWriteCommandInput = {
        TransactItems: writes.map((one) => transactItemOf(one, tableName(one.table))),
        // The same for each try: DynamoDB does it once.
        ClientRequestToken: randomUUID(),
      }
      const endMs = performance.now() + (options?.timeoutMs ?? CALL_MS)
      for (let tries = 1; ; tries++) {
        try {
          await call((also) => client.transactWrite(input, also), true, { ...options, timeoutMs: Math.max(1, endMs - performance.now()) })
          return undefined
        } catch (error) {
          if (!isRefusal(error)) throw error
          const reasons = cancellationsOf(error)
          if (reasons.some(({ Code }) => Code === 'ConditionalCheckFailed')) return reasons.map(refusalOf)
          const passing = reasons.some(({ Code }) => Code !== undefined && (isThrottled(Code) || Code === 'TransactionConflict'))
          if (!passing || performance.now() + jitter(tries) >= endMs) {
            throw new DynamoError(
              'TransactionCanceledException',
              `DynamoDB: a transaction was cancelled (${reasons.map(({ Code }) => Code).join(', ')}).`,
            )
          }
          await sleep(jitter(tries))
          // It was cancelled: the next try is another transaction.
          input.ClientRequestToken = randomUUID()
        }
      }
    },

    /**
     * Writes without conditions, in any order, each on its own; at most 25, no key twice. What DynamoDB leaves undone is asked again with jitter.
     * @returns for each write whether it is done for certain
     * @throws DynamoError when it is not known of any of them
     */
    async batchWrite(
      table: Table,
      writes: readonly ({ put: Item } | { remove: Key })[],
      { timeoutMs = CALL_MS, ...options }: CallOptions = {},
    ): Promise<boolean[]> {
      const name = tableName(table)
      const endMs = performance.now() + timeoutMs
      const requests = writes.map((one) =>
        'put' in one ? { PutRequest: { Item: one.put } } : { DeleteRequest: { Key: { pk: one.remove.pk, sk: one.remove.sk } } },
      )
      let left: typeof requests = requests
      for (let tries = 1; ; tries++) {
        const asked = left
        try {
          const { UnprocessedItems } = await call((also) => client.batchWrite({ RequestItems: { [name]: asked } }, also), true, {
            ...options,
            timeoutMs: Math.max(1, endMs - performance.now()),
          })
          const undone = new Set(
            (UnprocessedItems?.[name] ?? []).map(({ PutRequest, DeleteRequest }) => keyText(PutRequest?.Item ?? DeleteRequest?.Key)),
          )
          left = asked.filter((request) => undone.has(requestKey(request)))
        } catch (error) {
          // Else the others are done: an earlier answer said so.
          if (left.length === requests.length) throw error
          return requests.map((request) => !left.includes(request))
        }
        const waitMs = jitter(tries)
        if (left.length === 0 || performance.now() + waitMs >= endMs) return requests.map((request) => !left.includes(request))
        await sleep(waitMs)
      }
    },

    /** Conditional writes, each on its own, any number, a few requests at a time; one result each, in order. One that may have been done unknown to us is `failed`. */
    async execute(statements: readonly Statement[]): Promise<StatementResult[]> {
      const run = async (chunk: readonly Statement[]): Promise<StatementResult[]> => {
        const Statements = chunk.map(({ table, text, parameters }) => ({
          Statement: text.replaceAll('$table', `"${tableName(table)}"`),
          ...(parameters.length > 0 && { Parameters: parameters }),
          ReturnValuesOnConditionCheckFailure: 'ALL_OLD' as const,
        }))
        try {
          const { Responses = [] } = await call((also) => client.batchExecuteStatement({ Statements }, also), false)
          return chunk.map((_, index) => statementResultOf(Responses[index]))
        } catch (error) {
          const failure = dynamoErrorOf(error)
          return chunk.map(() => ({ outcome: 'failed', error: failure }))
        }
      }
      return (await mapAtOnce(chunksOf(statements, BATCH_WRITES), STATEMENT_CALLS, run)).flat()
    },

    close,
  }
}

export function chunksOf<Value>(values: readonly Value[], size: number): Value[][] {
  return Array.from({ length: Math.ceil(values.length / size) }, (_, index) => values.slice(index * size, (index + 1) * size))
}

function throttled(): DynamoError {
  return new DynamoError('Throttled', 'DynamoDB: too many requests (unprocessed items).')
}
