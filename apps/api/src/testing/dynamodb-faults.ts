/** What goes wrong with DynamoDB, one function for each: what the proxy of `dynamodb-proxy.ts` answers in its place. */
import type {
  AttributeValue,
  BatchExecuteStatementInput,
  BatchExecuteStatementOutput,
  BatchGetItemInput,
  BatchGetItemOutput,
  BatchStatementErrorCodeEnum,
  BatchWriteItemInput,
  BatchWriteItemOutput,
  QueryInput,
  QueryOutput,
  TransactWriteItemsInput,
} from '@aws-sdk/client-dynamodb'

export interface DynamodbAnswer {
  status: number
  headers: Record<string, string | string[]>
  body: Buffer
}

/** One request on its way. */
export interface DynamodbCall {
  /** `PutItem` */
  operation: string
  body: Buffer
  /** Has it carried out, as it is or with another body. */
  forward(body?: Buffer): Promise<DynamodbAnswer>
}

/** `'reset'`: the connection breaks. */
export type Fault = (call: DynamodbCall) => Promise<DynamodbAnswer | 'reset'>

/** An error in place of doing it. @param name `ThrottlingException` @param status 500 and more: DynamoDB's own fault */
export function failsWith(name: string, status = 400): Fault {
  return async () => errorAnswer(name, status)
}

/** The error comes after it was done. */
export function failsAfterwards(name = 'InternalServerError', status = 500): Fault {
  return async ({ forward }) => {
    await forward()
    return errorAnswer(name, status)
  }
}

/** It is done, and nobody is told. */
export const lostAnswer: Fault = async ({ forward }) => {
  await forward()
  return 'reset'
}

/** The connection breaks before anything is done. */
export const brokenOff: Fault = async () => 'reset'

/** No answer comes until they are released. */
export function hangs(): { fault: Fault; waiting(): number; release(how: 'carried out' | 'dropped'): Promise<void> } {
  const gates: ((how: 'carried out' | 'dropped') => void)[] = []
  const ends: Promise<unknown>[] = []
  const fault: Fault = ({ forward }) => {
    const { promise, resolve } = Promise.withResolvers<'carried out' | 'dropped'>()
    gates.push(resolve)
    const end = promise.then(async (how) => (how === 'carried out' ? await forward() : 'reset'))
    ends.push(end)
    return end
  }
  return {
    fault,
    waiting: () => gates.length,
    // When it resolves, those that are carried out have been.
    release: async (how) => {
      for (const resolve of gates.splice(0)) resolve(how)
      await Promise.allSettled(ends.splice(0))
    },
  }
}

/** Of a BatchWriteItem or BatchGetItem those are not done. @param isLeft by their number in the request */
export function leavesUndone(isLeft: (index: number) => boolean): Fault {
  return async (call) => (call.operation === 'BatchGetItem' ? await leaveKeys(call, isLeft) : await leaveWrites(call, isLeft))
}

async function leaveWrites({ body, forward }: DynamodbCall, isLeft: (index: number) => boolean): Promise<DynamodbAnswer> {
  const input: BatchWriteItemInput = parsed(body)
  const { taken, left } = parted(Object.entries(input.RequestItems ?? {}), isLeft)
  const answer = taken.size > 0 ? await forward(bytesOf({ ...input, RequestItems: Object.fromEntries(taken) })) : jsonAnswer(200, {})
  if (answer.status !== 200) return answer
  const output: BatchWriteItemOutput = parsed(answer.body)
  return jsonAnswer(200, { ...output, UnprocessedItems: Object.fromEntries(left) })
}

async function leaveKeys({ body, forward }: DynamodbCall, isLeft: (index: number) => boolean): Promise<DynamodbAnswer> {
  const input: BatchGetItemInput = parsed(body)
  const tables = Object.entries(input.RequestItems ?? {})
  const keys = tables.map(([table, { Keys = [] }]): [string, Record<string, AttributeValue>[]] => [table, Keys])
  const { taken, left } = parted(keys, isLeft)
  const requests = (of: Map<string, unknown[]>) =>
    Object.fromEntries(tables.filter(([table]) => of.has(table)).map(([table, rest]) => [table, { ...rest, Keys: of.get(table) }]))
  const answer = taken.size > 0 ? await forward(bytesOf({ ...input, RequestItems: requests(taken) })) : jsonAnswer(200, { Responses: {} })
  if (answer.status !== 200) return answer
  const output: BatchGetItemOutput = parsed(answer.body)
  return jsonAnswer(200, { ...output, UnprocessedKeys: requests(left) })
}

function parted<Entry>(tables: [string, Entry[]][], isLeft: (index: number) => boolean) {
  const taken = new Map<string, Entry[]>()
  const left = new Map<string, Entry[]>()
  let index = 0
  for (const [table, entries] of tables) {
    for (const entry of entries) {
      const side = isLeft(index++) ? left : taken
      side.set(table, [...(side.get(table) ?? []), entry])
    }
  }
  return { taken, left }
}

/**
 * Some statements of a BatchExecuteStatement fail.
 * @param when `'before'`: those are not carried out
 */
export function statementsFail(
  code: BatchStatementErrorCodeEnum,
  isFailed: (index: number) => boolean,
  when: 'before' | 'after' = 'before',
): Fault {
  return async ({ body, forward }) => {
    const input: BatchExecuteStatementInput = parsed(body)
    const statements = input.Statements ?? []
    const carriedOut = statements.filter((_, index) => when === 'after' || !isFailed(index))
    const answer = carriedOut.length > 0 ? await forward(bytesOf({ ...input, Statements: carriedOut })) : jsonAnswer(200, { Responses: [] })
    if (answer.status !== 200) return answer
    const output: BatchExecuteStatementOutput = parsed(answer.body)
    const results = [...(output.Responses ?? [])]
    const Responses = statements.map((_, index) => {
      const result = when === 'after' || !isFailed(index) ? results.shift() : undefined
      return isFailed(index) ? { Error: { Code: code, Message: 'Made up by a test.' } } : result
    })
    return jsonAnswer(200, { ...output, Responses })
  }
}

/** A transaction that is not done, for a reason that passes. @param code of the first of its writes: `TransactionConflict`, `ThrottlingError` */
export function cancelled(code: string): Fault {
  return async ({ body }) => {
    const input: TransactWriteItemsInput = parsed(body)
    const reasons = (input.TransactItems ?? []).map((_, index) =>
      index === 0 ? { Code: code, Message: 'Made up by a test.' } : { Code: 'None' },
    )
    return errorAnswer('TransactionCanceledException', 400, { CancellationReasons: reasons })
  }
}

const UUID_V7 = /([0-9a-f]{8})-([0-9a-f]{4})-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}/

/** Indexes answer without the rows whose id (of version 7, in `sk` or `pk`) is younger than that. */
export function lateIndex(ms: number, nowMs: () => number = Date.now): Fault {
  return async ({ operation, body, forward }) => {
    const answer = await forward()
    if (answer.status !== 200 || operation !== 'Query') return answer
    const { IndexName }: QueryInput = parsed(body)
    if (IndexName === undefined) return answer
    const output: QueryOutput = parsed(answer.body)
    const { Items } = output
    if (Items === undefined) return answer
    const latestMs = nowMs() - ms
    const visible = Items.filter((item) => (idTimeMs(item) ?? 0) <= latestMs)
    return jsonAnswer(200, { ...output, Items: visible, Count: visible.length })
  }
}

function idTimeMs({ sk, pk }: Record<string, AttributeValue>): number | undefined {
  const found = UUID_V7.exec(sk?.S ?? '') ?? UUID_V7.exec(pk?.S ?? '')
  return found === null ? undefined : Number.parseInt(`${found[1]}${found[2]}`, 16)
}

function errorAnswer(name: string, status: number, more: object = {}): DynamodbAnswer {
  const namespace = /^(ExpiredToken|UnrecognizedClient|AccessDenied|Throttling|ValidationE)/.test(name)
    ? 'com.amazon.coral.service'
    : 'com.amazonaws.dynamodb.v20120810'
  return jsonAnswer(status, { __type: `${namespace}#${name}`, message: 'Made up by a test.', ...more })
}

function jsonAnswer(status: number, body: object): DynamodbAnswer {
  return { status, headers: { 'content-type': 'application/x-amz-json-1.0' }, body: bytesOf(body) }
}

const bytesOf = (value: object): Buffer => Buffer.from(JSON.stringify(value))

/** The SDK's and DynamoDB's own words: each reader knows which. */
// biome-ignore lint/suspicious/noExplicitAny: as JSON.parse has it
const parsed = (body: Buffer): any => JSON.parse(body.toString())
