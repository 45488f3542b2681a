import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { type CancellationReason, DynamoDB } from '@aws-sdk/client-dynamodb'
import { DynamoDBDocument, type QueryCommandInput, type TransactWriteCommandInput } from '@aws-sdk/lib-dynamodb'
import { unmarshall } from '@aws-sdk/util-dynamodb'
import type { Clock } from '../../../ports.ts'
import { isThrottled } from '../errors.ts'
import { DynamoError, dynamoErrorOf } from './errors.ts'

/** The tables, without the prefix of their names. */
export const TABLES = ['events', 'keys', 'webhooks', 'deliveries', 'rate-limits'] as const
export type Table = (typeof TABLES)[number]

/** Every table has these two, both texts. */
export interface Key {
  pk: string
  sk: string
}

/** As it is stored; who reads it knows what is in it. */
// biome-ignore lint/suspicious/noExplicitAny: DynamoDB has no schema beyond the key; each reader gives its items a type at once
export type Item = Key & Record<string, any>

export interface DynamoOptions {
  /** Undefined: that of AWS in the region. */
  endpointUrl: string | undefined
  /** Undefined: as the SDK finds it. */
  region: string | undefined
  /** Whether requests are signed with made-up credentials, for a server on this machine that asks for none. */
  madeUpCredentials: boolean
  tablePrefix: string
  clock: Clock
  /** Told of each answer: by DynamoDB's clock (whole seconds, in milliseconds), and by ours when it was asked and answered. */
  onAnswer?: ((serverMs: number, askedUs: number, answeredUs: number) => void) | undefined
}

/** A condition in DynamoDB's words; `names` and `values` without their `#` and `:`. */
export interface Expression {
  names?: Record<string, string>
  values?: Record<string, unknown>
}

export interface Condition extends Expression {
  condition: string
}

export interface Update extends Expression {
  /** `SET a = :a REMOVE b`. */
  update: string
  condition?: string
  /** Whether the item is left out of the answer, where it may be large. */
  isSilent?: boolean
}

/** `isDone` false: the condition did not hold; `old` is the item as it stands, undefined when there is none. */
export type WriteResult = { isDone: true; item?: Item } | { isDone: false; old: Item | undefined }

/** One write of a transaction. */
export type Write =
  | ({ table: Table; put: Item } & Partial<Condition>)
  | ({ table: Table; key: Key } & Update)
  | ({ table: Table; remove: Key } & Partial<Condition>)
  | ({ table: Table; check: Key } & Condition)

/** Of a transaction that was cancelled: for each write whether its own condition failed, and the item that it met. */
export interface Refusal {
  isRefused: boolean
  old: Item | undefined
}

export interface Query extends Expression {
  table: Table
  index?: string
  /** The condition on the keys: `pk = :pk AND sk > :after`. */
  where: string
  filter?: string
  order?: 'asc' | 'desc'
  limit?: number
  /** The `next` of the page before. */
  from?: Record<string, unknown> | undefined
  /** Only these attributes, names as in `names`: `pk, #status`. */
  attributes?: string
  /** Index reads are never strongly consistent; table reads are, unless told otherwise. */
  isConsistent?: boolean
}

/** A PartiQL statement of a batch: `UPDATE`, `INSERT` or `DELETE` by a whole key. `table` stands for `$table` in the text. */
export interface Statement {
  table: Table
  text: string
  parameters: unknown[]
}

/** `refused`: the condition did not hold (`old`: what stands there), or the item to insert was there. */
export type StatementResult =
  | { outcome: 'done' }
  | { outcome: 'refused'; old: Item | undefined }
  | { outcome: 'failed'; error: DynamoError }

export interface CallOptions {
  /** How long the call may take with all its tries. */
  timeoutMs?: number
  /** Told of each try that may have been carried out though it failed. */
  onUncertain?: () => void
}

const CALL_MS = 5000
const TRY_MS = 2000
const CONNECT_MS = 1000
const SOCKETS = 256
/** DynamoDB's own limits. */
export const BATCH_WRITES = 25
export const BATCH_READS = 100
export const TRANSACTION_WRITES = 100

/**
 * The way to DynamoDB: every call ends in time, and fails as `DynamoError` and nothing else. What was throttled is asked again with jitter for as
 * long as the call may take; so is what may have been done without our knowledge, where doing it twice is as good as once.
 */
export type Dynamo = ReturnType<typeof createDynamo>

export function createDynamo(options: DynamoOptions) {
  const { endpointUrl, region, tablePrefix, clock } = options
  const raw = new DynamoDB({
    ...(endpointUrl !== undefined && { endpoint: endpointUrl }),
    ...(region !== undefined && { region }),
    ...(options.madeUpCredentials && { credentials: { accessKeyId: 'local', secretAccessKey: 'local' } }),
    maxAttempts: 1,
    requestHandler: {
      connectionTimeout: CONNECT_MS,
      requestTimeout: TRY_MS,
      throwOnRequestTimeout: true,
      httpAgent: { maxSockets: SOCKETS, keepAlive: true },
      httpsAgent: { maxSockets: SOCKETS, keepAlive: true },
    },
  })
  if (options.onAnswer !== undefined) tellAnswers(raw, clock, options.onAnswer)
  const client = DynamoDBDocument.from(raw, { marshallOptions: { removeUndefinedValues: true } })
  const underWay = new Set<AbortController>()
  let isClosed = false

  const tableName = (table: Table): string => tablePrefix + table

  /** @param isRepeatable whether doing it twice is as good as once */
  async function call<Output>(
    ask: (options: { abortSignal: AbortSignal }) => Promise<Output>,
    isRepeatable: boolean,
    { timeoutMs = CALL_MS, onUncertain }: CallOptions = {},
  ): Promise<Output> {
    const endMs = performance.now() + timeoutMs
    for (let tries = 1; ; tries++) {
      if (isClosed) throw new DynamoError('closed', 'DynamoDB: the store is closed.')
      const controller = new AbortController()
      const timer = setTimeout(() => controller.abort(), Math.max(1, endMs - performance.now()))
      underWay.add(controller)
      try {
        return await ask({ abortSignal: controller.signal })
      } catch (error) {
        if (isRefusal(error)) throw error
        const failure = dynamoErrorOf(error)
        if (failure.isUncertain && !isPassing(failure.reason)) onUncertain?.()
        const waitMs = jitter(tries)
        const isAgain = isThrottled(failure.reason) || isPassing(failure.reason) || (failure.isUncertain && isRepeatable)
        if (!isAgain || performance.now() + waitMs >= endMs) throw failure
        await sleep(waitMs)
      } finally {
        clearTimeout(timer)
        underWay.delete(controller)
      }
    }
  }

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

    /** Conditional writes, each on its own, any number; one result each, in order. One that may have been done unknown to us is `failed`. */
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
      return (await Promise.all(chunksOf(statements, BATCH_WRITES).map(run))).flat()
    },

    /** Breaks off what is under way. */
    close(): void {
      isClosed = true
      for (const controller of underWay) controller.abort()
      raw.destroy()
    },
  }
}

export function chunksOf<Value>(values: readonly Value[], size: number): Value[][] {
  return Array.from({ length: Math.ceil(values.length / size) }, (_, index) => values.slice(index * size, (index + 1) * size))
}

/** Full jitter: up to 25 ms, doubled by each try, up to half a second. */
export function jitter(tries: number): number {
  return Math.random() * Math.min(500, 25 * 2 ** tries)
}

function tellAnswers(raw: DynamoDB, clock: Clock, onAnswer: NonNullable<DynamoOptions['onAnswer']>): void {
  raw.middlewareStack.add(
    (next) => async (args) => {
      const askedUs = clock.nowUs()
      const result = await next(args)
      const { response } = result
      const headers = typeof response === 'object' && response !== null && 'headers' in response ? response.headers : undefined
      const date = typeof headers === 'object' && headers !== null && 'date' in headers ? Date.parse(String(headers.date)) : Number.NaN
      if (!Number.isNaN(date)) onAnswer(date, askedUs, clock.nowUs())
      return result
    },
    { step: 'deserialize', name: 'tellAnswers', priority: 'low' },
  )
}

function throttled(): DynamoError {
  return new DynamoError('Throttled', 'DynamoDB: too many requests (unprocessed items).')
}

/** A condition that did not hold, or a transaction that was cancelled: an answer, not a failure. */
function isRefusal(error: unknown): error is Error {
  return error instanceof Error && (error.name === 'ConditionalCheckFailedException' || error.name === 'TransactionCanceledException')
}

/** Nothing was done, and it may be in a moment. */
function isPassing(reason: string): boolean {
  return /^(TransactionConflictException|TransactionInProgressException|ECONNREFUSED)$/.test(reason)
}

function projectionOf(attributes: readonly string[]) {
  const names = ['pk', 'sk', ...attributes]
  return {
    ProjectionExpression: names.map((name) => `#${name}`).join(', '),
    ExpressionAttributeNames: Object.fromEntries(names.map((name) => [`#${name}`, name])),
  }
}

function expressionOf({ names, values }: Expression) {
  return {
    ...(names !== undefined && { ExpressionAttributeNames: withMark('#', names) }),
    ...(values !== undefined && { ExpressionAttributeValues: withMark(':', values) }),
  }
}

function conditionOf(condition: Partial<Condition> | undefined) {
  if (condition?.condition === undefined) return {}
  return { ConditionExpression: condition.condition, ...expressionOf(condition), ReturnValuesOnConditionCheckFailure: 'ALL_OLD' as const }
}

function updateOf(update: Update) {
  return {
    UpdateExpression: update.update,
    ...expressionOf(update),
    ...(update.condition !== undefined && {
      ConditionExpression: update.condition,
      ReturnValuesOnConditionCheckFailure: 'ALL_OLD' as const,
    }),
  }
}

function transactItemOf(write: Write, TableName: string): NonNullable<TransactWriteCommandInput['TransactItems']>[number] {
  if ('put' in write) return { Put: { TableName, Item: write.put, ...conditionOf(write) } }
  if ('remove' in write) return { Delete: { TableName, Key: keyOf(write.remove), ...conditionOf(write) } }
  if ('check' in write) {
    return {
      ConditionCheck: {
        TableName,
        Key: keyOf(write.check),
        ConditionExpression: write.condition,
        ...expressionOf(write),
        ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
      },
    }
  }
  return { Update: { TableName, Key: keyOf(write.key), ...updateOf(write) } }
}

const keyOf = ({ pk, sk }: Key): Key => ({ pk, sk })

function withMark<Value>(mark: string, values: Record<string, Value>): Record<string, Value> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [mark + name, value]))
}

function itemOf(attributes: Record<string, unknown>): Item {
  const { pk, sk } = attributes
  if (typeof pk !== 'string' || typeof sk !== 'string') throw new TypeError('An item has no key.')
  return { ...attributes, pk, sk }
}

function keyText(key: Record<string, unknown> | undefined): string {
  return `${key?.['pk']}\n${key?.['sk']}`
}

function requestKey(request: { PutRequest: { Item: Item } } | { DeleteRequest: { Key: Key } }): string {
  const { pk, sk } = 'PutRequest' in request ? request.PutRequest.Item : request.DeleteRequest.Key
  return `${pk}\n${sk}`
}

/** What an error carries in DynamoDB's own notation. */
function attributesOf(item: unknown): Parameters<typeof unmarshall>[0] {
  if (typeof item !== 'object' || item === null) throw new TypeError('An error has no item.')
  // The SDK's own types say so; `unknown` is what is left of them in a caught error.
  return item as Parameters<typeof unmarshall>[0]
}

function cancellationsOf(error: Error): CancellationReason[] {
  return 'CancellationReasons' in error && Array.isArray(error.CancellationReasons) ? error.CancellationReasons : []
}

function refusalOf({ Code, Item }: CancellationReason): Refusal {
  return { isRefused: Code === 'ConditionalCheckFailed', old: Item === undefined ? undefined : itemOf(unmarshall(Item)) }
}

function statementResultOf(
  response: { Error?: { Code?: string | undefined; Item?: Record<string, unknown> | undefined } | undefined } | undefined,
): StatementResult {
  const error = response?.Error
  if (response !== undefined && error === undefined) return { outcome: 'done' }
  const reason = error?.Code ?? 'unknown'
  if (reason === 'ConditionalCheckFailed' || reason === 'DuplicateItem') {
    return { outcome: 'refused', old: error?.Item === undefined ? undefined : itemOf(error.Item) }
  }
  return { outcome: 'failed', error: new DynamoError(reason, `DynamoDB: a write failed (${reason}).`, !isThrottled(reason)) }
}
